#include "bdev/delay/delay_channel.h"

#include <algorithm>
#include <utility>

#include "bdev/core_channel.h"

namespace capsuled {

DelayChannel::DelayChannel(Reactor& reactor, const std::shared_ptr<BdevEntry>& base,
                           const Changeable<DelayTable>& times, uint64_t seed)
    : LayerChannel(reactor, base, 0), reactor_(reactor), times_(times), prng_(seed) {
  timer_.channel = this;
  timer_.expired = [](Timer& timer) { static_cast<DueTimer&>(timer).channel->end_due(); };
}

DelayChannel::~DelayChannel() { ASSERT(heap_.empty() && !timer_.started()); }

void DelayChannel::refresh() {
  LayerChannel::refresh();
  keeps_ = !std::ranges::all_of(times_.get(), &DelayTimes::none);
}

bool DelayChannel::forwarded(BdevIo& io) {
  const DelayTimes& times = times_.get()[static_cast<size_t>(io.type)];
  if (times.none()) [[likely]]
    return true;
  return keep(io, times);
}

bool DelayChannel::keep(BdevIo& io, const DelayTimes& times) {
  const uint64_t added = added_ns(times);
  if (added == 0 || io.cancel_requested || going_) return true;
  bdev_keep(io);
  heap_.emplace_back();
  put(heap_.size() - 1, {reactor_.now_ns() + added, &io, io.status});
  sift_up(heap_.size() - 1);
  set_timer();
  return false;
}

uint64_t DelayChannel::added_ns(const DelayTimes& times) {
  if (times.p99_ns != 0 && prng_.chance(1, 100)) return times.p99_ns;
  if (times.jitter_ns == 0) return times.average_ns;
  return times.average_ns - times.jitter_ns + prng_.below(2 * times.jitter_ns + 1);
}

/// Its blocks are read or written already; it ends early, and as it would have.
void DelayChannel::cancel(BdevIo& io) {
  const auto index = static_cast<size_t>(io.channel->frame(io).scratch[0]);
  const Kept kept = take(index);
  set_timer();
  bdev_complete(*kept.io, kept.status);
}

void DelayChannel::let_go() {
  going_ = true;
  while (!heap_.empty()) {
    const Kept kept = take(0);
    bdev_complete(*kept.io, kept.status);
  }
  set_timer();
}

uint64_t DelayChannel::oldest_ns() const {
  uint64_t oldest_ns = UINT64_MAX;
  for (const Kept& kept : heap_) oldest_ns = std::min(oldest_ns, kept.io->submitted_ns);
  return oldest_ns;
}

void DelayChannel::end_due() {
  while (!heap_.empty() && heap_.front().due_ns <= reactor_.now_ns()) {
    const Kept kept = take(0);
    bdev_complete(*kept.io, kept.status);
  }
  set_timer();
}

void DelayChannel::set_timer() {
  if (heap_.empty()) {
    if (timer_.started()) reactor_.cancel_timer(timer_);
  } else if (!timer_.started() || timer_.deadline_ns != heap_.front().due_ns) {
    reactor_.start_timer(timer_, heap_.front().due_ns);
  }
}

void DelayChannel::put(size_t index, const Kept& kept) {
  heap_[index] = kept;
  kept.io->channel->frame(*kept.io).scratch[0] = index;
}

void DelayChannel::sift_up(size_t index) {
  const Kept kept = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (heap_[parent].due_ns <= kept.due_ns) break;
    put(index, heap_[parent]);
    index = parent;
  }
  put(index, kept);
}

void DelayChannel::sift_down(size_t index) {
  const Kept kept = heap_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].due_ns < heap_[child].due_ns) ++child;
    if (heap_[child].due_ns >= kept.due_ns) break;
    put(index, heap_[child]);
    index = child;
  }
  put(index, kept);
}

DelayChannel::Kept DelayChannel::take(size_t index) {
  ASSERT(index < heap_.size());
  const Kept taken = heap_[index];
  const Kept last = heap_.back();
  heap_.pop_back();
  if (index < heap_.size()) {
    put(index, last);
    sift_up(index);
    sift_down(static_cast<size_t>(last.io->channel->frame(*last.io).scratch[0]));
  }
  return taken;
}

}  // namespace capsuled
