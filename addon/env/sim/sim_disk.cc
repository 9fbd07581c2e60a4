#include "env/sim/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace capsuled::env::sim {
namespace {

constexpr SimDisk::Sector kZeros{};

}  // namespace

/// Calls `visit(sector, first byte in it, count, bytes before)` for each sector touched.
template <typename Visit>
void SimDisk::for_each_part(uint64_t offset, uint64_t length, Visit&& visit) {
  for (uint64_t done = 0; done < length;) {
    const uint64_t at = offset + done;
    const uint64_t within = at % kSectorBytes;
    const uint64_t count = std::min(length - done, kSectorBytes - within);
    visit(at / kSectorBytes, within, count, done);
    done += count;
  }
}

const SimDisk::Sector& SimDisk::now(uint64_t number) const {
  if (const auto cached = cache_.find(number); cached != cache_.end()) {
    return cached->second.back().sector;
  }
  const auto found = certain_.find(number);
  return found == certain_.end() ? kZeros : found->second;
}

/// A version of the sector that may be changed.
SimDisk::Sector& SimDisk::make_version(uint64_t number) {
  const Sector before = now(number);
  return cache_[number].emplace_back(Version{version_, before}).sector;
}

void SimDisk::read(uint64_t offset, std::span<std::byte> to) const {
  ASSERT(offset + to.size() <= bytes_);
  for_each_part(offset, to.size(),
                [&](uint64_t number, uint64_t within, uint64_t count, uint64_t before) {
                  std::memcpy(to.data() + before, now(number).data() + within, count);
                });
}

void SimDisk::write(uint64_t offset, std::span<const std::byte> from) {
  ASSERT(offset + from.size() <= bytes_);
  ++version_;
  for_each_part(offset, from.size(),
                [&](uint64_t number, uint64_t within, uint64_t count, uint64_t before) {
                  std::memcpy(make_version(number).data() + within, from.data() + before, count);
                });
}

void SimDisk::zero(uint64_t offset, uint64_t length) {
  if (offset >= bytes_) return;
  length = std::min(length, bytes_ - offset);
  ++version_;
  for_each_part(offset, length, [&](uint64_t number, uint64_t within, uint64_t count, uint64_t) {
    std::memset(make_version(number).data() + within, 0, count);
  });
}

SimDisk::Cache::iterator SimDisk::flush(Cache::iterator cached, uint64_t version) {
  std::vector<Version>& versions = cached->second;
  const auto behind = std::ranges::upper_bound(versions, version, {}, &Version::version);
  if (behind != versions.begin()) certain_[cached->first] = std::prev(behind)->sector;
  versions.erase(versions.begin(), behind);
  return versions.empty() ? cache_.erase(cached) : std::next(cached);
}

void SimDisk::flush(uint64_t version) {
  for (auto cached = cache_.begin(); cached != cache_.end();) cached = flush(cached, version);
}

void SimDisk::flush(uint64_t offset, uint64_t length) {
  for_each_part(offset, length, [&](uint64_t number, uint64_t, uint64_t, uint64_t) {
    if (const auto cached = cache_.find(number); cached != cache_.end()) flush(cached, version_);
  });
}

void SimDisk::power_cut(Prng& prng) {
  const uint64_t together = atomic_bytes / kSectorBytes;
  for (auto first = cache_.begin(); first != cache_.end();) {
    // Of a unit either a write is there as a whole, or nothing of it.
    const uint64_t end = (first->first / together + 1) * together;
    std::vector<uint64_t> writes;
    auto behind = first;
    for (; behind != cache_.end() && behind->first < end; ++behind) {
      for (const Version& version : behind->second) writes.push_back(version.version);
    }
    std::ranges::sort(writes);
    const uint64_t pick = prng.below(writes.size() + 1);
    for (; first != behind; ++first) {
      const auto& versions = first->second;
      const auto after =
          pick == 0 ? versions.begin()
                    : std::ranges::upper_bound(versions, writes[pick - 1], {}, &Version::version);
      if (after != versions.begin()) certain_[first->first] = std::prev(after)->sector;
    }
  }
  cache_.clear();
}

std::unique_ptr<SimDisk> SimDisk::take_over() {
  auto next = std::make_unique<SimDisk>(path_, bytes_);
  next->latency = latency;
  next->short_transfers = short_transfers;
  next->block_device = block_device;
  next->direct = direct;
  next->atomic_bytes = atomic_bytes;
  next->certain_ = std::move(certain_);
  next->cache_ = std::move(cache_);
  next->version_ = version_;
  certain_.clear();
  cache_.clear();
  outcome = [](const DiskRequest&) { return -EIO; };
  hang(false);
  return next;
}

void SimDisk::resize(uint64_t bytes) {
  bytes_ = bytes;
  const uint64_t first = (bytes + kSectorBytes - 1) / kSectorBytes;
  certain_.erase(certain_.lower_bound(first), certain_.end());
  cache_.erase(cache_.lower_bound(first), cache_.end());
}

void SimDisk::hang(bool hangs) {
  hangs_ = hangs;
  if (hangs) return;
  for (auto& end : std::exchange(waiting_, {})) end();
}

void SimDisk::let_one_go() {
  ASSERT(!waiting_.empty());
  const std::function<void()> end = std::move(waiting_.front());
  waiting_.pop_front();
  end();
}

void SimDisk::when_running(std::function<void()> end) {
  if (hangs_) {
    waiting_.push_back(std::move(end));
  } else {
    end();
  }
}

}  // namespace capsuled::env::sim
