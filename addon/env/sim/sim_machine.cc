#include "env/sim/sim_machine.h"

#include <algorithm>

#include "base/assert.h"

namespace capsuled::env::sim {

SimMachine::SimMachine(uint64_t seed, const SimThreadOptions& threads)
    : thread_options_(threads), prng_(seed) {}

SimMachine::~SimMachine() {
  for (const SimThread& thread : threads_) ASSERT_MSG(thread.over_, "a thread was left behind");
}

SimMachine::EventId SimMachine::at(uint64_t moment_ns, std::function<void()> run) {
  const EventId id{std::max(moment_ns, now_ns_), order_++};
  events_.emplace(id, std::move(run));
  return id;
}

SimMachine::EventId SimMachine::after(uint64_t delay_ns, std::function<void()> run) {
  return at(now_ns_ + delay_ns, std::move(run));
}

bool SimMachine::turn() {
  const auto next = events_.begin();
  if (next == events_.end()) return false;
  now_ns_ = next->first.first;
  const std::function<void()> run = std::move(next->second);
  events_.erase(next);
  run();
  return true;
}

void SimMachine::pass_to(uint64_t moment_ns) {
  while (!events_.empty() && events_.begin()->first.first <= moment_ns) turn();
  now_ns_ = std::max(now_ns_, moment_ns);
}

// ---- Threads ------------------------------------------------------------------------------------

SimThread& SimMachine::start(const std::string& name, std::function<bool()> step) {
  SimThread& thread = threads_.emplace_back();
  thread.name_ = name;
  thread.step_ = std::move(step);
  schedule(thread, now_ns_ + thread_options_.wake_up.pick(prng_));
  return thread;
}

void SimMachine::remove(SimThread& thread) {
  ASSERT(thread.over_ && !next_steps_.contains(&thread));
  threads_.remove_if([&](const SimThread& one) { return &one == &thread; });
}

/// Instead of what was scheduled before.
void SimMachine::schedule(SimThread& thread, uint64_t moment_ns) {
  const auto before = next_steps_.find(&thread);
  if (before != next_steps_.end()) cancel(before->second);
  const uint64_t then_ns = std::max(moment_ns, paused_until_ns_);
  next_steps_[&thread] = at(then_ns, [this, &thread] { step(thread); });
}

void SimMachine::step(SimThread& thread) {
  if (now_ns_ < paused_until_ns_) return schedule(thread, paused_until_ns_);
  next_steps_.erase(&thread);
  thread.asleep_ = false;
  thread.woken_ = false;
  SimThread* const before = std::exchange(running_, &thread);
  const bool more = thread.step_();
  running_ = before;
  for (const auto& [who, stepped] : step_watchers_) stepped();
  if (!more) {
    if (const auto next = next_steps_.find(&thread); next != next_steps_.end()) {
      cancel(next->second);
      next_steps_.erase(next);
    }
    thread.over_ = true;
  } else if (!thread.asleep_) {
    schedule(thread, now_ns_ + thread_options_.step.pick(prng_));
  }
}

void SimMachine::sleep(SimThread& thread, uint64_t deadline_ns) {
  ASSERT_MSG(running_ == &thread, "a thread is put to sleep by itself");
  if (thread.woken_) return;
  thread.asleep_ = true;
  if (deadline_ns == UINT64_MAX) return;
  schedule(thread, std::max(deadline_ns, now_ns_) + thread_options_.wake_up.pick(prng_));
}

void SimMachine::wake(SimThread& thread) {
  thread.woken_ = true;
  if (!thread.asleep_) return;
  thread.asleep_ = false;
  schedule(thread, now_ns_ + thread_options_.wake_up.pick(prng_));
}

}  // namespace capsuled::env::sim
