#include "nvmf/namespace_table.h"

#include <algorithm>
#include <atomic>
#include <bit>

#include "base/assert.h"

namespace capsuled::nvmf {

/// What waits for the commands on namespaces that went away.
struct NamespaceTable::Drain {
  std::function<void()> drained;
  std::vector<const NamespaceChannel*> waiting;
};

uint32_t take_table_version() {
  static std::atomic<uint32_t> next = 1;
  // Relaxed: a version is compared with versions that messages brought here.
  return next.fetch_add(1, std::memory_order_relaxed);
}

NamespaceTable::NamespaceTable(Reactor& reactor) : reactor_(reactor) {}

NamespaceTable::~NamespaceTable() {
  ASSERT_MSG(detached_.empty(), "namespaces still drain");
  for (auto& channel : by_nsid_) {
    if (channel == nullptr) continue;
    ASSERT_MSG(channel->in_flight == 0, "commands under way on a dropped table");
    channel->bdev->release();
  }
}

void NamespaceTable::publish(const std::vector<std::shared_ptr<const NamespaceEntry>>& entries,
                             std::function<void()> drained) {
  std::vector<std::unique_ptr<NamespaceChannel>> next;
  for (const auto& entry : entries) {
    ASSERT(entry->nsid >= 1 && entry->nsid <= kNsidMax);
    if (entry->nsid > next.size()) next.resize(entry->nsid);
    auto& slot = next[entry->nsid - 1];
    ASSERT_MSG(slot == nullptr, "a namespace identifier twice in one table");
    NamespaceChannel* const old = find(entry->nsid);
    if (old != nullptr && old->entry == entry) {
      slot = std::move(by_nsid_[entry->nsid - 1]);
      continue;
    }
    slot = std::make_unique<NamespaceChannel>();
    const BdevFacts& facts = entry->bdev->bdev->facts();
    slot->entry = entry;
    slot->bdev = CoreChannel::acquire(reactor_, entry->bdev);
    slot->stats = entry->stats[reactor_.index()];
    slot->block_count = slot->bdev->block_count();
    slot->block_shift = static_cast<uint32_t>(std::countr_zero(facts.block_size));
    slot->lends_reads = facts.lends_reads;
    slot->read_only = entry->read_only || facts.read_only;
    slot->table = this;
  }
  by_nsid_.swap(next);
  version_ = take_table_version();

  std::vector<const NamespaceChannel*> waiting;
  for (auto& channel : next) {
    if (channel == nullptr) continue;
    channel->detached = true;
    if (channel->in_flight == 0) {
      channel->bdev->release();
      continue;
    }
    waiting.push_back(channel.get());
    detached_.push_back(std::move(channel));
  }
  await(std::move(waiting), std::move(drained));
}

void NamespaceTable::grow() {
  for (const auto& channel : by_nsid_) {
    if (channel != nullptr) channel->block_count = channel->bdev->block_count();
  }
}

bool NamespaceTable::withholds(uint32_t nsid) const {
  return std::binary_search(withheld_.begin(), withheld_.end(), nsid);
}

void NamespaceTable::when_drained(std::function<void()> drained) {
  std::vector<const NamespaceChannel*> waiting;
  for (const auto& channel : detached_) waiting.push_back(channel.get());
  await(std::move(waiting), std::move(drained));
}

void NamespaceTable::when_drained(const std::vector<std::shared_ptr<const NamespaceEntry>>& of,
                                  std::function<void()> drained) {
  std::vector<const NamespaceChannel*> waiting;
  for (const auto& channel : detached_) {
    if (std::find(of.begin(), of.end(), channel->entry) != of.end()) {
      waiting.push_back(channel.get());
    }
  }
  await(std::move(waiting), std::move(drained));
}

void NamespaceTable::await(std::vector<const NamespaceChannel*> waiting,
                           std::function<void()> drained) {
  if (waiting.empty()) {
    drained();
    return;
  }
  auto drain = std::make_unique<Drain>();
  drain->waiting = std::move(waiting);
  drain->drained = std::move(drained);
  drains_.push_back(std::move(drain));
}

void NamespaceTable::release(NamespaceChannel& channel) {
  ASSERT(channel.in_flight > 0);
  channel.in_flight--;
  if (channel.detached && channel.in_flight == 0) channel.table->finish(channel);
}

void NamespaceTable::finish(NamespaceChannel& channel) {
  std::vector<std::function<void()>> done;
  for (auto& drain : drains_) {
    std::erase(drain->waiting, &channel);
    if (drain->waiting.empty()) done.push_back(std::move(drain->drained));
  }
  std::erase_if(drains_, [](const auto& drain) { return drain->waiting.empty(); });
  channel.bdev->release();
  std::erase_if(detached_, [&](const auto& each) { return each.get() == &channel; });
  for (auto& run : done) run();
}

}  // namespace capsuled::nvmf
