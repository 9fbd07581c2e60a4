#include "sim/block_judge.h"

#include <doctest/doctest.h>

#include <vector>

namespace capsuled::sim {
namespace {

constexpr uint32_t kBlock = 64;

struct Court {
  BlockJudge judge{kBlock, 4};
  uint64_t now_ns = 100;
  uint64_t read_next = 1;

  void begin(WriteId id, bool zeros = false) { judge.write_begins(id, {0, 1}, zeros, ++now_ns); }
  bool succeed(WriteId id, bool durable = false) {
    return judge.write_succeeded(id, durable, ++now_ns).empty();
  }
  void write(WriteId id, bool durable = false) {
    begin(id);
    succeed(id, durable);
  }
  static std::vector<std::byte> block_of(WriteId id) {
    std::vector<std::byte> block(kBlock);
    if (id != 0) fill_block(block, 0, id);
    return block;
  }
  uint64_t begin_read() {
    judge.read_begins(read_next, ++now_ns);
    return read_next++;
  }
  bool end_read(uint64_t read, WriteId id) {
    return judge.read_succeeded(read, {0, 1}, block_of(id), ++now_ns).empty();
  }
  /// Whether a read may give the content of `id` now.
  bool read(WriteId id) { return end_read(begin_read(), id); }
};

}  // namespace

TEST_CASE("judge: the last write is read, and nothing else") {
  Court court;
  CHECK(court.read(0));
  court.write(1);
  CHECK(court.read(1));
  CHECK(!court.read(0));
  court.write(2);
  CHECK(!court.read(1));
  CHECK(court.read(2));
  CHECK(!court.read(3));  // never written
}

TEST_CASE("judge: torn and misplaced blocks are found") {
  Court court;
  court.write(1);
  auto torn = Court::block_of(1);
  torn.back() ^= std::byte{1};
  const uint64_t read = court.begin_read();
  CHECK(!court.judge.read_succeeded(read, {0, 1}, torn, 1000).empty());
  std::vector<std::byte> misplaced(kBlock);
  fill_block(misplaced, 1, 1);
  const uint64_t other = court.begin_read();
  CHECK(!court.judge.read_succeeded(other, {0, 1}, misplaced, 1000).empty());
}

TEST_CASE("judge: a write that is under way may be read or not, and once read it stays") {
  Court court;
  court.write(1);
  court.begin(2);
  CHECK(court.read(1));
  CHECK(court.read(2));
  CHECK(!court.read(1));
  court.succeed(2);
  CHECK(court.read(2));
}

TEST_CASE("judge: of writes that overlap in time either may be the last") {
  Court court;
  court.begin(1);
  court.begin(2);
  court.succeed(1);
  court.succeed(2);
  SUBCASE("the first") { CHECK(court.read(1)); }
  SUBCASE("the second") { CHECK(court.read(2)); }
  SUBCASE("not what was before") { CHECK(!court.read(0)); }
}

TEST_CASE(
    "judge: a write of unknown outcome may take place until it is over, and not behind that") {
  Court court;
  court.begin(1);
  court.write(2);
  court.judge.write_unknown(1, ++court.now_ns);
  SUBCASE("it may be the last") { CHECK(court.read(1)); }
  SUBCASE("or not") { CHECK(court.read(2)); }
  SUBCASE("what comes later is behind it") {
    court.write(3);
    CHECK(!court.read(1));
    CHECK(!court.read(2));
    CHECK(court.read(3));
  }
}

TEST_CASE("judge: a read may give what was there when it began") {
  Court court;
  court.write(1);
  const uint64_t early = court.begin_read();
  court.write(2);
  const uint64_t late = court.begin_read();
  CHECK(court.end_read(early, 1));
  CHECK(!court.end_read(late, 1));
}

TEST_CASE("judge: what was refused did nothing") {
  Court court;
  court.write(1);
  court.begin(2);
  court.judge.write_refused(2);
  CHECK(!court.read(2));
  CHECK(court.read(1));
}

TEST_CASE("judge: zeros of several writes are not told apart") {
  Court court;
  court.write(1);
  court.begin(2, true);
  CHECK(court.read(0));
  CHECK(!court.read(1));
  court.succeed(2);
  CHECK(court.read(0));
}

TEST_CASE("judge: a power cut takes what was not durable, and nothing else") {
  Court court;
  court.write(1, true);
  court.write(2);
  court.write(3);
  SUBCASE("nothing was flushed: any of them") {
    court.judge.power_cut(++court.now_ns);
    SUBCASE("the durable one") { CHECK(court.read(1)); }
    SUBCASE("one between") { CHECK(court.read(2)); }
    SUBCASE("the last") { CHECK(court.read(3)); }
    SUBCASE("not what was there before") { CHECK(!court.read(0)); }
    SUBCASE("and it stays what it was read as") {
      CHECK(court.read(2));
      CHECK(!court.read(3));
      CHECK(court.read(2));
    }
  }
  SUBCASE("a flush that succeeded") {
    court.judge.flush_begins(1, ++court.now_ns);
    court.judge.flush_succeeded(1);
    court.judge.power_cut(++court.now_ns);
    CHECK(!court.read(2));
    CHECK(court.read(3));
  }
  SUBCASE("a flush that began before the write had ended says nothing of it") {
    court.begin(4);
    court.judge.flush_begins(1, ++court.now_ns);
    court.succeed(4);
    court.judge.flush_succeeded(1);
    court.judge.power_cut(++court.now_ns);
    CHECK(court.read(3));
  }
  SUBCASE("a flush that was not answered says nothing") {
    court.judge.flush_begins(1, ++court.now_ns);
    court.judge.power_cut(++court.now_ns);
    CHECK(court.read(1));
  }
}

TEST_CASE("judge: blocks that are made anew are zeros, but for what is under way") {
  Court court;
  court.write(1, true);
  court.begin(2);
  const uint64_t early = court.begin_read();
  court.judge.make_anew();
  CHECK(court.end_read(early, 1));  // of before: nobody can say
  SUBCASE("zeros") {
    CHECK(court.read(0));
    CHECK(!court.read(1));
  }
  SUBCASE("a write under way takes place now") {
    CHECK(court.read(2));
    CHECK(!court.read(0));
    court.succeed(2);
    CHECK(court.read(2));
  }
  SUBCASE("or had taken place before") {
    court.succeed(2);
    CHECK(court.read(0));
  }
  SUBCASE("and what comes later is what is there") {
    court.succeed(2);
    court.write(3);
    CHECK(!court.read(0));
    CHECK(court.read(3));
  }
}

TEST_CASE("judge: what was cut off is neither read nor written, and comes back as zeros") {
  Court court;
  court.write(1);
  const uint64_t before = court.begin_read();
  court.judge.cut_off(0, ++court.now_ns);
  CHECK(court.end_read(before, 1));
  CHECK(!court.read(1));
  CHECK(!court.read(0));
  court.begin(2);
  CHECK(!court.succeed(2));
  court.begin(3);
  court.judge.write_unknown(3, ++court.now_ns);
  court.judge.put_back(++court.now_ns);
  CHECK(!court.read(1));
  SUBCASE("zeros") { CHECK(court.read(0)); }
  SUBCASE("or what may have come later") { CHECK(court.read(3)); }
}

TEST_CASE("judge: a write whose answer comes late may have been cut off, or not") {
  Court court;
  court.begin(1);
  court.judge.cut_off(0, ++court.now_ns);
  court.judge.put_back(++court.now_ns);
  CHECK(court.succeed(1));
  SUBCASE("cut off") { CHECK(court.read(0)); }
  SUBCASE("not") { CHECK(court.read(1)); }
}

TEST_CASE("judge: what was durable may have been cut off before it was answered") {
  Court court;
  court.begin(1);
  court.judge.cut_off(0, ++court.now_ns);
  CHECK(court.succeed(1, true));
  court.judge.put_back(++court.now_ns);
  court.judge.power_cut(++court.now_ns);
  SUBCASE("cut off") { CHECK(court.read(0)); }
  SUBCASE("not") { CHECK(court.read(1)); }
}

TEST_CASE("judge: what is before the cut is as it was") {
  Court court;
  court.write(1);
  court.judge.cut_off(1, ++court.now_ns);
  CHECK(court.read(1));
  court.judge.put_back(++court.now_ns);
  CHECK(court.read(1));
  CHECK(!court.read(0));
}

}  // namespace capsuled::sim
