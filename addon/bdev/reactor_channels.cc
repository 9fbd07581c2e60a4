#include "bdev/reactor_channels.h"

#include <algorithm>

#include "bdev/core_channel.h"

namespace capsuled {

ReactorChannels& ReactorChannels::of(Reactor& reactor) {
  ASSERT_MSG(Reactor::current() == &reactor, "not the reactor's thread");
  std::unique_ptr<ReactorPart>& part = reactor.bdev_part();
  if (part == nullptr) part = std::make_unique<ReactorChannels>(reactor);
  return static_cast<ReactorChannels&>(*part);
}

ReactorChannels::ReactorChannels(Reactor& reactor) : reactor_(reactor) {
  ticks_.table = this;
  ticks_.expired = [](Timer& timer) { static_cast<TickTimer&>(timer).table->tick(); };
}

ReactorChannels::~ReactorChannels() {
  ASSERT_MSG(channels_.empty(), "the reactor ended before its bdev channels were released");
}

CoreChannel* ReactorChannels::acquire(const std::shared_ptr<BdevEntry>& entry) {
  ASSERT_MSG(entry->bdev != nullptr, "the bdev was removed");
  CoreChannel*& channel = channels_[entry->serial];
  if (channel == nullptr) channel = new CoreChannel(reactor_, *this, entry, take_number());
  ++channel->references_;
  if (channel->facts_.has_device && !ticks_.started()) {
    reactor_.start_timer(ticks_, reactor_.now_ns() + kTickNs);
  }
  if (!registered_) {
    reactor_.add_poller(*this);
    registered_ = true;
  }
  return channel;
}

CoreChannel* ReactorChannels::find(const BdevEntry& entry) const {
  const auto found = channels_.find(entry.serial);
  return found == channels_.end() ? nullptr : found->second;
}

void ReactorChannels::changed(const BdevEntry& entry) {
  CoreChannel* const channel = find(entry);
  if (channel == nullptr) return;
  refresh();
  channel->backend_->parameters_changed();
}

void ReactorChannels::refresh() {
  for (const auto& [serial, channel] : channels_) channel->refresh();
}

void ReactorChannels::let_go(const BdevEntry& entry) {
  CoreChannel* const channel = find(entry);
  if (channel == nullptr) return;
  channel->let_go();
  refresh();
}

void ReactorChannels::let_go() {
  for (const auto& [serial, channel] : channels_) channel->let_go();
  refresh();
}

uint32_t ReactorChannels::take_number() {
  const auto free = std::find(numbers_.begin(), numbers_.end(), false);
  const auto number = static_cast<uint32_t>(free - numbers_.begin());
  if (free == numbers_.end()) numbers_.push_back(false);
  numbers_[number] = true;
  return number;
}

void ReactorChannels::release(CoreChannel& channel) {
  ASSERT_MSG(Reactor::current() == &reactor_, "not the reactor's thread");
  ASSERT(channel.references_ > 0);
  if (--channel.references_ > 0) return;
  ASSERT_MSG(channel.in_flight_ == 0, "released with operations in flight");
  channels_.erase(channel.entry_->serial);
  numbers_[channel.number()] = false;
  delete &channel;
  unregister_if_unused();
}

PollResult ReactorChannels::poll() { return ended_.empty() ? PollResult::Idle : run_ended(); }

/// Out of line: most polls have nothing to run, and need no registers saved for it.
[[gnu::noinline]] PollResult ReactorChannels::run_ended() {
  polling_ = true;
  for (size_t left = ended_.size(); left > 0; --left) {
    BdevIo& io = *ended_.pop_front();
    CoreChannel::ended(io);
  }
  polling_ = false;
  unregister_if_unused();
  return PollResult::Busy;
}

void ReactorChannels::tick() {
  bool devices = false;
  for (const auto& [serial, channel] : channels_) {
    if (!channel->facts_.has_device) continue;
    devices = true;
    channel->tick();
  }
  if (devices) reactor_.start_timer(ticks_, reactor_.now_ns() + kTickNs);
}

void ReactorChannels::unregister_if_unused() {
  if (!registered_ || polling_ || !channels_.empty()) return;
  if (ticks_.started()) reactor_.cancel_timer(ticks_);
  reactor_.remove_poller(*this);
  registered_ = false;
}

}  // namespace capsuled
