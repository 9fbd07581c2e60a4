// BlockJudge: what the blocks of one namespace may hold, as hosts can know it: which writes may
// have happened, and which may not have, or must be over.
//
// Each write gives its blocks a content of its own, so a block that is read names the write that it
// came from. A write takes place at one moment between its start and its end, separately for each
// block; a write whose outcome nobody knows may have taken place or not, and its end is when the
// target has let go of it. A read is right if the write that it names may be the last one that took
// place before some moment between the read's start and its end: if no other write that began when
// that one was over had taken place before the read began.
//
// What a read has shown is known from then on. What a power cut leaves is any of what was not
// overwritten by something durable; which, the next read says.
//
// Knows nothing of the target. Times are the machine's, in ns. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace capsuled::sim {

/// Of a write, over all namespaces and hosts; 0: the blocks as they were made, zeros.
using WriteId = uint64_t;

struct BlockRange {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t end() const { return first + count; }
};

/// The bytes that write `id` gives block `number`.
void fill_block(std::span<std::byte> block, uint64_t number, WriteId id);

class BlockJudge {
 public:
  BlockJudge(uint32_t block_bytes, uint64_t blocks);

  uint32_t block_bytes() const { return block_bytes_; }
  uint64_t blocks() const { return blocks_.size(); }

  /// A write begins. `zeros`: its content is zeros, as that of Write Zeroes.
  void write_begins(WriteId id, BlockRange range, bool zeros, uint64_t now_ns);
  /// It was answered with success, or `durable` besides: with Force Unit Access. Empty, or what is
  /// wrong with that.
  std::string write_succeeded(WriteId id, bool durable, uint64_t now_ns);
  /// It was answered with an error, or never will be: it may have taken place, of each block, up to
  /// now.
  void write_unknown(WriteId id, uint64_t now_ns);
  /// It was refused before it could do anything.
  void write_refused(WriteId id);

  void flush_begins(uint64_t flush, uint64_t now_ns);
  void flush_succeeded(uint64_t flush);
  void flush_failed(uint64_t flush) { flushes_.erase(flush); }

  void read_begins(uint64_t read, uint64_t now_ns);
  void read_failed(uint64_t read);
  /// Empty, or what is wrong with the bytes.
  std::string read_succeeded(uint64_t read, BlockRange range, std::span<const std::byte> bytes,
                             uint64_t now_ns);

  /// All that was under way is over, and what was not durable may be gone.
  void power_cut(uint64_t now_ns);
  /// The blocks from `first` on are gone, and nothing was on its way to them: what begins from now
  /// on and concerns them must not succeed.
  void cut_off(uint64_t first, uint64_t now_ns);
  /// They are there again, as zeros.
  void put_back(uint64_t now_ns);
  /// The blocks are zeros, as they were at first. What is under way may take place now, or have
  /// taken place before; its answers tell nothing.
  void make_anew();

 private:
  static constexpr uint64_t kNever = UINT64_MAX;
  struct Write {
    WriteId id = 0;
    BlockRange range;
    bool zeros = false;
    uint64_t start_ns = 0;
    uint64_t end_ns = kNever;  ///< when it was over, at the latest
    bool succeeded = false;
    bool durable = false;
    bool of_before = false;  ///< it began before the blocks were made anew, or put back
  };
  /// One write that a block may hold.
  struct Candidate {
    std::shared_ptr<Write> write;
    uint64_t seen_ns = kNever;  ///< when it had taken place here at the latest
    bool left_by_cut = false;   ///< one of several that a power cut may have left
  };
  using Block = std::vector<Candidate>;

  void put_zeros(uint64_t first, uint64_t start_ns, uint64_t end_ns);
  template <typename Which>
  static uint64_t last_start_ns(const Block& block, Which which);
  static uint64_t burying_ns(const Block& block);
  static uint64_t overtaking_ns(const Block& block, uint64_t by_ns);
  Candidate* find(Block& block, std::span<const std::byte> bytes, uint64_t number,
                  uint64_t start_ns);
  void forget_overtaken(Block& block);
  uint64_t oldest_read_ns() const;

  const uint32_t block_bytes_;
  std::vector<Block> blocks_;
  uint64_t gone_from_ = kNever;  ///< the first block that was cut off
  uint64_t gone_since_ns_ = 0;
  std::map<WriteId, std::shared_ptr<Write>> open_;
  // When they began. Those from before the blocks were made anew are not there.
  std::map<uint64_t, uint64_t> flushes_;
  std::map<uint64_t, uint64_t> reads_;
  std::vector<std::shared_ptr<Write>> not_durable_;  // succeeded
};

}  // namespace capsuled::sim
