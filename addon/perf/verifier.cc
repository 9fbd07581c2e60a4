#include "perf/verifier.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <type_traits>
#include <utility>

namespace capsuled::perf {

// calloc() makes the histories: zeroes are the state to start from, and what has no constructor to
// run is there as soon as its memory is.
static_assert(std::is_trivially_copyable_v<BlockHistory>);
static_assert(std::is_trivially_destructible_v<BlockHistory>);

namespace {

const char* problem_of(const VerifierOptions& options) {
  if (options.block_bytes % 64 != 0 || options.block_bytes < 128) {
    return "expected `block_bytes` to be a multiple of 64, at least 128";
  }
  if (options.block_count == 0) return "expected a region of at least one block";
  if (options.block_count > ~uint64_t{0} - options.first_lba) {
    return "expected a region that ends before LBA 2^64";
  }
  return nullptr;
}

bool is_zero(const std::byte* block, size_t word_count) {
  for (size_t index = 0; index < word_count; ++index) {
    if (BlockPattern::load(block, index) != 0) return false;
  }
  return true;
}

}  // namespace

const char* name_of(MismatchKind kind) {
  switch (kind) {
    case MismatchKind::NeverWritten: return "never written";
    case MismatchKind::Stale: return "stale";
    case MismatchKind::OtherLba: return "other LBA";
    case MismatchKind::Torn: return "torn";
    case MismatchKind::OtherRun: return "other run";
    case MismatchKind::Foreign: return "foreign";
  }
  UNREACHABLE();
}

Result<Verifier> Verifier::create(const VerifierOptions& options) {
  const char* const problem = problem_of(options);
  if (problem != nullptr) return Error{EINVAL, problem};
  void* const memory = std::calloc(options.block_count, sizeof(BlockHistory));
  if (memory == nullptr) return Error{ENOMEM, "allocate 8 bytes for each block of the region"};
  return Verifier(options, Histories(static_cast<BlockHistory*>(memory)));
}

Verifier::Verifier(const VerifierOptions& options, Histories histories)
    : pattern_(options.seed, options.block_bytes),
      block_bytes_(options.block_bytes),
      first_lba_(options.first_lba),
      block_count_(options.block_count),
      histories_(std::move(histories)) {}

bool Verifier::claim(IoKind kind, uint64_t lba, uint32_t blocks) {
  const std::span<BlockHistory> histories = histories_of(lba, blocks);
  if (kind == IoKind::Read) {
    if (!std::ranges::all_of(histories, &BlockHistory::can_claim_read)) return false;
    for (BlockHistory& history : histories) history.claim_read();
  } else {
    if (!std::ranges::all_of(histories, &BlockHistory::can_claim_write)) return false;
    for (BlockHistory& history : histories) history.claim_write();
  }
  return true;
}

void Verifier::release(IoKind kind, uint64_t lba, uint32_t blocks) {
  for (BlockHistory& history : histories_of(lba, blocks)) {
    if (kind == IoKind::Read) {
      history.release_read();
    } else {
      history.release_write();
    }
  }
}

void Verifier::begin_write(uint64_t lba, uint32_t blocks, std::span<std::byte> buffer) {
  ASSERT(buffer.size() == uint64_t{blocks} * block_bytes_);
  std::byte* block = buffer.data();
  for (BlockHistory& history : histories_of(lba, blocks)) {
    pattern_.fill(block, {.lba = lba, .generation = history.begin_write()});
    block += block_bytes_;
    ++lba;
  }
}

void Verifier::end_write(uint64_t lba, uint32_t blocks, WriteOutcome outcome) {
  for (BlockHistory& history : histories_of(lba, blocks)) {
    if (outcome == WriteOutcome::Confirmed) {
      history.confirm_write();
    } else {
      history.doubt_write();
    }
  }
}

std::optional<Mismatch> Verifier::check_read(uint64_t lba, uint32_t blocks,
                                             std::span<const std::byte> buffer) {
  ASSERT(buffer.size() == uint64_t{blocks} * block_bytes_);
  const std::byte* block = buffer.data();
  for (const BlockHistory& history : histories_of(lba, blocks)) {
    ASSERT(history.is_read());
    switch (judge(block, lba, history)) {
      case Verdict::Right: ++checked_blocks_; break;
      case Verdict::Unknown: ++unchecked_blocks_; break;
      case Verdict::Wrong: return describe(block, lba, history);
    }
    block += block_bytes_;
    ++lba;
  }
  return std::nullopt;
}

std::span<BlockHistory> Verifier::histories_of(uint64_t lba, uint32_t blocks) {
  ASSERT(lba >= first_lba_ && lba - first_lba_ <= block_count_);
  ASSERT(blocks >= 1 && blocks <= block_count_ - (lba - first_lba_));
  return {histories_.get() + (lba - first_lba_), blocks};
}

Verifier::Verdict Verifier::judge(const std::byte* block, uint64_t lba,
                                  const BlockHistory& history) const {
  if (history.newest() == 0) return Verdict::Unknown;
  const std::optional<uint32_t> generation = BlockPattern::first_word_generation(block);
  if (generation.has_value() && history.accepts(*generation) &&
      pattern_.matches(block, {.lba = lba, .generation = *generation})) {
    return Verdict::Right;
  }
  if (history.is_known() || has_word_of(block, lba, history)) return Verdict::Wrong;
  return Verdict::Unknown;
}

/// Whether any word of the block comes from one of this run's writes of it.
bool Verifier::has_word_of(const std::byte* block, uint64_t lba,
                           const BlockHistory& history) const {
  // Most of a header is the same for every seed and LBA: the whole header of another one has no
  // word of ours.
  const std::optional<BlockPattern::Header> header = BlockPattern::header_of(block);
  const bool is_other =
      header.has_value() && (header->seed_tag != pattern_.seed_tag() || header->writer.lba != lba);
  for (size_t index = is_other ? BlockPattern::kHeaderWords : 0; index < pattern_.word_count();
       ++index) {
    const uint64_t word = BlockPattern::load(block, index);
    const uint32_t generation = index < BlockPattern::kHeaderWords
                                    ? static_cast<uint32_t>(word)
                                    : pattern_.writer_of(word, index, lba).generation;
    if (history.issued(generation) &&
        pattern_.word(index, {.lba = lba, .generation = generation}) == word) {
      return true;
    }
  }
  return false;
}

/// The generation that a wrong block is compared with: the one that its header tells, if it may.
uint32_t Verifier::closest_generation(const std::byte* block, uint64_t lba,
                                      const BlockHistory& history) const {
  const std::optional<BlockPattern::Header> header = BlockPattern::header_of(block);
  const bool is_ours = header.has_value() && header->seed_tag == pattern_.seed_tag() &&
                       header->writer.lba == lba && history.accepts(header->writer.generation);
  return is_ours ? header->writer.generation : history.newest();
}

Mismatch Verifier::describe(const std::byte* block, uint64_t lba,
                            const BlockHistory& history) const {
  const BlockPattern::Writer expected = {.lba = lba,
                                         .generation = closest_generation(block, lba, history)};
  size_t index = 0;
  while (BlockPattern::load(block, index) == pattern_.word(index, expected)) ++index;
  ASSERT(index < pattern_.word_count());

  Mismatch mismatch;
  mismatch.lba = lba;
  mismatch.expected_oldest = history.oldest();
  mismatch.expected_newest = history.newest();
  mismatch.expected_word = pattern_.word(index, expected);
  mismatch.found_word = BlockPattern::load(block, index);
  const int wrong_bit = std::countr_zero(mismatch.expected_word ^ mismatch.found_word);
  mismatch.byte_offset = static_cast<uint32_t>(index * 8) + static_cast<uint32_t>(wrong_bit / 8);

  if (mismatch.found_word == 0) {
    mismatch.kind =
        is_zero(block, pattern_.word_count()) ? MismatchKind::NeverWritten : MismatchKind::Torn;
  } else if (index < BlockPattern::kHeaderWords) {
    tell_header(block, index, history, mismatch);
  } else {
    tell_body(block, index, history, mismatch);
  }
  // Before a write is confirmed only a mixture is wrong, whatever else it is a mixture with.
  if (!history.is_known()) mismatch.kind = MismatchKind::Torn;
  return mismatch;
}

void Verifier::tell_header(const std::byte* block, size_t index, const BlockHistory& history,
                           Mismatch& mismatch) const {
  const std::optional<BlockPattern::Header> header = BlockPattern::header_of(block);
  if (header.has_value()) {
    mismatch.found_lba = header->writer.lba;
    mismatch.found_generation = header->writer.generation;
    if (header->seed_tag != pattern_.seed_tag()) {
      mismatch.kind = MismatchKind::OtherRun;
    } else if (header->writer.lba != mismatch.lba) {
      mismatch.kind = MismatchKind::OtherLba;
    } else {
      tell_own(block, header->writer.generation, history, mismatch);
    }
    return;
  }
  // A header that is torn itself.
  const auto generation = static_cast<uint32_t>(mismatch.found_word);
  const BlockPattern::Writer writer = {.lba = mismatch.lba, .generation = generation};
  if (history.issued(generation) && pattern_.word(index, writer) == mismatch.found_word) {
    mismatch.kind = MismatchKind::Torn;
    mismatch.found_lba = writer.lba;
    mismatch.found_generation = generation;
  }
}

/// Any word has some writer by its arithmetic. It is believed if this run did write that.
void Verifier::tell_body(const std::byte* block, size_t index, const BlockHistory& history,
                         Mismatch& mismatch) const {
  const BlockPattern::Writer writer = pattern_.writer_of(mismatch.found_word, index, mismatch.lba);
  if (has_issued(writer)) {
    mismatch.found_lba = writer.lba;
    mismatch.found_generation = writer.generation;
    if (writer.lba == mismatch.lba) {
      tell_own(block, writer.generation, history, mismatch);
    } else {
      mismatch.kind = MismatchKind::OtherLba;
    }
    return;
  }
  // Two words side by side with one writer are of one block, but whose it is depends on a seed and
  // an upper half that need not be ours.
  const size_t beside = index + 1 < pattern_.word_count() ? index + 1 : index - 1;
  if (pattern_.writer_of(BlockPattern::load(block, beside), beside, mismatch.lba) == writer) {
    mismatch.kind = MismatchKind::OtherRun;
  }
}

/// The word is of this seed and LBA.
void Verifier::tell_own(const std::byte* block, uint32_t generation, const BlockHistory& history,
                        Mismatch& mismatch) const {
  if (!history.issued(generation)) {
    mismatch.kind = MismatchKind::OtherRun;
  } else if (pattern_.matches(block, {.lba = mismatch.lba, .generation = generation})) {
    mismatch.kind = MismatchKind::Stale;
  } else {
    mismatch.kind = MismatchKind::Torn;
  }
}

bool Verifier::has_issued(BlockPattern::Writer writer) const {
  return writer.lba >= first_lba_ && writer.lba - first_lba_ < block_count_ &&
         histories_[writer.lba - first_lba_].issued(writer.generation);
}

}  // namespace capsuled::perf
