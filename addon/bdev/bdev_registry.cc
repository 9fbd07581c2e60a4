#include "bdev/bdev_registry.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <ranges>
#include <set>
#include <utility>

#include "bdev/bdev_geometry.h"

namespace capsuled {

namespace {

/// What the core relies on; a factory that breaks it is our mistake.
void assert_facts(const BdevFacts& facts) {
  ASSERT(!facts.name.empty() && !facts.kind.empty());
  ASSERT(facts.block_size >= kBlockSizeMin && facts.block_size <= kBlockSizeMax);
  ASSERT(std::has_single_bit(facts.block_size));
  ASSERT(facts.block_count > 0 && facts.block_count <= UINT64_MAX / facts.block_size);
  ASSERT(std::has_single_bit(facts.buffer_alignment) && facts.buffer_alignment <= 4096);
  ASSERT(facts.transfer_bytes_max == 0 || facts.transfer_bytes_max >= facts.block_size);
}

}  // namespace

std::unique_ptr<Bdev> BdevRegistry::take_bdev(BdevEntry& entry) {
  // Acquire: pairs with the release in CoreChannel's destructor; what the last channel did to the
  // bdev happened before whatever follows here, its destruction included.
  ASSERT_MSG(entry.channel_count.load(std::memory_order_acquire) == 0,
             "a channel was not released");
  leave_bases(*entry.bdev);
  return std::move(entry.bdev);
}

void BdevRegistry::leave_bases(Bdev& bdev) {
  for (const BdevBase& base : bdev.bases_) base.desc->entry()->claims.erase(bdev.facts().name);
  bdev.bases_.clear();
}

BdevDesc::BdevDesc(std::shared_ptr<BdevEntry> entry) : entry_(std::move(entry)) {
  ++entry_->open_count;
}

BdevDesc::~BdevDesc() {
  ASSERT(entry_->open_count > 0);
  --entry_->open_count;
}

const std::shared_ptr<BdevEntry>& BdevDesc::entry() const { return entry_; }

BdevRegistry::BdevRegistry(uint32_t reactor_count) : reactor_count_(reactor_count) {}

BdevRegistry::~BdevRegistry() {
  // Those that stand on others go first.
  for (BdevEntry* const entry : std::views::reverse(by_level())) {
    ASSERT_MSG(entry->open_count == 0, "a bdev is still open");
    take_bdev(*entry);
  }
}

/// Each behind all that it stands on.
std::vector<BdevEntry*> BdevRegistry::by_level() const {
  std::vector<BdevEntry*> entries;
  for (const auto& [name, entry] : entries_) entries.push_back(entry.get());
  std::ranges::sort(entries, {}, [](BdevEntry* entry) { return entry->bdev->level(); });
  return entries;
}

bool BdevRegistry::grow(Bdev& bdev) {
  const uint64_t found = bdev.blocks_found();
  if (found <= bdev.block_count()) return false;
  ASSERT(found <= UINT64_MAX / bdev.facts().block_size);
  // A claim on all of a base covers what that gets.
  for (BdevBase& base : bdev.bases_) {
    if (base.claim.end_block == UINT64_MAX) continue;
    base.claim.end_block = base.claim.first_block + found;
    base.desc->entry()->claims[bdev.facts().name] = base.claim;
  }
  bdev.block_count_.store(found, std::memory_order_release);  // see block_count()
  bdev.grown(found);
  return true;
}

bool BdevRegistry::grow(const std::string& name) {
  std::set<const Bdev*> grown;
  for (BdevEntry* const entry : by_level()) {
    Bdev& bdev = *entry->bdev;
    const bool is_above = std::ranges::any_of(bdev.bases(), [&](const BdevBase& base) {
      return grown.contains(base.desc->entry()->bdev.get());
    });
    if ((is_above || bdev.facts().name == name) && grow(bdev)) grown.insert(&bdev);
  }
  return !grown.empty();
}

std::optional<BdevError> BdevRegistry::in_the_way(const Bdev& bdev) const {
  if (entries_.contains(bdev.facts().name)) {
    return BdevError{EEXIST, "name", "a bdev of this name exists"};
  }
  for (const BdevBase& base : bdev.bases()) {
    const BdevEntry& below = *base.desc->entry();
    for (const auto& [user, claim] : below.claims) {
      if (!claim.clashes(base.claim)) continue;
      return BdevError{EBUSY, "",
                       "expected blocks of " + below.bdev->facts().name +
                           " that no other bdev has, but " + user + " has some of them"};
    }
  }
  return std::nullopt;
}

Result<void> BdevRegistry::add(std::unique_ptr<Bdev> bdev) {
  ASSERT(bdev != nullptr);
  assert_facts(bdev->facts());
  const std::string& name = bdev->facts().name;
  if (const auto error = in_the_way(*bdev)) {
    leave_bases(*bdev);
    return Error{error->errnum, "add a bdev: another one is in the way"};
  }
  for (const BdevBase& base : bdev->bases()) base.desc->entry()->claims[name] = base.claim;
  auto entry = std::make_shared<BdevEntry>();
  entry->serial = ++added_;
  for (uint32_t index = 0; index < reactor_count_; ++index) {
    entry->stats.push_back(std::make_unique<BdevStats>());
  }
  entry->oldest_ns.assign(reactor_count_, UINT64_MAX);
  entry->bdev = std::move(bdev);
  entries_.emplace(entry->bdev->facts().name, std::move(entry));
  return {};
}

Result<std::unique_ptr<Bdev>> BdevRegistry::take(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return Error{ENOENT, "remove a bdev: there is none of that name"};
  BdevEntry& entry = *found->second;
  if (entry.open_count > 0) return Error{EBUSY, "remove a bdev: it is open"};
  // Acquire: see take_bdev.
  if (entry.channel_count.load(std::memory_order_acquire) > 0) {
    return Error{EBUSY, "remove a bdev: a reactor still has a channel"};
  }
  auto bdev = take_bdev(entry);
  entries_.erase(found);
  return bdev;
}

Result<std::unique_ptr<BdevDesc>> BdevRegistry::open(const std::string& name) {
  const std::shared_ptr<BdevEntry> entry = find(name);
  if (entry == nullptr) return Error{ENOENT, "open a bdev: there is none of that name"};
  return std::unique_ptr<BdevDesc>(new BdevDesc(entry));
}

std::shared_ptr<BdevEntry> BdevRegistry::find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second;
}

}  // namespace capsuled
