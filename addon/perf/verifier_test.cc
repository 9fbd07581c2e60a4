#include "perf/verifier.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace capsuled::perf {
namespace {

constexpr uint64_t kSeed = 42;
using Bytes = std::vector<std::byte>;
using Writer = BlockPattern::Writer;

Verifier verifier_of(const VerifierOptions& options) {
  Result<Verifier> created = Verifier::create(options);
  REQUIRE(created.ok());
  return std::move(created).value();
}

/// A verifier, and a medium that does what the test says.
class Rig {
 public:
  Rig(uint32_t bytes, uint64_t first, uint64_t count)
      : block_bytes(bytes),
        first_lba(first),
        verifier(verifier_of(
            {.seed = kSeed, .block_bytes = bytes, .first_lba = first, .block_count = count})),
        medium(count * bytes) {}

  std::byte* at(uint64_t lba) { return medium.data() + (lba - first_lba) * block_bytes; }

  /// A write that the medium does.
  void write(uint64_t lba, uint32_t blocks = 1, WriteOutcome outcome = WriteOutcome::Confirmed) {
    const Bytes written = begin(lba, blocks);
    std::memcpy(at(lba), written.data(), written.size());
    verifier.end_write(lba, blocks, outcome);
  }

  /// A write that the medium does not do.
  void lose(uint64_t lba, uint32_t blocks, WriteOutcome outcome) {
    begin(lba, blocks);
    verifier.end_write(lba, blocks, outcome);
  }

  std::optional<Mismatch> read(uint64_t lba, uint32_t blocks = 1) {
    REQUIRE(verifier.claim(IoKind::Read, lba, blocks));
    const auto mismatch = verifier.check_read(lba, blocks, {at(lba), size_t{blocks} * block_bytes});
    verifier.release(IoKind::Read, lba, blocks);
    return mismatch;
  }

  void put(uint64_t lba, const Bytes& block) {
    REQUIRE(block.size() == block_bytes);
    std::memcpy(at(lba), block.data(), block.size());
  }

  Bytes block_of(Writer writer, uint64_t seed = kSeed) const {
    Bytes block(block_bytes);
    BlockPattern(seed, block_bytes).fill(block.data(), writer);
    return block;
  }

  const uint32_t block_bytes;
  const uint64_t first_lba;
  Verifier verifier;
  Bytes medium;

 private:
  Bytes begin(uint64_t lba, uint32_t blocks) {
    REQUIRE(verifier.claim(IoKind::Write, lba, blocks));
    Bytes buffer(size_t{blocks} * block_bytes);
    verifier.begin_write(lba, blocks, buffer);
    return buffer;
  }
};

Bytes random_block(Prng& prng, uint32_t block_bytes) {
  Bytes block(block_bytes);
  for (std::byte& byte : block) byte = static_cast<std::byte>(prng.next());
  return block;
}

/// Some units of `base`, but not all, from `other`.
Bytes torn(Prng& prng, const Bytes& base, const Bytes& other, size_t grain) {
  const size_t unit_count = base.size() / grain;
  REQUIRE(unit_count > 1);
  Bytes block = base;
  const auto take = [&](size_t unit) {
    std::memcpy(block.data() + unit * grain, other.data() + unit * grain, grain);
  };
  switch (prng.below(3)) {
    case 0: {  // from one unit to another
      const size_t count = prng.between(1, unit_count - 1);
      const size_t first = prng.below(unit_count - count + 1);
      for (size_t unit = first; unit < first + count; ++unit) take(unit);
      break;
    }
    case 1:  // one
      take(prng.below(unit_count));
      break;
    default: {  // any, but one stays and one is taken
      const size_t kept = prng.below(unit_count);
      for (size_t unit = 0; unit < unit_count; ++unit) {
        if (unit != kept && prng.chance(1, 2)) take(unit);
      }
      take(kept == 0 ? 1 : 0);
    }
  }
  return block;
}

/// The first byte in which two blocks differ.
uint32_t first_difference(const Bytes& one, const Bytes& other) {
  return static_cast<uint32_t>(std::ranges::mismatch(one, other).in1 - one.begin());
}

TEST_CASE("perf::Verifier: options out of bounds are refused, with what was expected") {
  const auto refused = [](const VerifierOptions& options, int errnum) {
    const Result<Verifier> created = Verifier::create(options);
    REQUIRE_FALSE(created.ok());
    CHECK(created.error().errnum == errnum);
    CHECK(std::string_view(created.error().what).size() > 0);
  };
  refused({.block_bytes = 500, .block_count = 1}, EINVAL);
  refused({.block_bytes = 64, .block_count = 1}, EINVAL);
  refused({.block_count = 0}, EINVAL);
  refused({.first_lba = ~uint64_t{0}, .block_count = 1}, EINVAL);
  CHECK(Verifier::create({.block_count = 1}).ok());
}

TEST_CASE("perf::Verifier: overlapping I/Os are refused, but for reads of what is read") {
  Verifier verifier = verifier_of({.first_lba = 100, .block_count = 100});
  REQUIRE(verifier.claim(IoKind::Write, 110, 10));
  for (const IoKind kind : {IoKind::Read, IoKind::Write}) {
    CHECK_FALSE(verifier.claim(kind, 110, 10));
    CHECK_FALSE(verifier.claim(kind, 101, 10));
    CHECK_FALSE(verifier.claim(kind, 119, 10));
    CHECK_FALSE(verifier.claim(kind, 112, 1));
    CHECK_FALSE(verifier.claim(kind, 100, 100));
  }
  // What was refused has claimed nothing.
  CHECK(verifier.claim(IoKind::Write, 100, 10));
  CHECK(verifier.claim(IoKind::Write, 120, 80));
  verifier.release(IoKind::Write, 110, 10);

  CHECK(verifier.claim(IoKind::Read, 110, 6));
  CHECK(verifier.claim(IoKind::Read, 114, 6));
  CHECK_FALSE(verifier.claim(IoKind::Write, 110, 1));
  verifier.release(IoKind::Read, 110, 6);
  CHECK(verifier.claim(IoKind::Write, 110, 4));
  CHECK_FALSE(verifier.claim(IoKind::Write, 114, 2));
  verifier.release(IoKind::Read, 114, 6);
  CHECK(verifier.claim(IoKind::Write, 114, 6));

  Bytes buffer(6 * 512);
  verifier.begin_write(114, 6, buffer);
  CHECK_FALSE(verifier.claim(IoKind::Read, 119, 1));
  verifier.end_write(114, 6, WriteOutcome::Uncertain);
  CHECK(verifier.claim(IoKind::Read, 119, 1));
}

TEST_CASE("perf::Verifier: what was never written is unchecked, whatever it holds") {
  Rig rig(512, 0, 8);
  Prng prng(1);
  rig.put(1, random_block(prng, 512));
  rig.put(2, rig.block_of({.lba = 2, .generation = 1}));
  rig.put(3, rig.block_of({.lba = 2, .generation = 1}));
  CHECK_FALSE(rig.read(0, 8).has_value());
  CHECK(rig.verifier.unchecked_blocks() == 8);
  rig.write(4, 2);
  CHECK_FALSE(rig.read(0, 8).has_value());
  CHECK(rig.verifier.unchecked_blocks() == 14);
  CHECK(rig.verifier.checked_blocks() == 2);
}

TEST_CASE("perf::Verifier: a mismatch names its block; what comes after it is not counted") {
  Rig rig(4096, 1'000, 16);
  rig.write(1'000, 16);
  Bytes good(rig.at(1'005), rig.at(1'006));
  rig.at(1'005)[1234] ^= std::byte{0x10};
  rig.at(1'009)[0] ^= std::byte{0x10};
  const auto mismatch = rig.read(1'002, 10);
  REQUIRE(mismatch.has_value());
  CHECK(mismatch->lba == 1'005);
  CHECK(mismatch->byte_offset == 1234);
  CHECK(mismatch->kind == MismatchKind::Foreign);
  CHECK(mismatch->expected_oldest == 1);
  CHECK(mismatch->expected_newest == 1);
  CHECK(mismatch->expected_word == BlockPattern::load(good.data(), 1234 / 8));
  CHECK(mismatch->found_word == BlockPattern::load(rig.at(1'005), 1234 / 8));
  CHECK(rig.verifier.checked_blocks() == 3);
  CHECK(rig.verifier.unchecked_blocks() == 0);
}

TEST_CASE("perf::Verifier: a lost write is found, and after an uncertain one both are right") {
  Rig rig(512, 0, 4);
  rig.write(0, 4);
  rig.lose(1, 1, WriteOutcome::Confirmed);
  const auto mismatch = rig.read(0, 4);
  REQUIRE(mismatch.has_value());
  CHECK(mismatch->kind == MismatchKind::Stale);
  CHECK(mismatch->lba == 1);
  CHECK(mismatch->expected_oldest == 2);
  CHECK(mismatch->found_generation == 1);
  CHECK(mismatch->found_lba == 1);

  rig.lose(2, 1, WriteOutcome::Uncertain);
  CHECK_FALSE(rig.read(2).has_value());
  rig.write(2, 1, WriteOutcome::Uncertain);
  CHECK_FALSE(rig.read(2).has_value());
  const Bytes uncertain(rig.at(2), rig.at(3));
  rig.write(2);
  CHECK_FALSE(rig.read(2).has_value());
  rig.put(2, uncertain);
  REQUIRE(rig.read(2).has_value());
  CHECK(rig.read(2)->kind == MismatchKind::Stale);
  CHECK(rig.read(2)->found_generation == 3);
}

TEST_CASE("perf::Verifier: each kind of mismatch has its name") {
  for (const auto kind : {MismatchKind::NeverWritten, MismatchKind::Stale, MismatchKind::OtherLba,
                          MismatchKind::Torn, MismatchKind::OtherRun, MismatchKind::Foreign}) {
    CHECK(std::string_view(name_of(kind)).size() > 0);
  }
}

/// One I/O in flight of the property below.
struct Flight {
  IoOp op;
  Bytes buffer;
};

/// What may be on a medium before the run.
void put_anything(Rig& rig, Prng& prng, uint64_t lba) {
  const auto generation = static_cast<uint32_t>(prng.between(1, 6));
  switch (prng.below(5)) {
    case 0: break;  // zeroes
    case 1: rig.put(lba, random_block(prng, rig.block_bytes)); break;
    case 2: rig.put(lba, rig.block_of({.lba = lba, .generation = generation})); break;
    case 3: rig.put(lba, rig.block_of({.lba = lba, .generation = generation}, kSeed + 1)); break;
    default: rig.put(lba, rig.block_of({.lba = lba ^ 1, .generation = generation}));
  }
}

void run_correct_history(Rig& rig, Prng& prng, uint64_t block_count, int turns) {
  std::vector<bool> known(block_count);
  std::vector<Flight> flights;
  for (int turn = 0; turn < turns; ++turn) {
    if (flights.size() < 8 && prng.chance(1, 2)) {
      const auto blocks = static_cast<uint32_t>(prng.between(1, 5));
      const IoOp op = {.kind = prng.chance(1, 2) ? IoKind::Read : IoKind::Write,
                       .blocks = blocks,
                       .lba = rig.first_lba + prng.below(block_count - blocks + 1)};
      if (!rig.verifier.claim(op.kind, op.lba, op.blocks)) continue;
      flights.push_back({op, Bytes(size_t{blocks} * rig.block_bytes)});
      if (op.kind == IoKind::Write) {
        rig.verifier.begin_write(op.lba, op.blocks, flights.back().buffer);
      }
      continue;
    }
    if (flights.empty()) continue;
    std::swap(flights[prng.below(flights.size())], flights.back());
    const auto [op, buffer] = std::move(flights.back());
    flights.pop_back();
    const size_t first = op.lba - rig.first_lba;
    if (op.kind == IoKind::Read) {
      const uint64_t checked = rig.verifier.checked_blocks();
      const uint64_t seen = checked + rig.verifier.unchecked_blocks();
      const auto mismatch =
          rig.verifier.check_read(op.lba, op.blocks, {rig.at(op.lba), buffer.size()});
      REQUIRE_FALSE(mismatch.has_value());
      rig.verifier.release(IoKind::Read, op.lba, op.blocks);
      const auto sure =
          std::count(known.begin() + static_cast<std::ptrdiff_t>(first),
                     known.begin() + static_cast<std::ptrdiff_t>(first + op.blocks), true);
      REQUIRE(rig.verifier.checked_blocks() - checked >= static_cast<uint64_t>(sure));
      REQUIRE(rig.verifier.checked_blocks() + rig.verifier.unchecked_blocks() - seen == op.blocks);
      continue;
    }
    const bool fails = prng.chance(1, 3);
    for (uint32_t index = 0; index < op.blocks; ++index) {
      if (fails && prng.chance(1, 2)) continue;  // this block was not reached
      std::memcpy(rig.at(op.lba + index), buffer.data() + size_t{index} * rig.block_bytes,
                  rig.block_bytes);
    }
    rig.verifier.end_write(op.lba, op.blocks,
                           fails ? WriteOutcome::Uncertain : WriteOutcome::Confirmed);
    if (!fails) std::fill_n(known.begin() + static_cast<std::ptrdiff_t>(first), op.blocks, true);
  }
}

TEST_CASE("perf::Verifier: a right history is never called wrong, failed writes or not") {
  Prng prng(3);
  for (int run = 0; run < 60; ++run) {
    const uint64_t block_count = prng.between(5, 40);
    const uint64_t first_lba = std::array<uint64_t, 3>{0, 12'345, 0xffff'fff8}[prng.below(3)];
    Rig rig(prng.chance(1, 2) ? 512 : 4096, first_lba, block_count);
    for (uint64_t lba = first_lba; lba < first_lba + block_count; ++lba) {
      put_anything(rig, prng, lba);
    }
    run_correct_history(rig, prng, block_count, 2'000);
    CHECK(rig.verifier.checked_blocks() > 0);
  }
}

/// A block with some confirmed and then some uncertain writes, and what it may hold.
struct Written {
  uint64_t lba;
  uint32_t oldest;
  uint32_t newest;
};

Written write_some(Rig& rig, Prng& prng, uint64_t lba, uint32_t confirmed, uint32_t uncertain) {
  for (uint32_t turn = 0; turn < confirmed; ++turn) {
    if (prng.chance(1, 4)) {
      rig.lose(lba, 1, WriteOutcome::Uncertain);
      ++turn;
    }
    rig.write(lba);
  }
  Written written = {.lba = lba, .oldest = 0, .newest = 0};
  if (confirmed > 0) {
    written.oldest = static_cast<uint32_t>(BlockPattern::load(rig.at(lba), 0));
  }
  written.newest = written.oldest + uncertain;
  for (uint32_t turn = 0; turn < uncertain; ++turn) {
    rig.lose(lba, 1, WriteOutcome::Uncertain);
  }
  return written;
}

/// The damage is found in that block, with what was expected there.
Mismatch found(Rig& rig, const Written& written) {
  const auto mismatch = rig.read(written.lba);
  REQUIRE(mismatch.has_value());
  CHECK(mismatch->lba == written.lba);
  CHECK(mismatch->expected_oldest == written.oldest);
  CHECK(mismatch->expected_newest == written.newest);
  CHECK(mismatch->expected_word != mismatch->found_word);
  CHECK(BlockPattern::load(rig.at(written.lba), mismatch->byte_offset / 8) == mismatch->found_word);
  return *mismatch;
}

constexpr int kRuns = 3'000;
constexpr uint64_t kBlocks = 16;

/// Calls `damage(rig, prng, written)` with many blocks; up to `uncertain_max` writes are uncertain.
template <typename Damage>
void for_many(uint64_t seed, uint32_t uncertain_max, Damage damage) {
  Prng prng(seed);
  for (int run = 0; run < kRuns; ++run) {
    const uint64_t first_lba = prng.chance(1, 2) ? 77 : 0xffff'fff8;
    Rig rig(std::array<uint32_t, 3>{512, 576, 4096}[prng.below(3)], first_lba, kBlocks);
    const Written written = write_some(rig, prng, first_lba + prng.below(kBlocks),
                                       static_cast<uint32_t>(prng.between(1, 6)),
                                       static_cast<uint32_t>(prng.between(0, uncertain_max)));
    CAPTURE(run);
    damage(rig, prng, written);
  }
}

TEST_CASE("perf::Verifier: accepted generations are accepted, older ones are stale") {
  for_many(10, 4, [](Rig& rig, Prng&, const Written& written) {
    for (uint32_t generation = 1; generation <= written.newest; ++generation) {
      rig.put(written.lba, rig.block_of({.lba = written.lba, .generation = generation}));
      if (generation >= written.oldest) {
        REQUIRE_FALSE(rig.read(written.lba).has_value());
        continue;
      }
      const Mismatch mismatch = found(rig, written);
      REQUIRE(mismatch.kind == MismatchKind::Stale);
      REQUIRE(mismatch.found_generation == generation);
      REQUIRE(mismatch.found_lba == written.lba);
    }
  });
}

TEST_CASE("perf::Verifier: blocks torn between generations are found at any grain") {
  for_many(11, 4, [](Rig& rig, Prng& prng, const Written& written) {
    if (written.newest < 2) return;
    const auto one = static_cast<uint32_t>(prng.between(1, written.newest));
    uint32_t other = one;
    while (other == one) other = static_cast<uint32_t>(prng.between(1, written.newest));
    const Bytes base = rig.block_of({.lba = written.lba, .generation = one});
    const Bytes from = rig.block_of({.lba = written.lba, .generation = other});
    const bool in_sectors = rig.block_bytes % 512 == 0 && rig.block_bytes > 512;
    const size_t grain = in_sectors && prng.chance(1, 2) ? 512 : 8;
    rig.put(written.lba, torn(prng, base, from, grain));
    const Mismatch mismatch = found(rig, written);
    REQUIRE(mismatch.kind == MismatchKind::Torn);
    REQUIRE(mismatch.found_lba == written.lba);
    REQUIRE((mismatch.found_generation == one || mismatch.found_generation == other));
    if (written.oldest == written.newest) {
      const Bytes right = rig.block_of({.lba = written.lba, .generation = written.newest});
      const Bytes wrong(rig.at(written.lba), rig.at(written.lba) + rig.block_bytes);
      REQUIRE(mismatch.byte_offset == first_difference(right, wrong));
    }
  });
}

TEST_CASE("perf::Verifier: misplaced blocks and parts of them are found, with their LBA") {
  for_many(12, 2, [](Rig& rig, Prng& prng, const Written& written) {
    uint64_t other = written.lba;
    while (other == written.lba) other = rig.first_lba + prng.below(kBlocks);
    if ((other ^ written.lba) >> 32 != 0) return;  // told by the header alone; see below
    const Bytes right = rig.block_of({.lba = written.lba, .generation = written.newest});
    const auto generation = static_cast<uint32_t>(prng.between(1, 3));
    for (uint32_t turn = 0; turn < generation; ++turn) rig.write(other);
    const Bytes misplaced(rig.at(other), rig.at(other) + rig.block_bytes);
    const bool whole = prng.chance(1, 2);
    Bytes block = misplaced;
    if (!whole) {
      // From some word of the body to the end.
      const size_t kept = prng.between(4, rig.block_bytes / 8 - 1) * 8;
      std::memcpy(block.data(), right.data(), kept);
    }
    rig.put(written.lba, block);
    const Mismatch mismatch = found(rig, written);
    REQUIRE(mismatch.kind == MismatchKind::OtherLba);
    REQUIRE(mismatch.found_lba == other);
    REQUIRE(mismatch.found_generation == generation);
    REQUIRE(mismatch.byte_offset == first_difference(right, block));
  });
}

TEST_CASE("perf::Verifier: data of LBAs outside the region are told, too") {
  for (const uint64_t other : {uint64_t{5'000}, (uint64_t{1} << 32) + 3}) {
    Rig rig(512, 0, 8);
    rig.write(3);
    const Bytes right(rig.at(3), rig.at(4));
    const Bytes misplaced = rig.block_of({.lba = other, .generation = 9});
    rig.put(3, misplaced);
    Mismatch mismatch = found(rig, {.lba = 3, .oldest = 1, .newest = 1});
    CHECK(mismatch.kind == MismatchKind::OtherLba);
    CHECK(mismatch.found_lba == other);
    CHECK(mismatch.found_generation == 9);
    Bytes half = right;
    std::memcpy(half.data() + 256, misplaced.data() + 256, 256);
    rig.put(3, half);
    mismatch = found(rig, {.lba = 3, .oldest = 1, .newest = 1});
    CHECK(mismatch.byte_offset / 8 == 256 / 8);
    CHECK(mismatch.kind == MismatchKind::OtherRun);
    CHECK(mismatch.found_generation == 0);
  }
}

TEST_CASE("perf::Verifier: any changed byte is found, at its place") {
  for_many(13, 0, [](Rig& rig, Prng& prng, const Written& written) {
    const auto offset = static_cast<uint32_t>(prng.below(rig.block_bytes));
    rig.at(written.lba)[offset] ^= static_cast<std::byte>(prng.between(1, 255));
    REQUIRE(found(rig, written).byte_offset == offset);
  });
  for_many(14, 4, [](Rig& rig, Prng& prng, const Written& written) {
    const auto offset = static_cast<uint32_t>(prng.between(32, rig.block_bytes - 1));
    const auto generation = static_cast<uint32_t>(prng.between(written.oldest, written.newest));
    rig.put(written.lba, rig.block_of({.lba = written.lba, .generation = generation}));
    rig.at(written.lba)[offset] ^= static_cast<std::byte>(prng.between(1, 255));
    REQUIRE(found(rig, written).byte_offset == offset);
  });
}

TEST_CASE("perf::Verifier: zeroes, another run's data and foreign data are told apart") {
  for_many(15, 2, [](Rig& rig, Prng& prng, const Written& written) {
    const Bytes zeroes(rig.block_bytes);
    const Bytes right = rig.block_of({.lba = written.lba, .generation = written.newest});
    rig.put(written.lba, zeroes);
    REQUIRE(found(rig, written).kind == MismatchKind::NeverWritten);
    rig.put(written.lba, torn(prng, right, zeroes, 8));
    REQUIRE(found(rig, written).kind == MismatchKind::Torn);

    rig.put(written.lba, random_block(prng, rig.block_bytes));
    Mismatch mismatch = found(rig, written);
    REQUIRE(mismatch.kind == MismatchKind::Foreign);
    REQUIRE(mismatch.found_generation == 0);

    const Writer writer = {.lba = written.lba, .generation = 3};
    rig.put(written.lba, rig.block_of(writer, kSeed + 1));
    mismatch = found(rig, written);
    REQUIRE(mismatch.kind == MismatchKind::OtherRun);
    REQUIRE(mismatch.found_generation == 3);

    const Writer later = {.lba = written.lba, .generation = written.newest + 1};
    rig.put(written.lba, rig.block_of(later));
    mismatch = found(rig, written);
    REQUIRE(mismatch.kind == MismatchKind::OtherRun);
    REQUIRE(mismatch.found_generation == later.generation);
  });
}

TEST_CASE("perf::Verifier: bytes in the wrong order or place within the block are found") {
  for_many(16, 2, [](Rig& rig, Prng& prng, const Written& written) {
    Bytes block = rig.block_of({.lba = written.lba, .generation = written.newest});
    const size_t grain = prng.chance(1, 2) ? 8 : 64;
    const size_t count = block.size() / grain;
    if (prng.chance(1, 2)) {
      const auto shift = static_cast<std::ptrdiff_t>(prng.between(1, count - 1) * grain);
      std::rotate(block.begin(), block.begin() + shift, block.end());
    } else {
      const auto one = static_cast<std::ptrdiff_t>(prng.between(0, count / 2 - 1) * grain);
      const auto other = static_cast<std::ptrdiff_t>(prng.between(count / 2, count - 1) * grain);
      std::swap_ranges(block.begin() + one, block.begin() + one + static_cast<ptrdiff_t>(grain),
                       block.begin() + other);
    }
    rig.put(written.lba, block);
    found(rig, written);
  });
}

TEST_CASE("perf::Verifier: before a write is confirmed, mixtures with what was there are torn") {
  Prng prng(17);
  int mixed = 0;
  for (int run = 0; run < kRuns; ++run) {
    Rig rig(512, 77, kBlocks);
    const uint64_t lba = 77 + prng.below(kBlocks);
    put_anything(rig, prng, lba);
    const Bytes before(rig.at(lba), rig.at(lba) + 512);
    const Written written = write_some(rig, prng, lba, 0, 3);
    CAPTURE(run);
    // It may hold what was there before, or any of the three.
    const uint64_t unchecked = rig.verifier.unchecked_blocks();
    REQUIRE_FALSE(rig.read(lba).has_value());
    for (uint32_t generation = 1; generation <= 3; ++generation) {
      rig.put(lba, rig.block_of({.lba = lba, .generation = generation}));
      REQUIRE_FALSE(rig.read(lba).has_value());
    }
    REQUIRE(rig.verifier.unchecked_blocks() - unchecked <= 1);

    const auto generation = static_cast<uint32_t>(prng.between(1, 3));
    const Bytes after = rig.block_of({.lba = lba, .generation = generation});
    const Bytes block = torn(prng, after, before, 8);
    // Some words may have been the same before.
    if (block == after || block == before) continue;
    ++mixed;
    rig.put(lba, block);
    REQUIRE(found(rig, written).kind == MismatchKind::Torn);
  }
  CHECK(mixed > kRuns / 2);
}

}  // namespace
}  // namespace capsuled::perf
