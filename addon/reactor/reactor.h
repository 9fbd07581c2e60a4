// Reactor: one pinned thread that owns one Ring, one buffer pool, one inbox, its timers and its
// pollers.
//
// Each iteration of the loop: drain the inbox (bounded), run due timers, run every poller, poll the
// ring. When an iteration did no work the mode decides: Busy goes on, Interrupt sleeps in the ring
// at once, Adaptive goes on until `idle_after_ns` passed without work and then sleeps. A sleeping
// reactor is woken by a completion, by a message (send_message wakes it) or by its next timer.
//
// Thread: everything here is for the reactor's own thread, except send_message() and stats().
// Lifecycle: created by the control thread, start(), stop() (joins).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bounded_ring.h"
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
  uint64_t memory_bytes = 0;             ///< I/O buffers of this reactor
  env::HugePages huge_pages = env::HugePages::Auto;
  uint32_t ring_entries = 4096;
  uint32_t inbox_capacity = 4096;
};

/// What one thread asks a reactor to do. `run` is called once on the reactor's thread.
struct Message {
  void (*run)(class Reactor& reactor, void* argument) = nullptr;
  void* argument = nullptr;
};

class Reactor {
 public:
  static Result<std::unique_ptr<Reactor>> create(env::Env& env, const ReactorOptions& options);
  ~Reactor();

  Result<void> start();
  /// Control thread: ends the loop and joins. What is still in flight must have been drained
  /// before.
  void stop();

  /// Any thread. False: the inbox is full; the caller keeps the message and decides.
  [[nodiscard]] bool send_message(Message message);
  /// Control thread only: like send_message, but waits (yielding) while the inbox is full.
  void send_message_wait(Message message);

  void add_poller(Poller& poller);
  void remove_poller(Poller& poller);
  void start_timer(Timer& timer, uint64_t deadline_ns);
  void cancel_timer(Timer& timer);

  env::Env& env();
  env::Ring& ring();
  BufferPool& buffers();
  uint32_t index() const;
  /// Monotonic time at the start of this iteration, in ns; refreshed after the ring was polled.
  uint64_t now_ns() const;
  /// The reactor whose thread this is, or null.
  static Reactor* current();
  ReactorStats& stats();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit Reactor(std::unique_ptr<Impl> impl);
};

}  // namespace capsuled
