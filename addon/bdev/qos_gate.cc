#include "bdev/qos_gate.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"
#include "reactor/reactor.h"
#include "reactor/reactor_stats.h"

namespace capsuled {

namespace {

/// Calls `visit(limit)` for each of these.
template <typename Visit>
void for_each_limit(uint32_t limits, Visit&& visit) {
  for (; limits != 0; limits &= limits - 1) visit(static_cast<size_t>(std::countr_zero(limits)));
}

}  // namespace

QosGate::QosGate(Reactor& reactor, uint32_t block_size, Through through, uint64_t& delayed)
    : reactor_(reactor), block_size_(block_size), through_(through), delayed_(delayed) {
  timer_.gate = this;
  timer_.expired = [](Timer& timer) { static_cast<DueTimer&>(timer).gate->serve(); };
}

QosGate::~QosGate() {
  ASSERT_MSG(line_count_ == 0 && !timer_.started(), "operations wait for tokens");
}

void QosGate::set(std::shared_ptr<QosBudget> budget) {
  if (budget == budget_) return;
  List waited;
  for (Class& of : classes_) {
    while (Line* const line = of.waiting.pop_front()) {
      while (BdevIo* const io = line->ios.pop_front()) waited.push_back(*io);
    }
  }
  line_count_ = 0;
  waiting_ = {};
  for (size_t limit = 0; limit < kQosLimitCount; ++limit) {
    const uint64_t rate = budget == nullptr ? 0 : budget->limits.rates[limit];
    shares_[limit].set(rate == 0 ? nullptr : &budget->buckets[limit], rate);
  }
  budget_ = std::move(budget);
  make_classes();
  List free;
  while (BdevIo* const io = waited.pop_front()) {
    Class& of = class_of(io->type);
    if (of.needs == 0) {
      free.push_back(*io);
    } else {
      stand(of, *io);
    }
  }
  while (BdevIo* const io = free.pop_front()) through_(*io);
  serve();
}

/// Types of operations that need the same limits are of one class.
void QosGate::make_classes() {
  uint32_t set = 0;
  for (size_t limit = 0; budget_ != nullptr && limit < kQosLimitCount; ++limit) {
    if (budget_->limits.rates[limit] != 0) set |= 1u << limit;
  }
  for (Class& of : classes_) {
    of.needs = 0;
    of.clock_ns = of.passed_ns = 0;
    of.lines.reset();
  }
  passed_ns_ = 0;
  shared_ = 0;
  uint8_t count = 0;
  for (size_t type = 0; type < kBdevIoTypeCount; ++type) {
    const uint32_t needs = set & qos_limits_of(static_cast<BdevIoType>(type));
    uint8_t index = 0;
    while (index < count && classes_[index].needs != needs) ++index;
    ASSERT(index < classes_.size());
    classes_[index].needs = needs;
    class_of_type_[type] = index;
    if (index < count) continue;
    for (uint8_t other = 0; other < count; ++other) shared_ |= needs & classes_[other].needs;
    ++count;
  }
}

bool QosGate::admit(BdevIo& io) {
  Class& of = class_of(io.type);
  if (of.needs == 0) return true;
  const uint64_t used_ns = std::exchange(used_ns_, reactor_.now_ns());
  if (line_count_ == 0 && used_ns_ - used_ns > kKeepNs) [[unlikely]]
    give_back();
  uint64_t now_ns = 0;
  if ((of.needs & lacking_) == 0 && take(of, io, now_ns)) return true;
  add_stat(delayed_, 1);
  stand(of, io);
  if (now_ns != 0 || !timer_.started()) set_timer(now_ns);
  return false;
}

void QosGate::cancel(BdevIo& io) {
  Class& of = class_of(io.type);
  leave(of, (*of.lines)[io.flow % kFlowLines], io);
  if (line_count_ > 0) return;
  // What was taken for it others may have.
  give_back();
  reactor_.cancel_timer(timer_);
}

uint64_t QosGate::oldest_ns() const {
  uint64_t oldest_ns = UINT64_MAX;
  for (const Class& of : classes_) {
    of.waiting.for_each(
        [&](const Line& line) { oldest_ns = std::min(oldest_ns, line.ios.front()->submitted_ns); });
  }
  return oldest_ns;
}

uint64_t QosGate::tokens_of(const BdevIo& io, size_t limit) const {
  if (limit == static_cast<size_t>(QosLimit::Iops)) return 1;
  return std::min(io.count_blocks * block_size_, kQosBytesMax);
}

uint64_t QosGate::cost_ns(uint32_t limits, const BdevIo& io) const {
  uint64_t most_ns = 0;
  for_each_limit(limits, [&](size_t limit) {
    most_ns = std::max(most_ns, shares_[limit].cost_ns(tokens_of(io, limit)));
  });
  return most_ns;
}

bool QosGate::take(const Class& of, const BdevIo& io, uint64_t& now_ns) {
  uint32_t lacking = 0;
  for_each_limit(of.needs, [&](size_t limit) {
    QosShare& share = shares_[limit];
    const uint64_t tokens = tokens_of(io, limit);
    if (share.has(tokens)) [[likely]]
      return;
    if (now_ns == 0) now_ns = reactor_.env().now_ns();
    // All that is lacking is taken now, so that its times pass side by side.
    if (!share.ask(tokens, waiting_[limit], line_count_, now_ns)) lacking |= 1u << limit;
  });
  lacking_ |= lacking;
  if (lacking != 0) return false;
  for_each_limit(of.needs, [&](size_t limit) { shares_[limit].spend(tokens_of(io, limit)); });
  return true;
}

void QosGate::give_back() {
  for (QosShare& share : shares_) share.give_back();
}

void QosGate::stand(Class& of, BdevIo& io) {
  if (of.lines == nullptr) of.lines = std::make_unique<std::array<Line, kFlowLines>>();
  Line& line = (*of.lines)[io.flow % kFlowLines];
  if (line.ios.empty()) {
    line.clock_ns = std::max(line.clock_ns, of.passed_ns);
    of.waiting.push_back(line);
    ++line_count_;
  }
  line.ios.push_back(io);
  for_each_limit(of.needs, [&](size_t limit) { waiting_[limit] += tokens_of(io, limit); });
}

void QosGate::leave(Class& of, Line& line, BdevIo& io) {
  line.ios.remove(io);
  for_each_limit(of.needs, [&](size_t limit) { waiting_[limit] -= tokens_of(io, limit); });
  if (!line.ios.empty()) return;
  of.waiting.remove(line);
  --line_count_;
  if (line_count_ == 0) lacking_ = 0;
}

QosGate::Class* QosGate::next_class() {
  Class* next = nullptr;
  for (Class& of : classes_) {
    if (of.waiting.empty() || (of.needs & lacking_) != 0) continue;
    if (next == nullptr || of.clock_ns < next->clock_ns) next = &of;
  }
  return next;
}

QosGate::Line& QosGate::next_line(const Class& of) {
  Line* next = of.waiting.front();
  for (Line* line = next; line != nullptr; line = of.waiting.next(*line)) {
    if (line->clock_ns < next->clock_ns) next = line;
  }
  return *next;
}

/// A class that could not go on, or had nothing to do, is not owed what it missed.
void QosGate::charge(Class& of, Line& line, const BdevIo& io) {
  passed_ns_ = std::max(passed_ns_, of.clock_ns);
  of.clock_ns = passed_ns_ + cost_ns(of.needs & shared_, io);
  of.passed_ns = std::max(of.passed_ns, line.clock_ns);
  line.clock_ns += cost_ns(of.needs, io);
}

void QosGate::serve() {
  lacking_ = 0;
  uint64_t now_ns = reactor_.env().now_ns();
  while (Class* const of = next_class()) {
    Line& line = next_line(*of);
    BdevIo& io = *line.ios.front();
    if (!take(*of, io, now_ns)) continue;
    charge(*of, line, io);
    leave(*of, line, io);
    through_(io);
  }
  used_ns_ = reactor_.now_ns();
  set_timer(now_ns);
}

/// For the first slice that somebody waits for.
void QosGate::set_timer(uint64_t now_ns) {
  if (line_count_ == 0) return reactor_.cancel_timer(timer_);
  if (now_ns == 0) now_ns = reactor_.env().now_ns();
  uint64_t due_ns = UINT64_MAX;
  for_each_limit(lacking_,
                 [&](size_t limit) { due_ns = std::min(due_ns, shares_[limit].due_ns()); });
  // The reactor's clock may have stood still when that of the buckets went on.
  reactor_.start_timer(timer_, reactor_.now_ns() + (due_ns > now_ns ? due_ns - now_ns : 0));
}

}  // namespace capsuled
