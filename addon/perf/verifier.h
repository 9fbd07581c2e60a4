/// Verifier: whether what is read is what was written.
///
/// It knows for each logical block of a region which generations it may hold (block_history.h), and
/// fills the blocks that are written so that each word says whose it is (block_pattern.h). A block
/// must hold one generation, in all its words, from the last confirmed to the last issued; anything
/// else is found, to the byte. Nothing is said about blocks that this run never wrote, nor about a
/// block that holds no word of this run as long as no write of it was confirmed: they are counted
/// as unchecked.
///
/// The life of an I/O, in the order of the calls:
///
///   claim(Write) -> begin_write -> end_write
///   claim(Read)  -> check_read  -> release(Read)
///
/// A claim that fails means that the range is in use: wait, or do something else. A claim may be
/// released without more. A write may be ended, with whatever outcome, only when it can no longer
/// reach the medium.
///
/// Memory: 8 bytes for each block, which is 16 MiB for each GiB of a region of 512-byte blocks and
/// 2 MiB for each GiB of 4-KiB blocks, touched as the blocks are. No call but create() allocates.
///
/// One owner, one thread, for each region; regions of one seed may share a namespace if they do not
/// overlap. Invariant: a block in flight is claimed by one write or by reads alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include "base/result.h"
#include "perf/block_history.h"
#include "perf/block_pattern.h"
#include "perf/io_op.h"

namespace capsuled::perf {

struct VerifierOptions {
  /// Another one for each run, so that what an earlier run left is told apart.
  uint64_t seed = 0;
  /// A multiple of 64, at least 128.
  uint32_t block_bytes = 512;
  /// The region.
  uint64_t first_lba = 0;
  uint64_t block_count = 0;
};

enum class WriteOutcome : uint8_t {
  /// The target says that it was done.
  Confirmed,
  /// It failed, or no answer came: each of its blocks may hold it or not.
  Uncertain,
};

/// What is wrong with a block, told by its first wrong word.
enum class MismatchKind : uint8_t {
  /// All zeroes, as if no write had ever reached it.
  NeverWritten,
  /// An earlier generation of this block, the whole of it.
  Stale,
  /// Data that were written to another LBA.
  OtherLba,
  /// Words of this block's writes that do not belong together, or together with zeroes or, before a
  /// write is confirmed, with what was there earlier.
  Torn,
  /// Data of another run: another seed, or a generation that this one has not reached. Or a part of
  /// a block from outside the region, which looks the same.
  OtherRun,
  /// Nothing that was ever written here by any run.
  Foreign,
};

const char* name_of(MismatchKind kind);

struct Mismatch {
  MismatchKind kind = MismatchKind::Foreign;
  /// The block.
  uint64_t lba = 0;
  /// The first wrong byte in it.
  uint32_t byte_offset = 0;
  /// Any generation from the one to the other would have been right; 0 for the first: none is
  /// confirmed.
  uint32_t expected_oldest = 0;
  uint32_t expected_newest = 0;
  /// Whose the first wrong word is, if it can be told; else 0.
  uint32_t found_generation = 0;
  uint64_t found_lba = 0;
  /// The word of 8 bytes with the first wrong byte.
  uint64_t expected_word = 0;
  uint64_t found_word = 0;
};

class Verifier {
 public:
  /// EINVAL if the options break a bound, ENOMEM if there is no memory for the region.
  static Result<Verifier> create(const VerifierOptions& options);

  /// Reserves the range for one I/O. False, and nothing is changed, if another one is in the way: a
  /// write for anything, a read for a write. (Or 65,533 reads for one more.)
  [[nodiscard]] bool claim(IoKind kind, uint64_t lba, uint32_t blocks);

  /// Gives back the claim of a read, checked or not, or of a write that was not begun.
  void release(IoKind kind, uint64_t lba, uint32_t blocks);

  /// Fills `buffer`, of exactly so many blocks, with what is to be written to the claimed range.
  void begin_write(uint64_t lba, uint32_t blocks, std::span<std::byte> buffer);

  /// Ends the write of a range and its claim.
  void end_write(uint64_t lba, uint32_t blocks, WriteOutcome outcome);

  /// The first mismatch in what was read from the claimed range, if any. What comes after it is
  /// neither checked nor counted.
  std::optional<Mismatch> check_read(uint64_t lba, uint32_t blocks,
                                     std::span<const std::byte> buffer);

  /// Blocks that check_read() found right.
  uint64_t checked_blocks() const { return checked_blocks_; }
  /// Blocks of which check_read() could say nothing.
  uint64_t unchecked_blocks() const { return unchecked_blocks_; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  using Histories = std::unique_ptr<BlockHistory[], Free>;

  enum class Verdict : uint8_t { Right, Unknown, Wrong };

  Verifier(const VerifierOptions& options, Histories histories);

  std::span<BlockHistory> histories_of(uint64_t lba, uint32_t blocks);
  Verdict judge(const std::byte* block, uint64_t lba, const BlockHistory& history) const;
  bool has_word_of(const std::byte* block, uint64_t lba, const BlockHistory& history) const;
  uint32_t closest_generation(const std::byte* block, uint64_t lba,
                              const BlockHistory& history) const;
  Mismatch describe(const std::byte* block, uint64_t lba, const BlockHistory& history) const;
  void tell_header(const std::byte* block, size_t index, const BlockHistory& history,
                   Mismatch& mismatch) const;
  void tell_body(const std::byte* block, size_t index, const BlockHistory& history,
                 Mismatch& mismatch) const;
  void tell_own(const std::byte* block, uint32_t generation, const BlockHistory& history,
                Mismatch& mismatch) const;
  bool has_issued(BlockPattern::Writer writer) const;

  BlockPattern pattern_;
  uint32_t block_bytes_;
  uint64_t first_lba_;
  uint64_t block_count_;
  Histories histories_;
  uint64_t checked_blocks_ = 0;
  uint64_t unchecked_blocks_ = 0;
};

}  // namespace capsuled::perf
