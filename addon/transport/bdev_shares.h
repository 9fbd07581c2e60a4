// BdevShares: how many buffers the commands of each bdev hold, and, if it has a device, how many
// requests it has, so that one disk that hangs does not hold all that its hosts may have, and their
// other disks go on.
//
// The bounds are not numbers but proportions: a host's commands of one bdev may hold as much as the
// host could still take, and all hosts' commands of one bdev as much as is left of the shared part.
// So one bdev alone gets half, and each one that hangs besides at most half of the rest. A command
// within its host's guarantee is not held back, and neither is the first command of a bdev. Of
// requests those count that the bdev has; and by themselves, as for the host (Resource::HostWaits),
// those whose data the host was asked for, from then on: the data may come behind what waits here.
//
// A command that would go over a bound waits in the line that its host has for the bdev: nobody
// waits behind another host's commands. One that needs a buffer is parked; of a stream whose next
// command holds but a request, the stream waits (see connection_parked.cc). Each waits for what
// others of the same bdev hold. The lines of a bdev are looked at when some of it comes back, when
// the host of a line gives back anything, which it then is guaranteed again, and when a command
// that was let out of a line is parked no more, with what it needs or without it. So nobody waits
// for a bdev that holds nothing. And twice a second: others may have given back what they had of
// other bdevs, so that there is more to be had of this one.
//
// A bdev is its number on this reactor (CoreChannel::number()), which is used again when the bdev
// is gone: what is still held for that one then counts for the next, until it comes back. Flushes
// of all namespaces count as a bdev of their own, number 0.
//
// Owner: the group, and each Peer its holds. Thread: the reactor's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/intrusive_list.h"
#include "transport/parked_command.h"

namespace capsuled::transport {

/// What is shared among bdevs, each by itself.
enum class BdevShare : uint8_t { SmallBuffers, LargeBuffers, Requests, HostWaits };
inline constexpr size_t kBdevShareCount = 4;

struct BdevPart;

/// What one peer holds of one share for one bdev, and its commands that wait for more.
struct BdevHoldPart {
  uint32_t held = 0;
  BdevPart* all = nullptr;  ///< of the same bdev
  IntrusiveList<ParkedCommand, &ParkedCommand::bdev_node> line;
  ListNode node;
};

/// What all peers hold of it.
struct BdevPart {
  uint32_t held = 0;
  IntrusiveList<BdevHoldPart, &BdevHoldPart::node> waiting;  ///< those that have a line
  ListNode run_node;
};

/// What a peer has of one bdev.
struct BdevHold {
  std::array<BdevHoldPart, kBdevShareCount> parts;

  BdevHoldPart& part(BdevShare share) { return parts[static_cast<size_t>(share)]; }
};

class BdevShares;

/// What a peer has of all bdevs.
class BdevHolds {
 public:
  /// The same one for as long as the peer is there.
  BdevHold& of(uint32_t bdev, BdevShares& shares) {
    if (bdev >= holds_.size() || holds_[bdev] == nullptr) [[unlikely]]
      make(bdev, shares);
    return *holds_[bdev];
  }
  /// Calls `visit(BdevHoldPart&)` for each line in which a command waits.
  template <typename Visit>
  void for_each_line(Visit&& visit) {
    for (const auto& hold : holds_) {
      if (hold == nullptr) continue;
      for (BdevHoldPart& part : hold->parts) {
        if (!part.line.empty()) visit(part);
      }
    }
  }

 private:
  void make(uint32_t bdev, BdevShares& shares);
  std::vector<std::unique_ptr<BdevHold>> holds_;  // by the bdev's number
};

/// How much could still be taken beyond the guarantee of a peer.
struct Room {
  uint32_t own = 0;     ///< by the peer, if nobody else held anything
  uint32_t shared = 0;  ///< by anybody
};

class BdevShares {
 public:
  BdevShares() = default;
  BdevShares(const BdevShares&) = delete;
  BdevShares& operator=(const BdevShares&) = delete;

  BdevPart& part(uint32_t bdev, size_t share) {
    while (bdev >= bdevs_.size()) bdevs_.push_back(std::make_unique<Bdev>());
    return bdevs_[bdev]->parts[share];
  }

  /// Whether a command may not take `amount` more now. `taken`: what others that were let out of
  /// the bdev's lines are about to take.
  static bool over(const BdevHoldPart& part, uint32_t amount, Room room, uint32_t taken = 0) {
    const uint64_t own = uint64_t{part.held} + taken;
    if (own > 0 && own + amount > room.own) return true;
    const uint64_t all = uint64_t{part.all->held} + taken;
    return all > 0 && all + amount > room.shared;
  }
  static void take(BdevHoldPart& part, uint32_t amount) {
    part.held += amount;
    part.all->held += amount;
  }
  /// `holds`: those of the peer.
  void give(BdevHoldPart& part, uint32_t amount, BdevHolds& holds) {
    ASSERT(part.held >= amount);
    part.held -= amount;
    part.all->held -= amount;
    if (waiting_ > 0) [[unlikely]] {
      run(*part.all);
      wake(holds);
    }
  }
  /// The peer of `holds` has given something back, of whatever share: it may go on within its
  /// guarantee with any bdev.
  void wake(BdevHolds& holds) {
    if (waiting_ == 0) [[likely]]
      return;
    holds.for_each_line([this](BdevHoldPart& line) { run(*line.all); });
  }
  /// From the timer: what is left of the shared part may have grown by what others gave back.
  void wake_all() {
    if (waiting_ == 0) return;
    for (const auto& bdev : bdevs_) {
      for (BdevPart& part : bdev->parts) run(part);
    }
  }

  /// Puts `command` behind the others of its line, or, if it waited here before, before them:
  /// over() said yes, or others wait there.
  void wait(ParkedCommand& command, BdevHoldPart& part) {
    if (command.waits_in == &part) {
      part.line.push_front(command);
    } else {
      forget(command);
      part.line.push_back(command);
    }
    command.waits_in = &part;
    if (!part.node.linked()) part.all->waiting.push_back(part);
    ++waiting_;
  }
  /// `command` goes on to the line of its peer.
  void leave(ParkedCommand& command) {
    BdevHoldPart& part = *command.waits_in;
    part.line.remove(command);
    if (part.line.empty()) part.all->waiting.remove(part);
    --waiting_;
  }
  /// `command`, which waits here or did, is parked no more: the next one may go on in its place.
  void forget(ParkedCommand& command) {
    if (command.waits_in == nullptr) return;
    if (command.bdev_node.linked()) leave(command);
    run(*std::exchange(command.waits_in, nullptr)->all);
  }

  /// False: serve() has nothing to do.
  bool runnable() const { return !runnable_.empty(); }
  /// For each bdev whose lines may go on, calls `go_on(command, taken)` with the first of one line
  /// after the other, until all that are left have answered 0: the command still waits. Else it
  /// took the command out, and answers how much of the share that is about to take; `taken` is the
  /// sum of those before it.
  template <typename GoOn>
  void serve(GoOn&& go_on) {
    while (BdevPart* const all = runnable_.pop_front()) {
      uint32_t taken = 0;
      size_t still = 0;
      while (still < all->waiting.size()) {
        // To the end, so that each line has its turn.
        BdevHoldPart& part = *all->waiting.pop_front();
        all->waiting.push_back(part);
        const uint32_t amount = go_on(*part.line.front(), taken);
        still = amount == 0 ? still + 1 : 0;
        taken += amount;
      }
    }
  }

 private:
  struct Bdev {
    std::array<BdevPart, kBdevShareCount> parts;
  };
  void run(BdevPart& all) {
    if (!all.waiting.empty() && !all.run_node.linked()) runnable_.push_back(all);
  }

  std::vector<std::unique_ptr<Bdev>> bdevs_;  // by number
  IntrusiveList<BdevPart, &BdevPart::run_node> runnable_;
  uint32_t waiting_ = 0;  // in all lines
};

inline void BdevHolds::make(uint32_t bdev, BdevShares& shares) {
  if (bdev >= holds_.size()) holds_.resize(bdev + 1);
  holds_[bdev] = std::make_unique<BdevHold>();
  for (size_t share = 0; share < kBdevShareCount; ++share) {
    holds_[bdev]->parts[share].all = &shares.part(bdev, share);
  }
}

}  // namespace capsuled::transport
