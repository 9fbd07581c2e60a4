#include "sim/block_judge.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace capsuled::sim {
namespace {

constexpr size_t kWordBytes = 8;

uint64_t word_at(std::span<const std::byte> bytes, size_t index) {
  uint64_t word = 0;
  std::memcpy(&word, bytes.data() + index * kWordBytes, kWordBytes);
  return word;
}

/// Different for each word of each block of each write.
uint64_t content(WriteId id, uint64_t number, size_t index) {
  uint64_t mixed = id * 0x9e3779b97f4a7c15u + number * 0xbf58476d1ce4e5b9u + index;
  mixed = (mixed ^ (mixed >> 31)) * 0x94d049bb133111ebu;
  return mixed ^ (mixed >> 29);
}

bool is_zeros(std::span<const std::byte> bytes) {
  return bytes[0] == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

void fill_block(std::span<std::byte> block, uint64_t number, WriteId id) {
  ASSERT(id != 0 && block.size() % kWordBytes == 0);
  for (size_t index = 0; index < block.size() / kWordBytes; ++index) {
    const uint64_t word = index == 0 ? id : content(id, number, index);
    std::memcpy(block.data() + index * kWordBytes, &word, kWordBytes);
  }
}

BlockJudge::BlockJudge(uint32_t block_bytes, uint64_t blocks)
    : block_bytes_(block_bytes), blocks_(blocks) {
  put_zeros(0, 0, 0);
}

/// At some time from `start_ns` to `end_ns`.
void BlockJudge::put_zeros(uint64_t first, uint64_t start_ns, uint64_t end_ns) {
  const auto made = std::make_shared<Write>();
  made->range = {first, blocks_.size() - first};
  made->zeros = true;
  made->start_ns = start_ns;
  made->end_ns = end_ns;
  made->succeeded = true;
  made->durable = true;
  for (uint64_t number = first; number < blocks_.size(); ++number) {
    blocks_[number].assign(1, {made, end_ns, false});
  }
}

void BlockJudge::cut_off(uint64_t first, uint64_t now_ns) {
  gone_from_ = first;
  gone_since_ns_ = now_ns;
}

/// What was under way when they were cut off, or came since, may still have reached them, or be
/// gone though it is answered with success. What is being read may be of before.
void BlockJudge::put_back(uint64_t now_ns) {
  reads_.clear();
  const uint64_t first = std::exchange(gone_from_, kNever);
  for (const auto& [id, write] : open_) {
    if (write->range.end() > first) write->of_before = true;
  }
  std::vector<Block> before(blocks_.begin() + static_cast<ptrdiff_t>(first), blocks_.end());
  put_zeros(first, gone_since_ns_, now_ns);
  for (uint64_t number = first; number < blocks_.size(); ++number) {
    for (const Candidate& candidate : before[number - first]) {
      if (candidate.write->end_ns >= gone_since_ns_) {
        blocks_[number].push_back({candidate.write, kNever, false});
      }
    }
  }
}

void BlockJudge::make_anew() {
  reads_.clear();
  flushes_.clear();
  not_durable_.clear();
  put_zeros(0, 0, 0);
  for (const auto& [id, write] : open_) {
    write->of_before = true;
    for (uint64_t number = write->range.first; number < write->range.end(); ++number) {
      blocks_[number].push_back({write, kNever, false});
    }
  }
}

// ---- Writes -------------------------------------------------------------------------------------

void BlockJudge::write_begins(WriteId id, BlockRange range, bool zeros, uint64_t now_ns) {
  ASSERT(range.end() <= blocks_.size());
  auto write = std::make_shared<Write>();
  write->id = id;
  write->range = range;
  write->zeros = zeros;
  write->start_ns = now_ns;
  for (uint64_t number = range.first; number < range.end(); ++number) {
    blocks_[number].push_back({write, kNever, false});
  }
  ASSERT_MSG(open_.emplace(id, std::move(write)).second, "a write begun twice");
}

std::string BlockJudge::write_succeeded(WriteId id, bool durable, uint64_t now_ns) {
  const auto found = open_.find(id);
  ASSERT(found != open_.end());
  const std::shared_ptr<Write> write = found->second;
  if (write->of_before) {
    write_unknown(id, now_ns);
    return "";
  }
  open_.erase(found);
  write->end_ns = now_ns;
  write->succeeded = true;
  write->durable = durable;
  if (!durable) not_durable_.push_back(write);
  for (uint64_t number = write->range.first; number < write->range.end(); ++number) {
    Block& block = blocks_[number];
    for (Candidate& candidate : block) {
      if (candidate.write == write) candidate.seen_ns = std::min(candidate.seen_ns, now_ns);
    }
    forget_overtaken(block);
  }
  const bool gone = write->range.end() > gone_from_ && write->start_ns > gone_since_ns_;
  return gone ? "it wrote to a block that had been cut off" : "";
}

void BlockJudge::write_unknown(WriteId id, uint64_t now_ns) {
  const auto found = open_.find(id);
  ASSERT(found != open_.end());
  found->second->end_ns = now_ns;
  open_.erase(found);
}

void BlockJudge::write_refused(WriteId id) {
  const auto found = open_.find(id);
  ASSERT(found != open_.end());
  const std::shared_ptr<Write> write = found->second;
  open_.erase(found);
  for (uint64_t number = write->range.first; number < write->range.end(); ++number) {
    std::erase_if(blocks_[number],
                  [&](const Candidate& candidate) { return candidate.write == write; });
  }
}

// ---- Flushes ------------------------------------------------------------------------------------

void BlockJudge::flush_begins(uint64_t flush, uint64_t now_ns) { flushes_[flush] = now_ns; }

/// What had succeeded before it began is durable.
void BlockJudge::flush_succeeded(uint64_t flush) {
  const auto found = flushes_.find(flush);
  if (found == flushes_.end()) return;
  const uint64_t began_ns = found->second;
  flushes_.erase(found);
  std::erase_if(not_durable_, [&](const std::shared_ptr<Write>& write) {
    if (write->end_ns >= began_ns) return false;
    write->durable = true;
    return true;
  });
}

// ---- Reads --------------------------------------------------------------------------------------

void BlockJudge::read_begins(uint64_t read, uint64_t now_ns) { reads_[read] = now_ns; }

void BlockJudge::read_failed(uint64_t read) { reads_.erase(read); }

uint64_t BlockJudge::oldest_read_ns() const {
  uint64_t oldest_ns = kNever;
  for (const auto& [read, start_ns] : reads_) oldest_ns = std::min(oldest_ns, start_ns);
  return oldest_ns;
}

/// The latest beginning of these writes; 0: there are none.
template <typename Which>
uint64_t BlockJudge::last_start_ns(const Block& block, Which which) {
  uint64_t last_ns = 0;
  for (const Candidate& candidate : block) {
    if (which(candidate)) last_ns = std::max(last_ns, candidate.write->start_ns);
  }
  return last_ns;
}

/// A write that was over before this had been overtaken by `by_ns`: another one that began later
/// had taken place.
uint64_t BlockJudge::overtaking_ns(const Block& block, uint64_t by_ns) {
  return last_start_ns(block, [=](const Candidate& other) { return other.seen_ns < by_ns; });
}

/// A power cut cannot bring back a write that was over before this.
uint64_t BlockJudge::burying_ns(const Block& block) {
  return last_start_ns(block, [](const Candidate& other) { return other.write->durable; });
}

/// Those of which no read that is under way, or to come, may be given, whatever happens.
void BlockJudge::forget_overtaken(Block& block) {
  const uint64_t needless_ns = std::min(burying_ns(block), overtaking_ns(block, oldest_read_ns()));
  std::erase_if(block,
                [=](const Candidate& candidate) { return candidate.write->end_ns < needless_ns; });
}

/// The candidate that the bytes are of and that a read since `start_ns` may be given.
BlockJudge::Candidate* BlockJudge::find(Block& block, std::span<const std::byte> bytes,
                                        uint64_t number, uint64_t start_ns) {
  const bool zeros = is_zeros(bytes);
  const uint64_t overtaken_ns = overtaking_ns(block, start_ns);
  std::vector<std::byte> expected(block_bytes_);
  for (Candidate& candidate : block) {
    if (candidate.write->zeros != zeros) continue;
    if (!zeros) {
      if (candidate.write->id != word_at(bytes, 0)) continue;
      fill_block(expected, number, candidate.write->id);
      if (!std::ranges::equal(bytes, expected)) continue;
    }
    if (candidate.write->end_ns >= overtaken_ns) return &candidate;
  }
  return nullptr;
}

std::string BlockJudge::read_succeeded(uint64_t read, BlockRange range,
                                       std::span<const std::byte> bytes, uint64_t now_ns) {
  const auto found = reads_.find(read);
  if (found == reads_.end()) return "";
  const uint64_t start_ns = found->second;
  reads_.erase(found);
  if (bytes.size() != range.count * block_bytes_) {
    return "expected " + std::to_string(range.count * block_bytes_) + " bytes, got " +
           std::to_string(bytes.size());
  }
  if (range.end() > gone_from_ && start_ns > gone_since_ns_) return "it read what had been cut off";
  for (uint64_t index = 0; index < range.count; ++index) {
    const uint64_t number = range.first + index;
    Block& block = blocks_[number];
    const auto got = bytes.subspan(index * block_bytes_, block_bytes_);
    Candidate* const candidate = find(block, got, number, start_ns);
    const uint64_t overtaken_ns = overtaking_ns(block, start_ns);
    const auto possible = [=](const Candidate& one) { return one.write->end_ns >= overtaken_ns; };
    if (candidate == nullptr) {
      std::string text = "block " + std::to_string(number) + " has ";
      text += is_zeros(got)
                  ? "zeros"
                  : "bytes that begin as those of write " + std::to_string(word_at(got, 0));
      text += ", expected one of";
      for (const Candidate& one : block) {
        if (!possible(one)) continue;
        text += " " + (one.write->zeros ? "zeros of " + std::to_string(one.write->id)
                                        : std::to_string(one.write->id));
      }
      return text;
    }
    // Zeros may be of several writes, and then nothing is known of one.
    if (candidate->write->zeros && std::ranges::count_if(block, [&](const Candidate& one) {
                                     return one.write->zeros && possible(one);
                                   }) != 1) {
      continue;
    }
    candidate->seen_ns = std::min(candidate->seen_ns, now_ns);
    if (std::exchange(candidate->left_by_cut, false)) {
      const std::shared_ptr<Write> write = candidate->write;
      std::erase_if(block,
                    [&](const Candidate& one) { return one.left_by_cut && one.write != write; });
    }
    forget_overtaken(block);
  }
  return "";
}

// ---- Power --------------------------------------------------------------------------------------

void BlockJudge::power_cut(uint64_t now_ns) {
  for (auto& [id, write] : open_) write->end_ns = now_ns;
  open_.clear();
  reads_.clear();
  flushes_.clear();
  not_durable_.clear();
  for (Block& block : blocks_) {
    const uint64_t buried_ns = burying_ns(block);
    std::erase_if(block,
                  [=](const Candidate& candidate) { return candidate.write->end_ns < buried_ns; });
    for (Candidate& candidate : block) {
      // All of them are over, and none is known to be the last.
      candidate.left_by_cut = block.size() > 1;
      candidate.seen_ns = block.size() > 1 ? kNever : now_ns;
    }
  }
}

}  // namespace capsuled::sim
