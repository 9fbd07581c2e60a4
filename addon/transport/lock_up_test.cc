// A model of the rules by which commands wait for memory, driven at random: does it ever lock up?
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "transport/bdev_shares.h"
#include "transport/peers.h"
#include "transport/testing/small_plans.h"

namespace capsuled::transport {

using testing::name;
using testing::small_plans;

namespace {

/// The rules of connection_parked.cc with hosts that send whatever they like, in any order: each
/// queue is a stream in which the data of an R2T stand behind all commands that were sent before.
/// Commands are of three bdevs. Of hosts with a guarantee, which is of 256 KiB, some may be beside
/// others that stop: they send no data any more, and take no answers.
class LockUpModel {
 public:
  explicit LockUpModel(uint64_t seed, bool some_stop = false)
      : prng_(seed),
        peers_(small_plans(), stats_),
        slow_disks_(seed % 2 == 0),
        some_stop_(some_stop) {
    for (uint64_t host = 0; host < 6; ++host) {
      for (int queue = 0; queue < 3; ++queue) {
        auto& made = queues_.emplace_back(std::make_unique<Queue>());
        made->peer = &peers_.join(AccountKind::HostIo, host);
        made->stops = some_stop && (host == 0 || host > 3);
        for (WaitNode& node : made->nodes) node.connection = name(queues_.size());
        made->at_head.queue = made.get();
      }
    }
  }

  void run() {
    for (int step = 0; step < 3000; ++step) {
      stopped_ = some_stop_ && step > 500;
      act();
    }
    // The hosts send no more commands, and pay what they owe: then all must end.
    sending_ = false;
    come_to_rest();
    stopped_ = false;
    come_to_rest();
    for (auto& queue : queues_) peers_.leave(*queue->peer);
  }
  uint64_t streams_waited = 0;  ///< for a bdev

 private:
  static constexpr uint32_t kEntries = 8;
  static constexpr uint32_t kAskedFor = 100;  ///< added to the buffers of a write whose data came
  /// Lent: a read that was lent its bdev's memory, and has but to be answered.
  enum class Kind : uint8_t { Read, Write, InCapsule, Data, Lent };
  struct Item {
    Kind kind;
    uint32_t buffers = 0;  ///< large ones; 0: a small one
    uint32_t bdev = 0;
  };
  struct Queue;
  struct Parked : ParkedCommand {
    Queue* queue;
    Item item;
  };
  struct Queue {
    Peer* peer = nullptr;
    bool stops = false;
    std::vector<Item> stream;
    std::array<std::deque<Parked*>, 2> parked;
    std::vector<Parked*> beside;
    std::array<WaitNode, kWaitCount> nodes;
    uint32_t outstanding = 0;
    uint32_t places = 0;
    uint32_t r2ts = 0;
    std::vector<Item> owed;  ///< R2Ts in the order in which they were sent
    Shortage shortage;
    bool stalled = false;  ///< for want of a claim
    Parked at_head;        ///< while its stream waits for a bdev
  };
  struct Running {
    Queue* queue;
    Item item;
    bool answered = false;  ///< it has but its request, until the host takes the answer
  };

  static Wait wait_of(const Item& item) { return item.buffers == 0 ? Wait::Small : Wait::Large; }
  static Resource pool_of(const Item& item) {
    return item.buffers == 0 ? Resource::SmallBuffers : Resource::LargeBuffers;
  }
  static uint32_t count_of(const Item& item) { return std::max(item.buffers, 1u); }
  static size_t parked_count(const Queue& queue) {
    return queue.parked[0].size() + queue.parked[1].size() + queue.beside.size();
  }
  Shortage lack(Queue& queue, Resource resource, uint32_t amount) {
    return {queue.peer->kind->lack(*queue.peer, resource, amount), resource};
  }
  Shortage shortage_of(Queue& queue, const Item& item) {
    if (const Shortage found = lack(queue, pool_of(item), count_of(item))) return found;
    return item.kind == Kind::Write ? lack(queue, Resource::HostWaits, 1) : Shortage{};
  }
  static bool asks_for_data(const Item& item) {
    return item.kind == Kind::Write || item.buffers >= kAskedFor;
  }
  static Resource requests_for(const Item& item) {
    return asks_for_data(item) ? Resource::HostWaits : Resource::Requests;
  }
  BdevHoldPart& device_of(Queue& queue, const Item& item) {
    const BdevShare share = asks_for_data(item) ? BdevShare::HostWaits : BdevShare::Requests;
    return queue.peer->bdevs.of(item.bdev, bdevs_).part(share);
  }
  bool has_too_many(Queue& queue, const Item& item, uint32_t taken, uint32_t more) {
    const PeerShare& share = queue.peer->share(requests_for(item));
    if (share.held + taken + more <= share.guarantee) return false;
    const Room room = queue.peer->kind->room(*queue.peer, requests_for(item));
    return BdevShares::over(device_of(queue, item), 1, room, taken);
  }
  BdevHoldPart& hold_of(Queue& queue, const Item& item) {
    return queue.peer->bdevs.of(item.bdev, bdevs_)
        .part(item.buffers == 0 ? BdevShare::SmallBuffers : BdevShare::LargeBuffers);
  }
  static Room room(Queue& queue, const Item& item) {
    return queue.peer->kind->room(*queue.peer, pool_of(item));
  }
  bool is_over(Queue& queue, const Item& item, uint32_t taken) {
    const PeerShare& share = queue.peer->share(pool_of(item));
    if (share.held + count_of(item) <= share.guarantee) return false;
    return BdevShares::over(hold_of(queue, item), count_of(item), room(queue, item), taken);
  }
  /// As Connection::line_of().
  BdevHoldPart* line_of(Queue& queue, const Item& item, const BdevHoldPart* waited, uint32_t more) {
    const auto is_behind = [waited](const BdevHoldPart& part) {
      return &part != waited && !part.line.empty();
    };
    BdevHoldPart& hold = hold_of(queue, item);
    if (item.kind != Kind::InCapsule && (is_behind(hold) || is_over(queue, item, 0))) return &hold;
    BdevHoldPart& device = device_of(queue, item);
    if (is_behind(device) || has_too_many(queue, item, 0, more)) return &device;
    return nullptr;
  }
  void execute(Queue& queue, const Item& item) {
    if (!asks_for_data(item)) BdevShares::take(device_of(queue, item), 1);
    executing_.push_back({&queue, item, false});
  }
  WaitNode& node_of(Queue& queue, Wait wait) { return queue.nodes[static_cast<size_t>(wait)]; }
  Shortage claim(Queue& queue) {
    if (queue.places > 0) return {};
    if (const Shortage found = lack(queue, Resource::Parked, kEntries)) return found;
    queue.places = kEntries;
    peers_.take(*queue.peer, Resource::Parked, kEntries);
    return {};
  }
  void settle(Queue& queue) {
    if (queue.r2ts > 0 || parked_count(queue) > 0) return;
    if (queue.places > 0) {
      peers_.give(*queue.peer, Resource::Parked, std::exchange(queue.places, 0u));
    }
    peers_.cancel(*queue.peer, Wait::Places, node_of(queue, Wait::Places));
    if (queue.stalled) {
      queue.stalled = false;
      WaitNode& stream = node_of(queue, Wait::Stream);
      if (!stream.node.linked()) peers_.wait_ready(*queue.peer, Wait::Stream, stream, 0);
    }
  }
  /// Holds its request already.
  void begin(Queue& queue, const Item& item) {
    peers_.take(*queue.peer, pool_of(item), count_of(item));
    BdevShares::take(hold_of(queue, item), count_of(item));
    if (item.kind == Kind::Read) return execute(queue, item);
    peers_.give(*queue.peer, Resource::Requests, 1);
    peers_.take(*queue.peer, Resource::HostWaits, 1);
    BdevShares::take(device_of(queue, item), 1);
    ++queue.r2ts;
    // The host sends the data behind whatever it has sent by now, or sends before that.
    queue.owed.push_back(item);
  }
  bool take_command(Queue& queue, const Item& item) {
    queue.shortage = {};
    queue.stalled = parked_count(queue) > 0 && queue.places == 0;
    if (queue.stalled) return false;
    const PeerLine& line = queue.peer->line(Wait::Stream);
    if (!line.connections.empty() && !queue.peer->kind->is_turn(line)) {
      queue.shortage = {Lack::Own, line.lacks};
    } else {
      queue.shortage = lack(queue, Resource::Requests, 1);
    }
    if (queue.shortage) return false;
    BdevHoldPart* const waited = queue.at_head.waits_in;
    BdevHoldPart* const device =
        item.kind == Kind::InCapsule ? line_of(queue, item, waited, 1) : nullptr;
    if (device != nullptr) {
      queue.at_head.item = item;
      bdevs_.wait(queue.at_head, *device);
      ++streams_waited;
      return false;
    }
    bdevs_.forget(queue.at_head);
    peers_.take(*queue.peer, Resource::Requests, 1);
    if (item.kind == Kind::Lent) {
      executing_.push_back({&queue, item, true});
    } else if (item.kind == Kind::InCapsule) {
      execute(queue, item);
    } else {
      start(queue, item);
    }
    return true;
  }
  void start(Queue& queue, const Item& item) {
    const Wait wait = wait_of(item);
    const PeerLine& line = queue.peer->line(wait);
    Shortage shortage =
        line.connections.empty() ? shortage_of(queue, item) : Shortage{Lack::Own, line.lacks};
    if (!shortage && item.kind == Kind::Write) shortage = claim(queue);
    const uint32_t more = asks_for_data(item) ? 1 : 0;
    BdevHoldPart* const beside = shortage ? nullptr : line_of(queue, item, nullptr, more);
    if (!shortage && beside == nullptr) return begin(queue, item);
    Parked* const parked = new Parked();
    parked->queue = &queue;
    parked->item = item;
    if (beside != nullptr) {
      queue.beside.push_back(parked);
    } else {
      queue.parked[static_cast<size_t>(wait)].push_back(parked);
    }
    peers_.give(*queue.peer, Resource::Requests, 1);
    if (beside != nullptr) bdevs_.wait(*parked, *beside);
    Wait parked_line = wait;
    const Shortage places = claim(queue);
    if (places) {
      parked_line = Wait::Places;
      shortage = places;
    }
    WaitNode& node = node_of(queue, parked_line);
    if ((places || beside == nullptr) && !node.node.linked()) {
      peers_.wait(*queue.peer, parked_line, node, shortage, 0);
    }
  }
  /// As Connection::resume_beside().
  uint32_t leave_bdev(Parked& parked, uint32_t taken) {
    Queue& queue = *parked.queue;
    const Item& item = parked.item;
    const bool for_device = parked.waits_in == &device_of(queue, item);
    if (for_device ? has_too_many(queue, item, taken, 1) : is_over(queue, item, taken)) return 0;
    bdevs_.leave(parked);
    if (&parked == &queue.at_head) {
      peers_.wait_ready(*queue.peer, Wait::Stream, node_of(queue, Wait::Stream), 0);
      return 1;
    }
    std::erase(queue.beside, &parked);
    const Wait wait = wait_of(item);
    queue.parked[static_cast<size_t>(wait)].push_front(&parked);
    WaitNode& node = node_of(queue, wait);
    if (queue.places > 0 && !node.node.linked()) peers_.wait_ready(*queue.peer, wait, node, 0);
    return for_device ? 1 : count_of(item);
  }
  /// Abort, of any command that is parked.
  void abort_one(Queue& queue) {
    for (size_t wait = 0; wait < queue.parked.size(); ++wait) {
      auto& list = queue.parked[wait];
      if (list.empty()) continue;
      abort(queue, *list.front());
      list.pop_front();
      if (list.empty()) peers_.cancel(*queue.peer, static_cast<Wait>(wait), queue.nodes[wait]);
      return settle(queue);
    }
    if (queue.beside.empty()) return;
    abort(queue, *queue.beside.front());
    queue.beside.erase(queue.beside.begin());
    settle(queue);
  }
  void abort(Queue& queue, Parked& parked) {
    bdevs_.forget(parked);
    delete &parked;
    --queue.outstanding;
  }
  void take_data(Queue& queue, const Item& item) {
    --queue.r2ts;
    settle(queue);
    execute(queue, item);
  }
  /// The target reads the stream as far as it goes.
  bool read(Queue& queue, bool in_turn = false) {
    bool moved = false;
    WaitNode& node = queue.nodes[static_cast<size_t>(Wait::Stream)];
    if ((node.node.linked() && !in_turn) || queue.at_head.bdev_node.linked()) return false;
    if (!sending_) pay(queue);
    while (!queue.stream.empty()) {
      const Item item = queue.stream.front();
      if (item.kind == Kind::Data) {
        take_data(queue, {Kind::InCapsule, item.buffers, item.bdev});
      } else if (!take_command(queue, item)) {
        // Else it waits for its claim.
        if (queue.shortage && !node.node.linked()) {
          peers_.wait(*queue.peer, Wait::Stream, node, queue.shortage, 0);
        }
        return moved;
      }
      queue.stream.erase(queue.stream.begin());
      moved = true;
      if (!sending_) pay(queue);
    }
    queue.shortage = {};
    return moved;
  }
  void pay(Queue& queue) {
    if (is_stopped(queue)) return;
    for (const Item& owed : queue.owed) {
      queue.stream.push_back({Kind::Data, owed.buffers + kAskedFor, owed.bdev});
    }
    queue.owed.clear();
  }
  bool is_stopped(const Queue& queue) const { return stopped_ && queue.stops; }
  void come_to_rest() {
    for (int step = 0; step < 10'000 && !at_rest(); ++step) {
      for (auto& queue : queues_) read(*queue);
      for (size_t left = executing_.size(); left > 0; --left) end_one();
      serve();
    }
    REQUIRE(at_rest());
  }
  /// One step of a command: its bdev ends it, or the host takes its answer.
  void end_one() {
    const size_t index = prng_.below(executing_.size());
    Running& running = executing_[index];
    Queue& queue = *running.queue;
    if (is_stopped(queue)) return;
    if (!std::exchange(running.answered, true)) return end_bdev(queue, running.item);
    const Resource request = requests_for(running.item);
    executing_.erase(executing_.begin() + static_cast<ptrdiff_t>(index));
    peers_.give(*queue.peer, request, 1);
    bdevs_.wake(queue.peer->bdevs);
    --queue.outstanding;
  }
  void end_bdev(Queue& queue, Item item) {
    bdevs_.give(device_of(queue, item), 1, queue.peer->bdevs);
    const bool had_buffers = item.kind == Kind::Read || asks_for_data(item);
    if (!had_buffers) return;
    if (asks_for_data(item)) item.buffers -= kAskedFor;
    bdevs_.give(hold_of(queue, item), count_of(item), queue.peer->bdevs);
    peers_.give(*queue.peer, pool_of(item), count_of(item));
  }
  void serve() {
    bdevs_.serve([this](ParkedCommand& command, uint32_t taken) {
      return leave_bdev(static_cast<Parked&>(command), taken);
    });
    peers_.serve(64, 0, [this](Connection& connection, Wait wait) -> Turn {
      Queue& queue = *queues_[reinterpret_cast<uintptr_t>(&connection) - 1];
      if (wait == Wait::Stream) {
        const bool moved = read(queue, true);
        return {.moved = moved, .more = bool(queue.shortage), .shortage = queue.shortage};
      }
      if (wait == Wait::Places) return take_places(queue);
      auto& list = queue.parked[static_cast<size_t>(wait)];
      Parked& parked = *list.front();
      const Item item = parked.item;
      if (const Shortage found = lack(queue, Resource::Requests, 1)) {
        return {.more = true, .shortage = found};
      }
      if (const Shortage found = shortage_of(queue, item)) return {.more = true, .shortage = found};
      list.pop_front();
      if (BdevHoldPart* const line = line_of(queue, item, parked.waits_in, 1)) {
        queue.beside.push_back(&parked);
        bdevs_.wait(parked, *line);
        return {.moved = true, .more = !list.empty()};
      }
      bdevs_.forget(parked);
      delete &parked;
      peers_.take(*queue.peer, Resource::Requests, 1);
      begin(queue, item);
      settle(queue);
      return {.moved = true, .more = !list.empty()};
    });
  }
  Turn take_places(Queue& queue) {
    if (const Shortage found = claim(queue)) return {.more = true, .shortage = found};
    for (size_t wait = 0; wait < queue.parked.size(); ++wait) {
      if (queue.parked[wait].empty() || queue.nodes[wait].node.linked()) continue;
      peers_.wait_ready(*queue.peer, static_cast<Wait>(wait), queue.nodes[wait], 0);
    }
    WaitNode& stream = node_of(queue, Wait::Stream);
    queue.stalled = false;
    if (!stream.node.linked()) peers_.wait_ready(*queue.peer, Wait::Stream, stream, 0);
    return {.moved = true};
  }
  void act() {
    Queue& queue = *queues_[prng_.below(queues_.size())];
    switch (prng_.below(7)) {
      case 0:
      case 1:
      case 2:
        if (queue.outstanding < kEntries - 1) {
          ++queue.outstanding;
          auto kind = static_cast<Kind>(prng_.below(3));
          if (queue.stops && prng_.chance(1, 2)) kind = Kind::Lent;
          const auto bdev = static_cast<uint32_t>(prng_.below(3));
          const uint64_t buffers_max = some_stop_ && !queue.stops ? 2 : 8;
          queue.stream.push_back({kind, static_cast<uint32_t>(prng_.below(buffers_max + 1)), bdev});
        }
        return;
      case 3:
        if (prng_.chance(1, 3)) pay(queue);
        return;
      case 4:
        if (slow_disks_ && prng_.chance(31, 32)) return serve();
        for (int ends = 3; ends > 0 && !executing_.empty(); --ends) end_one();
        return serve();
      case 5:
        if (prng_.chance(1, 8)) abort_one(queue);
        return;
      default: read(queue); return;
    }
  }
  bool at_rest() const {
    return std::ranges::all_of(queues_, [this](const auto& queue) {
      return is_stopped(*queue) ||
             (queue->stream.empty() && queue->outstanding == 0 && queue->r2ts == 0 &&
              queue->places == 0 && parked_count(*queue) == 0);
    });
  }

  Prng prng_;
  TransportStats stats_;
  Peers peers_;
  BdevShares bdevs_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::vector<Running> executing_;
  bool sending_ = true;
  bool slow_disks_;
  const bool some_stop_;
  bool stopped_ = false;
};

}  // namespace

TEST_CASE(
    "parked commands: with data behind any commands, and any hosts beside, nothing locks up") {
  uint64_t streams_waited = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    LockUpModel model(seed);
    model.run();
    streams_waited += model.streams_waited;
  }
  CHECK(streams_waited > 100);
}

TEST_CASE("parked commands: what hosts with a guarantee began ends, though others stop for ever") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    LockUpModel(seed, true).run();
  }
}

}  // namespace capsuled::transport
