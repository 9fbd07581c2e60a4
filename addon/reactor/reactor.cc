#include "reactor/reactor.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/bounded_ring.h"
#include "reactor/adaptive_spin.h"
#include "reactor/timer_heap.h"

namespace capsuled {
namespace {

constexpr uint32_t kMessagesPerIterationMax = 256;
constexpr uint64_t kWindDownMaxNs = 1'000'000'000;
/// A section that takes longer, or a sleep that ends so long after its deadline, is a gap. Shorter
/// than the time-outs of any peer, and longer than what a busy machine does to a thread.
constexpr uint64_t kGapNs = 500'000'000;
/// Iterations that may read before timers run, after a sleep or a gap.
constexpr uint32_t kReadsFirstMax = 64;

thread_local Reactor* current_reactor = nullptr;

}  // namespace

struct Reactor::Impl {
  Impl(env::Env& environment, const ReactorOptions& reactor_options)
      : env(environment),
        options(reactor_options),
        look_after_ns(std::min(reactor_options.stall_after_ns, kGapNs)),
        spin(reactor_options.idle_after_ns),
        inbox(std::bit_ceil(std::max(reactor_options.inbox_capacity, 2u))) {}

  enum class Phase : uint8_t { New, Running, Asleep, WindingDown, Over };

  bool step(Reactor& self);
  bool step_rarely(Reactor& self);
  bool wind_down(Reactor& self);
  bool work(Reactor& self);
  void sleep(uint64_t deadline_ns);
  void wake_up();
  void miss(uint64_t gap_ns);
  bool drain_inbox(Reactor& self);
  bool run_pollers();
  bool pollers_may_sleep();
  void end_section(bool worked);
  void check_thread() const {
    ASSERT_MSG(!running || current_reactor == owner, "called on another thread");
  }

  env::Env& env;
  const ReactorOptions options;
  const uint64_t look_after_ns;  // a section that takes longer is a stall, a gap or both
  AdaptiveSpin spin;
  ReactorStats stats;
  std::unique_ptr<env::Ring> ring;
  std::unique_ptr<BufferPool> buffers;
  MpscRing<Message> inbox;
  TimerHeap timers;
  std::array<std::vector<Poller*>, kPollStageCount> pollers;  // null: removed, swept later
  bool pollers_removed = false;
  uint64_t now_ns = 0;       // like all times here: without what was missed
  uint64_t missed_ns = 0;    // how far the machine's clock is ahead
  uint32_t reads_first = 0;  // iterations that poll the ring before timers may run
  uint64_t section_started_ns = 0;
  uint64_t last_work_ns = 0;
  Phase phase = Phase::New;
  bool dozes = false;  // between sleep() and wake_up(), in WindingDown
  uint64_t sleep_deadline_ns = 0;
  uint64_t wind_down_end_ns = 0;
  std::atomic<bool> stop_requested{false};
  bool started = false;
  bool running = false;  // the control thread's, and constant while the reactor's thread runs
  Reactor* owner = nullptr;
  std::unique_ptr<env::Thread> thread;
  std::unique_ptr<ReactorPart> bdev_part;
};

// ---- The loop ----------------------------------------------------------------------------------

/// In line, because idle iterations are all there is to a reactor that polls.
[[gnu::always_inline]] inline bool Reactor::Impl::step(Reactor& self) {
  if (phase != Phase::Running) [[unlikely]]
    return step_rarely(self);
  // Acquire: pairs with the release in stop(), so that what the control thread did before it is
  // visible to the end of the loop.
  if (stop_requested.load(std::memory_order_acquire)) [[unlikely]] {
    phase = Phase::WindingDown;
    wind_down_end_ns = now_ns + kWindDownMaxNs;
    return wind_down(self);
  }
  const uint64_t waited_ns = now_ns - last_work_ns;
  if (work(self)) {
    spin.found_work(waited_ns);
    last_work_ns = now_ns;
  } else if (options.mode == PollMode::Interrupt ||
             (options.mode == PollMode::Adaptive && waited_ns >= spin.limit_ns())) {
    if (!pollers_may_sleep()) return true;
    spin.gave_up();
    add_stat(stats.sleeps, 1);
    phase = Phase::Asleep;
    sleep(timers.deadline_ns());
  }
  return true;
}

/// The first step, and those behind a sleep or stop().
bool Reactor::Impl::step_rarely(Reactor& self) {
  switch (phase) {
    case Phase::New:
      now_ns = env.now_ns();
      last_work_ns = now_ns;
      break;
    case Phase::Asleep: wake_up(); break;
    case Phase::WindingDown: return wind_down(self);
    case Phase::Running:
    case Phase::Over: UNREACHABLE();
  }
  phase = Phase::Running;
  return step(self);
}

/// Runs what was sent before stop(), and waits for operations that are about to end.
bool Reactor::Impl::wind_down(Reactor& self) {
  if (std::exchange(dozes, false)) wake_up();
  const bool worked = work(self);
  const bool done = inbox.empty() && ring->in_flight() == 0;
  if (done || now_ns >= wind_down_end_ns) {
    ring->finish();
    phase = Phase::Over;
    return false;
  }
  if (!worked) {
    dozes = true;
    sleep(std::min(wind_down_end_ns, timers.deadline_ns()));
  }
  return true;
}

/// One iteration. True if anything was done.
bool Reactor::Impl::work(Reactor& self) {
  const uint64_t started_ns = now_ns;
  section_started_ns = now_ns;
  const bool messages_ran = drain_inbox(self);
  end_section(messages_ran);
  const bool timers_due = timers.deadline_ns() <= now_ns;
  const bool read_first = reads_first > 0;
  const bool timers_ran = timers_due && !read_first && timers.run_due(now_ns) > 0;
  end_section(timers_ran);
  const bool pollers_ran = run_pollers();
  end_section(pollers_ran);
  const bool completions_ran = ring->poll() > 0;
  if (read_first) reads_first = completions_ran ? reads_first - 1 : 0;
  end_section(true);

  now_ns = section_started_ns;
  const bool worked = messages_ran || timers_due || pollers_ran || completions_ran;
  add_stat(worked ? stats.busy_ns : stats.idle_ns, now_ns - started_ns);
  add_stat(stats.iterations, 1);
  return worked;
}

/// Ends a section of the iteration and begins the next one; without work there is no need to look
/// at the clock.
void Reactor::Impl::end_section(bool worked) {
  if (!worked) return;
  const uint64_t ended_ns = env.now_ns() - missed_ns;
  const uint64_t took_ns = ended_ns - section_started_ns;
  section_started_ns = ended_ns;
  if (took_ns <= look_after_ns) [[likely]]
    return;
  if (took_ns > options.stall_after_ns) {
    add_stat(stats.stalls, 1);
    set_stat(stats.stall_longest_ns, std::max(stats.stall_longest_ns, took_ns));
  }
  if (took_ns < kGapNs) return;
  miss(took_ns - 1);  // not all of it, so that no two iterations have the same time
  section_started_ns = ended_ns - (took_ns - 1);
}

/// For `gap_ns` nobody looked at the connections: that is no time of the reactor.
void Reactor::Impl::miss(uint64_t gap_ns) {
  missed_ns += gap_ns;
  reads_first = kReadsFirstMax;
  set_stat(stats.missed_ns, missed_ns);
}

bool Reactor::Impl::drain_inbox(Reactor& self) {
  uint32_t ran = 0;
  Message message;
  while (ran < kMessagesPerIterationMax && inbox.try_pop(message)) {
    ++ran;
    add_stat(stats.messages, 1);  // before, so that who is told by the message finds it counted
    message.run(self, message.argument);
  }
  return ran > 0;
}

bool Reactor::Impl::run_pollers() {
  bool busy = false;
  for (std::vector<Poller*>& stage : pollers) {
    const size_t count = stage.size();  // those that are added meanwhile have their turn later
    for (size_t index = 0; index < count; ++index) {
      if (stage[index] != nullptr && stage[index]->poll() == PollResult::Busy) busy = true;
    }
  }
  if (pollers_removed) {
    for (std::vector<Poller*>& stage : pollers) std::erase(stage, nullptr);
    pollers_removed = false;
  }
  return busy;
}

bool Reactor::Impl::pollers_may_sleep() {
  for (const std::vector<Poller*>& stage : pollers) {
    for (Poller* const poller : stage) {
      if (poller != nullptr && !poller->may_sleep()) return false;
    }
  }
  return true;
}

/// Until wake_up(), in the next step.
void Reactor::Impl::sleep(uint64_t deadline_ns) {
  sleep_deadline_ns = deadline_ns;
  ring->sleep(deadline_ns == UINT64_MAX ? UINT64_MAX : deadline_ns + missed_ns);
}

/// Refreshes the clock. What woke the reactor may be what a timer waits for, so it is read before
/// timers run.
void Reactor::Impl::wake_up() {
  const uint64_t asleep_ns = now_ns;
  const uint64_t woken_ns = env.now_ns() - missed_ns;
  reads_first = kReadsFirstMax;
  const uint64_t due_ns = std::max(sleep_deadline_ns, now_ns);
  if (woken_ns > due_ns && woken_ns - due_ns >= kGapNs) [[unlikely]] {
    miss(woken_ns - due_ns);
    now_ns = due_ns;
  } else {
    now_ns = woken_ns;
  }
  last_work_ns = now_ns;  // what woke it is to be found
  add_stat(stats.idle_ns, now_ns - asleep_ns);
}

// ---- The outside -------------------------------------------------------------------------------

Result<std::unique_ptr<Reactor>> Reactor::create(env::Env& env, const ReactorOptions& options) {
  auto impl = std::make_unique<Impl>(env, options);
  Result<std::unique_ptr<env::Ring>> ring = env.make_ring(options.ring_entries);
  if (!ring.ok()) return ring.error();
  impl->ring = std::move(ring).value();
  Result<std::unique_ptr<BufferPool>> buffers =
      BufferPool::create(env, options.memory_bytes, options.huge_pages, impl->stats);
  if (!buffers.ok()) return buffers.error();
  impl->buffers = std::move(buffers).value();
  impl->now_ns = env.now_ns();
  std::unique_ptr<Reactor> reactor(new Reactor(std::move(impl)));
  reactor->impl_->owner = reactor.get();
  return reactor;
}

Reactor::Reactor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Reactor::~Reactor() { stop(); }

Result<void> Reactor::start() {
  ASSERT_MSG(!impl_->started, "a reactor is started once");
  impl_->started = true;
  impl_->running = true;
  Result<std::unique_ptr<env::Thread>> thread =
      impl_->env.start_thread("reactor-" + std::to_string(impl_->options.index),
                              impl_->options.core, [this](uint32_t most) { return step(most); });
  if (!thread.ok()) {
    impl_->started = false;
    impl_->running = false;
    return thread.error();
  }
  impl_->thread = std::move(thread).value();
  return {};
}

void Reactor::stop() {
  if (impl_->thread == nullptr) return;
  ASSERT_MSG(current() != this, "a reactor cannot join itself");
  // Release: pairs with the acquire in run().
  impl_->stop_requested.store(true, std::memory_order_release);
  impl_->ring->wake();
  impl_->thread.reset();
  impl_->running = false;
}

bool Reactor::send_message(Message message) {
  ASSERT(message.run != nullptr);
  if (!impl_->inbox.try_push(message)) return false;
  impl_->ring->wake();
  return true;
}

void Reactor::send_message_wait(Message message) {
  // A reactor that waited for itself, or two for each other, would wait for ever.
  ASSERT_MSG(current() == nullptr, "reactors must not wait");
  while (!send_message(message)) impl_->env.yield();
}

bool Reactor::step(uint32_t most) {
  const ReactorScope scope(*this);
  for (; most > 0; --most) {
    if (!impl_->step(*this)) return false;
  }
  return true;
}

ReactorScope::ReactorScope(Reactor& reactor) : before_(std::exchange(current_reactor, &reactor)) {}

ReactorScope::~ReactorScope() { current_reactor = before_; }

void Reactor::add_poller(Poller& poller) {
  impl_->check_thread();
  std::vector<Poller*>& stage = impl_->pollers[static_cast<size_t>(poller.stage())];
  ASSERT(std::ranges::find(stage, &poller) == stage.end());
  stage.push_back(&poller);
}

void Reactor::remove_poller(Poller& poller) {
  impl_->check_thread();
  std::vector<Poller*>& stage = impl_->pollers[static_cast<size_t>(poller.stage())];
  const auto place = std::ranges::find(stage, &poller);
  ASSERT_MSG(place != stage.end(), "not a poller of this reactor");
  *place = nullptr;
  impl_->pollers_removed = true;
}

void Reactor::start_timer(Timer& timer, uint64_t deadline_ns) {
  impl_->check_thread();
  impl_->timers.start(timer, deadline_ns);
}

void Reactor::cancel_timer(Timer& timer) {
  impl_->check_thread();
  impl_->timers.cancel(timer);
}

env::Env& Reactor::env() { return impl_->env; }
env::Ring& Reactor::ring() { return *impl_->ring; }
BufferPool& Reactor::buffers() { return *impl_->buffers; }
uint32_t Reactor::index() const { return impl_->options.index; }
uint64_t Reactor::now_ns() const { return impl_->now_ns; }
std::unique_ptr<ReactorPart>& Reactor::bdev_part() { return impl_->bdev_part; }
Reactor* Reactor::current() { return current_reactor; }
ReactorStats& Reactor::stats() { return impl_->stats; }

}  // namespace capsuled
