#include "bdev/nvme/reported_writes.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/prng.h"

namespace capsuled {
namespace {

struct Note {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t when = 0;
  bool operator==(const Note&) const = default;
};

std::vector<Note> notes_since(const ReportedWrites& writes, uint64_t since, bool& known) {
  std::vector<Note> notes;
  known = writes.visit_since(since, [&](uint64_t first, uint64_t count, uint64_t when) {
    notes.push_back({first, count, when});
  });
  return notes;
}

}  // namespace

TEST_CASE("ReportedWrites: who has announced himself may be about to note something older") {
  constexpr uint64_t kSecond = 1'000'000'000;
  ReportedWrites writes;
  const uint64_t settled_ns = writes.settled_ns(10 * kSecond);
  CHECK(settled_ns < 10 * kSecond);
  CHECK(settled_ns > 9 * kSecond);
  writes.announce(3 * kSecond);
  CHECK(writes.settled_ns(10 * kSecond) < 3 * kSecond);
  writes.note(1, 1, 4 * kSecond);
  CHECK(writes.settled_ns(10 * kSecond) == settled_ns);
  CHECK(writes.settled_ns(5) == 0);
}

TEST_CASE("ReportedWrites: overlaps, and what was before does not count") {
  ReportedWrites writes;
  CHECK_FALSE(writes.any_since(0, 1, 0));
  writes.note(100, 10, 5);
  CHECK(writes.any_since(100, 1, 4));
  CHECK_FALSE(writes.any_since(100, 1, 5));
  CHECK(writes.any_since(109, 50, 4));
  CHECK(writes.any_since(50, 51, 4));
  CHECK(writes.any_since(0, 1000, 4));
  CHECK_FALSE(writes.any_since(110, 50, 4));
  CHECK_FALSE(writes.any_since(50, 50, 4));
  writes.note((uint64_t{1} << 48) - 1, ReportedWrites::kBlocksMax, 6);
  CHECK(writes.any_since((uint64_t{1} << 48) - 1, 1, 5));
  CHECK(writes.any_since((uint64_t{1} << 48) + 65'534, 1, 5));
  CHECK_FALSE(writes.any_since((uint64_t{1} << 48) + 65'535, 1, 5));
}

TEST_CASE(
    "ReportedWrites: the last first, all of them, and what is gone is not taken for nothing") {
  ReportedWrites writes;
  bool known = false;
  for (uint64_t when = 1; when < ReportedWrites::kPlaces; ++when) writes.note(when, 1, when);
  const std::vector<Note> all = notes_since(writes, 0, known);
  CHECK(known);
  REQUIRE(all.size() == ReportedWrites::kPlaces - 1);
  CHECK(all.front() == Note{ReportedWrites::kPlaces - 1, 1, ReportedWrites::kPlaces - 1});
  CHECK(all.back() == Note{1, 1, 1});
  for (uint64_t more = 0; more < 10; ++more) {
    writes.note(7, 1, ReportedWrites::kPlaces + more);
  }
  (void)notes_since(writes, 0, known);
  CHECK_FALSE(known);
  CHECK(writes.any_since(1'000'000, 1, 0));
  CHECK(notes_since(writes, ReportedWrites::kPlaces, known).size() == 9);
  CHECK(known);
  CHECK_FALSE(writes.any_since(1'000'000, 1, ReportedWrites::kPlaces - 100));
}

TEST_CASE("ReportedWrites: looked at while they are noted, nothing is missing and nothing is new") {
  ReportedWrites writes;
  constexpr uint64_t kNotes = 400'000;
  std::atomic<uint64_t> noted = 0;
  std::thread noting([&] {
    for (uint64_t when = 1; when <= kNotes; ++when) {
      writes.note(when % 1000, 1 + when % 7, when);
      noted.store(when, std::memory_order_release);
    }
  });
  uint64_t seen = 0;
  while (seen < kNotes) {
    seen = noted.load(std::memory_order_acquire);
    const uint64_t since = seen > 500 ? seen - 500 : 0;
    uint64_t next = 0;
    bool whole = true;
    const bool known =
        writes.visit_since(since, [&](uint64_t first, uint64_t count, uint64_t when) {
          whole = whole && first == when % 1000 && count == 1 + when % 7;
          whole = whole && (next == 0 || when == next);
          next = when - 1;
        });
    if (!known) continue;  // the other one was quicker by more than there are places
    REQUIRE(whole);
    if (seen > since) REQUIRE(next == since);
  }
  noting.join();
}

}  // namespace capsuled
