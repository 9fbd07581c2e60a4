#include "perf/workload.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <map>
#include <string_view>
#include <utility>

namespace capsuled::perf {
namespace {

WorkloadOptions options_of(Pattern pattern, std::vector<IoSize> sizes, uint64_t block_count) {
  return {.pattern = pattern,
          .sizes = std::move(sizes),
          .block_bytes = 512,
          .first_lba = 0,
          .block_count = block_count,
          .seed = 1};
}

Workload workload_of(const WorkloadOptions& options) {
  Result<Workload> created = Workload::create(options);
  REQUIRE(created.ok());
  return std::move(created).value();
}

TEST_CASE("perf::Workload: options out of bounds are refused, with what was expected") {
  const WorkloadOptions good = options_of(Pattern::Random, {{4096, 1}}, 8);
  CHECK(Workload::create(good).ok());
  const auto refused = [&good](auto change) {
    WorkloadOptions options = good;
    change(options);
    const Result<Workload> created = Workload::create(options);
    REQUIRE_FALSE(created.ok());
    CHECK(created.error().errnum == EINVAL);
    CHECK(std::string_view(created.error().what).starts_with("expected "));
  };
  refused([](WorkloadOptions& options) { options.read_percent = 101; });
  refused([](WorkloadOptions& options) { options.block_bytes = 0; });
  refused([](WorkloadOptions& options) { options.first_lba = ~uint64_t{0} - 6; });
  refused([](WorkloadOptions& options) { options.sizes.clear(); });
  refused([](WorkloadOptions& options) { options.sizes.resize(17, {4096, 1}); });
  refused([](WorkloadOptions& options) { options.sizes[0].io_bytes = 0; });
  refused([](WorkloadOptions& options) { options.sizes[0].io_bytes = 4095; });
  refused([](WorkloadOptions& options) { options.sizes[0].weight = 0; });
  refused([](WorkloadOptions& options) { options.block_count = 7; });
  refused([](WorkloadOptions& options) {
    options.sizes.resize(2, {4096, 1});
    options.sizes[0].weight = ~uint32_t{0};
  });
}

TEST_CASE("perf::Workload: one seed gives one sequence, another seed another") {
  WorkloadOptions options = options_of(Pattern::Random, {{4096, 70}, {131072, 30}}, 1 << 20);
  options.read_percent = 50;
  Workload first = workload_of(options), again = workload_of(options);
  options.seed = 2;
  Workload other = workload_of(options);
  int differing = 0;
  for (int turn = 0; turn < 1000; ++turn) {
    const IoOp op = first.next();
    CHECK(op == again.next());
    if (!(op == other.next())) ++differing;
  }
  CHECK(differing > 900);
}

TEST_CASE("perf::Workload: sequential goes through the whole region and around") {
  WorkloadOptions options = options_of(Pattern::Sequential, {{4096, 1}}, 8 * 10 + 3);
  options.first_lba = 1001;
  Workload workload = workload_of(options);
  for (int lap = 0; lap < 3; ++lap) {
    for (uint64_t place = 0; place < 10; ++place) {
      const IoOp op = workload.next();
      CHECK(op.lba == 1001 + 8 * place);
      CHECK(op.blocks == 8);
      CHECK(op.kind == IoKind::Read);
    }
  }
}

TEST_CASE("perf::Workload: a region of one I/O is that I/O, whatever the pattern") {
  for (const Pattern pattern : {Pattern::Sequential, Pattern::Random}) {
    WorkloadOptions options = options_of(pattern, {{4096, 1}}, 8);
    options.first_lba = ~uint64_t{0} - 8;
    Workload workload = workload_of(options);
    for (int turn = 0; turn < 100; ++turn) CHECK(workload.next().lba == ~uint64_t{0} - 8);
  }
}

TEST_CASE("perf::Workload: random reaches every place of the region about equally often") {
  WorkloadOptions options = options_of(Pattern::Random, {{1536, 1}}, 3 * 100 + 2);
  options.first_lba = 7;
  Workload workload = workload_of(options);
  std::map<uint64_t, int> times;
  for (int turn = 0; turn < 100'000; ++turn) ++times[workload.next().lba];
  CHECK(times.size() == 100);
  CHECK(times.begin()->first == 7);
  CHECK(times.rbegin()->first == 7 + 3 * 99);
  for (const auto& [lba, count] : times) {
    CHECK((lba - 7) % 3 == 0);
    CHECK(count > 800);
    CHECK(count < 1200);
  }
}

TEST_CASE("perf::Workload: with several sizes each I/O is aligned to its own and inside") {
  for (const Pattern pattern : {Pattern::Sequential, Pattern::Random}) {
    WorkloadOptions options =
        options_of(pattern, {{512, 1}, {4096, 2}, {12288, 3}, {131072, 4}}, 1000);
    options.first_lba = 13;
    Workload workload = workload_of(options);
    std::map<uint32_t, int> times;
    uint64_t end = 13;
    for (int turn = 0; turn < 100'000; ++turn) {
      const IoOp op = workload.next();
      ++times[op.blocks];
      REQUIRE(op.lba >= 13);
      REQUIRE(op.lba + op.blocks <= 1013);
      REQUIRE((op.lba - 13) % op.blocks == 0);
      if (pattern == Pattern::Sequential) {
        // At the next place for its size, or at the start if there is none.
        const uint64_t next = (end - 13 + op.blocks - 1) / op.blocks * op.blocks;
        REQUIRE(op.lba - 13 == (next + op.blocks <= 1000 ? next : 0));
        end = op.lba + op.blocks;
      }
    }
    REQUIRE(times.size() == 4);
    for (const auto& [blocks, weight] : {std::pair{1, 1}, {8, 2}, {24, 3}, {256, 4}}) {
      CHECK(times[static_cast<uint32_t>(blocks)] == doctest::Approx(weight * 10'000).epsilon(0.05));
    }
  }
}

TEST_CASE("perf::Workload: reads are as many as asked for, none and all exactly") {
  for (const uint32_t percent : {0u, 1u, 30u, 99u, 100u}) {
    WorkloadOptions options = options_of(Pattern::Random, {{512, 1}}, 1000);
    options.read_percent = percent;
    Workload workload = workload_of(options);
    uint32_t reads = 0;
    for (int turn = 0; turn < 100'000; ++turn) {
      if (workload.next().kind == IoKind::Read) ++reads;
    }
    CAPTURE(percent);
    if (percent == 0 || percent == 100) {
      CHECK(reads == percent * 1000);
    } else {
      CHECK(reads > percent * 1000 - 500);
      CHECK(reads < percent * 1000 + 500);
    }
  }
}

}  // namespace
}  // namespace capsuled::perf
