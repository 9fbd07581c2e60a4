#include "base/prng.h"

#include <doctest/doctest.h>

namespace capsuled {
namespace {

TEST_CASE("a seed gives one sequence, another seed another") {
  Prng first(7), again(7), other(8);
  bool same = true, differs = false;
  for (int step = 0; step < 100; ++step) {
    const std::uint64_t value = first.next();
    same = same && value == again.next();
    differs = differs || value != other.next();
  }
  CHECK(same);
  CHECK(differs);
}

TEST_CASE("bounded values stay in their bounds and reach both ends") {
  Prng prng(1);
  bool low = false, high = false;
  for (int step = 0; step < 1000; ++step) {
    const std::uint64_t value = prng.between(3, 6);
    REQUIRE(value >= 3);
    REQUIRE(value <= 6);
    low = low || value == 3;
    high = high || value == 6;
  }
  CHECK(low);
  CHECK(high);
  CHECK(prng.below(1) == 0);
  CHECK(prng.between(9, 9) == 9);
  prng.between(0, ~std::uint64_t{0});
  CHECK_FALSE(prng.chance(0, 5));
  CHECK(prng.chance(5, 5));
}

}  // namespace
}  // namespace capsuled
