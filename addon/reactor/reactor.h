// Reactor: one pinned thread that owns one Ring, one buffer pool, one inbox, its timers and its
// pollers.
//
// Each step(), an iteration of the loop: drain the inbox (bounded), run due timers, run every
// poller, those of stage Work before those of stage Send, serve who waits for buffers, poll the
// ring. When an iteration did no work the mode decides: Busy goes on, Interrupt sleeps in the ring
// at once, Adaptive goes on while that finds work within `idle_after_ns`, and else sleeps
// (adaptive_spin.h). A sleeping reactor is woken by a completion, by a message (send_message wakes
// it) or by its next timer; with none of them it sleeps for ever.
//
// No wake-up is lost: send_message() pushes, then calls Ring::wake(). The reactor sleeps only after
// an iteration that found the inbox empty. A push that it missed has its wake() after that look, so
// either it ends this sleep or it comes before it, and then the Ring does not sleep. After a sleep
// the inbox is drained again, and what was pushed before the wake() is visible by Ring's contract.
// (A message behind one whose producer has not finished its push is taken when that producer's own
// wake() comes.)
//
// The clock: now_ns() is the time in which the reactor could listen. A process that is stopped, a
// virtual machine that is paused, or a callback that blocks leaves a gap of half a second or more;
// the clock stands still over it. So every deadline, that of a timer and that of a peer, has the
// gap added, and a host whose Keep Alives lay in its socket meanwhile is not taken for dead. And
// the reactor reads before it judges: after a sleep or a gap no timer runs before an iteration in
// which the ring had nothing (or 64 iterations, so that a peer that sends without end does not stop
// the timers). A gap within a sleep is known only by how late the sleep ended; who judges peers
// therefore has a timer that lets no sleep be long (Group: 500 ms).
//
// Time: an iteration that did work is busy time, all else (empty polls, sleep) is idle time, except
// for gaps, which are missed time.
// Stalls: the messages, timers, pollers and completions of an iteration are timed as four
// sections, and a section that takes longer than `stall_after_ns` is one stall. One clock reading
// for each section that did something is what can be afforded; a section holds so few callbacks
// that only one that blocks makes it that long.
//
// Thread: everything here is for the reactor's own thread, except send_message() and stats();
// before start() the control thread may add pollers, start timers and prepare operations. "The
// reactor's thread" is whoever calls step(): its own thread, or, without start(), a test.
// Lifecycle: created by the control thread, start(), stop() (joins), once.
#pragma once

#include <cstdint>
#include <memory>

#include "env/env.h"
#include "reactor/buffer_pool.h"
#include "reactor/poller.h"
#include "reactor/reactor_stats.h"
#include "reactor/timer.h"

namespace capsuled {

enum class PollMode : uint8_t { Adaptive, Busy, Interrupt };

struct ReactorOptions {
  uint32_t index = 0;
  int core = -1;
  PollMode mode = PollMode::Adaptive;
  uint64_t idle_after_ns = 50'000;
  uint64_t stall_after_ns = 10'000'000;  ///< a callback that runs longer is counted as a stall
  uint64_t memory_bytes = 0;             ///< I/O buffers, at least kBufferMemoryBytesMin
  env::HugePages huge_pages = env::HugePages::Auto;
  uint32_t ring_entries = 4096;
  uint32_t inbox_capacity = 4096;  ///< rounded up to a power of two
};

/// What one thread asks a reactor to do. `run` is called once on the reactor's thread.
struct Message {
  void (*run)(class Reactor& reactor, void* argument) = nullptr;
  void* argument = nullptr;
};

/// What a layer above keeps with a reactor; it goes with the reactor, before its ring and its
/// buffers do.
class ReactorPart {
 public:
  virtual ~ReactorPart() = default;
};

class Reactor {
 public:
  /// Control thread. Allocates everything; errors are those of Env and BufferPool.
  static Result<std::unique_ptr<Reactor>> create(env::Env& env, const ReactorOptions& options);
  ~Reactor();

  Result<void> start();
  /// Control thread: ends the loop and joins. Messages that were sent before still run. What is in
  /// flight in the ring must have been cancelled or must be about to end; it asserts if that takes
  /// longer than a second. Nothing if not started or stopped already.
  void stop();
  /// At most so many iterations. Each sleeps at its end if there is nothing to do. False: stop()
  /// was called, and all that was sent before has run; it is not called again.
  bool step(uint32_t most = 1);

  /// Any thread. False: the inbox is full; the caller keeps the message and decides.
  [[nodiscard]] bool send_message(Message message);
  /// Control thread only: like send_message, but waits (yielding) while the inbox is full.
  void send_message_wait(Message message);

  /// Pollers of one stage run in the order in which they were added. One that is added by a poller
  /// of its own stage, or of a later one, runs from the next iteration on; a removed one does not
  /// run again.
  void add_poller(Poller& poller);
  void remove_poller(Poller& poller);
  /// Starts `timer`, or moves it. Runs in the first iteration whose now_ns() is at `deadline_ns` or
  /// later; soonest first.
  void start_timer(Timer& timer, uint64_t deadline_ns);
  /// Nothing if it is not started.
  void cancel_timer(Timer& timer);

  env::Env& env();
  env::Ring& ring();
  BufferPool& buffers();
  uint32_t index() const;
  /// Monotonic time at the start of this iteration, in ns; refreshed after the ring was polled and
  /// after a sleep. Stands still over gaps, so it is not the time of Env::now_ns().
  uint64_t now_ns() const;
  /// The block layer's part: null until it is made there.
  std::unique_ptr<ReactorPart>& bdev_part();
  /// The reactor in whose step() this is, or null.
  static Reactor* current();
  /// Any thread, through read_stat(). The address stays while the reactor lives.
  ReactorStats& stats();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit Reactor(std::unique_ptr<Impl> impl);
};

/// Makes a reactor the current one of this thread for as long as it lives: of step(), and of a test
/// that does something in the reactor's place between two of its steps.
class ReactorScope {
 public:
  explicit ReactorScope(Reactor& reactor);
  ~ReactorScope();
  ReactorScope(const ReactorScope&) = delete;
  ReactorScope& operator=(const ReactorScope&) = delete;

 private:
  Reactor* const before_;
};

}  // namespace capsuled
