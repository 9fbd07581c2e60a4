// BdevShares: how many buffers the commands of each bdev hold, so that one disk that hangs does not
// hold all that its hosts may have, and their other disks go on.
//
// The bound is not a number but a proportion: commands of a bdev may hold as many buffers as are
// left for the host whose command it is. So one bdev alone gets half of what a host may have, and
// each one that hangs besides at most half of the rest. A command within its host's guarantee is
// not held back, and neither is the first command of a bdev.
//
// A command that would go over the bound waits in the line of its bdev, as a parked command, for
// buffers that others of the same bdev hold. Its line is looked at when they give some back, and
// when one that was let out of the line before it is parked no more, with its buffers or without
// them. So nobody waits in the line of a bdev that holds nothing.
//
// A bdev is its number on this reactor (CoreChannel::number()), which is used again when the bdev
// is gone: what is still held for that one then counts for the next, until it comes back.
//
// Owner: the group. Thread: the reactor's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/intrusive_list.h"
#include "transport/parked_command.h"

namespace capsuled::transport {

/// Small or large buffers.
inline constexpr size_t kBufferKinds = 2;

class BdevShares {
 public:
  BdevShares() = default;
  BdevShares(const BdevShares&) = delete;
  BdevShares& operator=(const BdevShares&) = delete;

  /// Whether a command may not take `amount` more for `bdev` now. `room`: what its host could still
  /// take beyond its guarantee; `taken`: what others of the bdev are about to take.
  bool over(uint32_t bdev, size_t kind, uint32_t amount, uint32_t room, uint32_t taken = 0) const {
    if (bdev >= held_.size()) return false;
    const uint64_t held = uint64_t{held_[bdev][kind]} + taken;
    return held > 0 && held + amount > room;
  }
  /// Whether others of `bdev` wait already.
  bool has_line(uint32_t bdev, size_t kind) const {
    return waiting_ > 0 && bdev < lines_.size() && !lines_[bdev]->kinds[kind].commands.empty();
  }
  void take(uint32_t bdev, size_t kind, uint32_t amount) {
    if (bdev >= held_.size()) [[unlikely]]
      grow(bdev);
    held_[bdev][kind] += amount;
  }
  void give(uint32_t bdev, size_t kind, uint32_t amount) {
    ASSERT(held_[bdev][kind] >= amount);
    held_[bdev][kind] -= amount;
    if (waiting_ > 0) [[unlikely]]
      run(lines_[bdev]->kinds[kind]);
  }

  /// Puts `command` behind the others, or, if it waited here before, before them: over() said yes.
  void wait(ParkedCommand& command, size_t kind) {
    Line& line = line_of(command, kind);
    if (command.note.waited_for_bdev) {
      line.commands.push_front(command);
    } else {
      line.commands.push_back(command);
    }
    ++waiting_;
    command.note.waited_for_bdev = true;
  }
  /// `command` goes on to the line of its peer.
  void leave(ParkedCommand& command, size_t kind) {
    line_of(command, kind).commands.remove(command);
    --waiting_;
  }
  /// `command`, which waits here or did, is parked no more: the next one may go on in its place.
  void forget(ParkedCommand& command, size_t kind) {
    if (!command.note.waited_for_bdev) return;
    if (command.bdev_node.linked()) leave(command, kind);
    run(line_of(command, kind));
  }

  /// False: serve() has nothing to do.
  bool runnable() const { return !runnable_.empty(); }
  /// Calls `go_on(command, taken)` with the first of each line that may have become shorter, until
  /// it answers 0: the command still waits. Else it took the command out, and answers how many
  /// buffers that is about to take; `taken` is the sum of those before it.
  template <typename GoOn>
  void serve(GoOn&& go_on) {
    while (Line* const line = runnable_.pop_front()) {
      uint32_t taken = 0;
      while (ParkedCommand* const command = line->commands.front()) {
        const uint32_t amount = go_on(*command, taken);
        if (amount == 0) break;
        taken += amount;
      }
    }
  }

 private:
  struct Line {
    IntrusiveList<ParkedCommand, &ParkedCommand::bdev_node> commands;
    ListNode run_node;
  };
  struct Lines {
    std::array<Line, kBufferKinds> kinds;
  };
  void grow(uint32_t bdev) {
    held_.resize(bdev + 1);
    while (bdev >= lines_.size()) lines_.push_back(std::make_unique<Lines>());
  }
  void run(Line& line) {
    if (!line.commands.empty() && !line.run_node.linked()) runnable_.push_back(line);
  }
  Line& line_of(const ParkedCommand& command, size_t kind) {
    return lines_[command.note.bdev]->kinds[kind];
  }

  std::vector<std::array<uint32_t, kBufferKinds>> held_;  // by the bdev's number
  std::vector<std::unique_ptr<Lines>> lines_;             // by the bdev's number
  IntrusiveList<Line, &Line::run_node> runnable_;
  uint32_t waiting_ = 0;  // in all lines
};

}  // namespace capsuled::transport
