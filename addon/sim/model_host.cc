#include "sim/model_host.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace capsuled::sim {
namespace {

constexpr uint8_t kFabrics = 0x7f;
constexpr uint8_t kFabricsConnect = 0x01;
constexpr uint8_t kAbort = 0x08;
constexpr uint8_t kKeepAlive = 0x18;
constexpr uint8_t kNoFlowControl = 4;
constexpr uint16_t kDynamicController = 0xffff;
constexpr size_t kConnectDataBytes = 1024;
/// What a command of the control plane comes behind, in times that a host thinks.
constexpr uint64_t kAsksSeldom = 8;
/// What was done to a line, or to the target, shows within this.
constexpr uint64_t kEffectNs = 5'000'000'000;

void put_text(Bytes& bytes, size_t offset, const std::string& text) {
  for (size_t index = 0; index < text.size(); ++index) {
    bytes[offset + index] = static_cast<std::byte>(text[index]);
  }
}

}  // namespace

ModelHost::ModelHost(env::sim::SimNetwork& network, const env::Endpoint& target, Findings& findings,
                     const Disturbance& line, std::vector<ModelNamespace> namespaces,
                     uint64_t& next, const ModelHostOptions& options)
    : network_(network),
      target_(target),
      findings_(findings),
      line_(line),
      options_(options),
      load_(network.machine(), findings, std::move(namespaces), next, options.load) {}

ModelHost::~ModelHost() = default;

void ModelHost::after(uint64_t delay_ns, std::function<void()> run) {
  network_.machine().after(delay_ns, [alive = std::weak_ptr<bool>(alive_), run = std::move(run)] {
    if (!alive.expired()) run();
  });
}

/// Whether nothing explains that something was refused or ended just now.
bool ModelHost::is_harmed() const {
  if (!options_.well_behaved || stopping_ || coming_back_) return false;
  return !line_.since(now_ns() < kEffectNs ? 0 : now_ns() - kEffectNs);
}

// ---- Connections --------------------------------------------------------------------------------

void ModelHost::start() { connect_admin(); }

ModelHost::Queue& ModelHost::add_queue(uint16_t qid) {
  queues_.push_back(std::make_unique<Queue>());
  Queue& queue = *queues_.back();
  queue.qid = qid;
  const std::string name = options_.name + " q" + std::to_string(qid);
  queue.wire = std::make_unique<ModelQueue>(network_, findings_, name, options_.temper);
  queue.wire->closed = [this, &queue] { queue_closed(queue); };
  ++connections_made_;
  return queue;
}

void ModelHost::connect_admin() {
  coming_back_ = false;
  queues_.clear();
  ++generation_;
  connect_queue(0);
}

void ModelHost::connect_queue(uint16_t qid) {
  Queue& queue = add_queue(qid);
  queue.wire->dial(options_.address, target_, [this, &queue](bool open) {
    if (open) return send_connect(queue);
    if (is_harmed()) findings_.tell(options_.name + ": it cannot connect");
    come_back();
  });
}

void ModelHost::send_connect(Queue& queue) {
  Bytes sqe = make_sqe(kFabrics, 0);
  put(sqe, 4, 1, kFabricsConnect);
  put(sqe, 42, 2, queue.qid);
  put(sqe, 44, 2, options_.entries - 1u);
  put(sqe, 46, 1, kNoFlowControl);
  put(sqe, 48, 4, queue.qid == 0 ? options_.keep_alive_ms : 0);
  Bytes data(kConnectDataBytes);
  put(data, 16, 2, queue.qid == 0 ? kDynamicController : controller_);
  put_text(data, 256, options_.subsystem);
  put_text(data, 512, "nqn.2026-11.test:" + options_.name);
  queue.wire->submit(
      std::move(sqe), std::move(data), true, 0,
      [this, &queue](const Outcome& outcome, const Bytes&) { connected(queue, outcome); });
}

void ModelHost::connected(Queue& queue, const Outcome& outcome) {
  if (!outcome.answered) return;
  if (outcome.status != 0) {
    if (is_harmed()) {
      findings_.tell(options_.name + " q" + std::to_string(queue.qid) +
                     ": Connect ended with status " + std::to_string(outcome.status));
    }
    return queue.wire->close();
  }
  queue.ready = true;
  if (queue.qid != 0) {
    for (uint64_t count = prng().between(1, options_.entries - 1u); count > 0; --count) work(queue);
    return;
  }
  controller_ = static_cast<uint16_t>(outcome.dw0);
  keep_alive();
  ask_later();
  if (options_.load.aborts) abort_later();
  if (options_.lives.max > 0) {
    after(options_.lives.pick(prng()), [this, generation = generation_] {
      if (generation == generation_) give_up();
    });
  }
  for (uint16_t qid = 1; qid <= options_.io_queues; ++qid) connect_queue(qid);
}

/// What it had under way has been heard of before: its connection ended first.
void ModelHost::queue_closed(Queue& queue) {
  if (is_harmed()) {
    findings_.tell(options_.name + " q" + std::to_string(queue.qid) + ": its connection ended");
  }
  queue.ready = false;
  const uint16_t port = queue.wire->port();
  auto orphans = std::exchange(queue.orphans, {});
  if (let_go_.erase(port) > 0) {
    for (const auto& orphan : orphans) orphan();
  } else if (!orphans.empty()) {
    awaited_[port] = std::move(orphans);
  }
  come_back();
}

void ModelHost::give_up() {
  findings_.trace(options_.name, [&] { return options_.vanishes ? "vanishes" : "gives up"; });
  if (coming_back_ || stopping_) return;
  come_back();
  if (options_.vanishes) vanish();
}

void ModelHost::vanish() {
  for (const auto& queue : queues_) {
    if (!queue->wire->is_open()) continue;
    const uint16_t port = queue->wire->port();
    vanished_[port] = generation_;
    after(options_.let_go_ns, [this, port, generation = generation_] {
      const auto found = vanished_.find(port);
      if (found == vanished_.end() || found->second != generation) return;
      findings_.tell(options_.name + ": it has vanished, and its connection is kept");
    });
    queue->wire->vanish();
  }
}

/// Who owes is to be let go.
void ModelHost::check_debts() {
  for (const auto& queue : queues_) {
    const uint64_t since_ns = queue->wire->owes_since_ns();
    if (since_ns == UINT64_MAX || !queue->wire->is_open()) continue;
    if (now_ns() - since_ns > options_.let_go_ns) {
      findings_.tell(options_.name + ": it owes data, and its connection is kept");
    }
  }
}

/// All of its connections end with one of them; later it makes new ones.
void ModelHost::come_back() {
  if (std::exchange(coming_back_, true)) return;
  after(options_.comes_back.pick(prng()), [this] {
    for (const auto& queue : queues_) {
      if (prng().chance(1, 2)) {
        queue->wire->close();
      } else {
        queue->wire->reset();
      }
    }
    if (stopping_) return;
    after(options_.comes_back.pick(prng()), [this] {
      if (!stopping_) connect_admin();
    });
  });
}

void ModelHost::stop() {
  stopping_ = true;
  for (const auto& queue : queues_) queue->wire->close();
}

bool ModelHost::at_rest() const {
  return stopping_ && awaited_.empty() &&
         std::ranges::none_of(queues_, [](const auto& queue) { return queue->wire->is_open(); });
}

void ModelHost::target_closed(uint16_t port) {
  vanished_.erase(port);
  const auto is_mine = [port](const auto& queue) {
    return queue->wire->is_open() && queue->wire->port() == port;
  };
  if (std::ranges::any_of(queues_, is_mine)) let_go_.insert(port);
  const auto found = awaited_.find(port);
  if (found == awaited_.end()) return;
  const auto orphans = std::move(found->second);
  awaited_.erase(found);
  for (const auto& orphan : orphans) orphan();
}

void ModelHost::target_gone() {
  vanished_.clear();
  let_go_.clear();
  for (const auto& queue : queues_) queue->wire->reset();
  for (auto& [port, orphans] : std::exchange(awaited_, {})) {
    for (const auto& orphan : orphans) orphan();
  }
}

// ---- Commands -----------------------------------------------------------------------------------

/// Whether the queue takes another command.
bool ModelHost::has_room(const Queue& queue) const {
  return queue.wire->under_way() + 1 < options_.entries;
}

void ModelHost::keep_alive() {
  const uint64_t every_ns = options_.keep_alive_ms * 500'000ull;
  after(every_ns, [this, generation = generation_] {
    if (generation != generation_ || stopping_) return;
    load_.check_patience();
    check_debts();
    Queue& admin = *queues_.front();
    if (!admin.ready || !admin.wire->is_open()) return;
    if (has_room(admin)) {
      admin.wire->submit(make_sqe(kKeepAlive, 0), {}, false, 0,
                         [](const Outcome&, const Bytes&) {});
    }
    keep_alive();
  });
}

/// Of some command, which may be there.
void ModelHost::abort_later() {
  after(4 * options_.thinks.pick(prng()), [this, generation = generation_] {
    if (generation != generation_ || stopping_) return;
    Queue& admin = *queues_.front();
    if (!admin.ready || !admin.wire->is_open()) return;
    if (!has_room(admin)) return abort_later();
    const Queue& queue = *queues_[prng().below(queues_.size())];
    const uint16_t cid = queue.wire->pick_cid();
    const std::shared_ptr<Fate> fate = queue.wire->watch(cid);
    Bytes sqe = make_sqe(kAbort, 0);
    put(sqe, 40, 2, queue.qid);
    put(sqe, 42, 2, cid);
    findings_.trace(options_.name, [&] {
      return "abort of command " + std::to_string(cid) + " of q" + std::to_string(queue.qid);
    });
    admin.wire->submit(
        std::move(sqe), {}, false, 0, [this, fate](const Outcome& outcome, const Bytes&) {
          const bool aborted = outcome.answered && outcome.status == 0 && (outcome.dw0 & 1) == 0;
          if (!aborted || fate == nullptr) return;
          if (fate->succeeded)
            findings_.tell(options_.name + ": a command was aborted that succeeded");
          fate->aborted = true;
        });
    abort_later();
  });
}

/// Something of the control plane, one at a time.
void ModelHost::ask_later() {
  after(kAsksSeldom * options_.thinks.pick(prng()), [this, generation = generation_] {
    if (generation != generation_ || stopping_) return;
    Queue& admin = *queues_.front();
    if (!admin.ready || !admin.wire->is_open()) return;
    if (!has_room(admin)) return ask_later();
    load_.ask(*admin.wire, [this](ModelLoad::Orphan) { ask_later(); });
  });
}

/// One command at a time of those that the queue may have, again and again.
void ModelHost::work(Queue& queue) {
  after(options_.thinks.pick(prng()), [this, &queue, generation = generation_] {
    if (generation != generation_ || stopping_ || !queue.ready || !queue.wire->is_open()) return;
    if (resting_) return work(queue);
    work_now(queue);
  });
}

void ModelHost::work_now(Queue& queue) {
  auto over = [this, &queue](ModelLoad::Orphan orphan) {
    if (orphan != nullptr) queue.orphans.push_back(std::move(orphan));
    work(queue);
  };
  if (!options_.reads_all) return load_.do_something(*queue.wire, std::move(over));
  if (!load_.read_next(*queue.wire, std::move(over))) has_read_all_ = true;
}

}  // namespace capsuled::sim
