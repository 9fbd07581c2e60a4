#include "base/result.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <string_view>

namespace capsuled {
namespace {

Result<std::unique_ptr<int>> make(int value) {
  if (value < 0) return Error{EINVAL, "make"};
  return std::make_unique<int>(value);
}

Result<void> check(int value) {
  if (value < 0) return Error{ENOSPC, "check"};
  return {};
}

TEST_CASE("a result is a value or an error") {
  Result<std::unique_ptr<int>> good = make(3);
  REQUIRE(good.ok());
  CHECK(*good.value() == 3);
  const std::unique_ptr<int> taken = std::move(good).value();
  CHECK(*taken == 3);
  const Result<std::unique_ptr<int>> bad = make(-1);
  CHECK_FALSE(bad.ok());
  CHECK(bad.error().errnum == EINVAL);
  CHECK(bad.error().what == std::string_view("make"));
}

TEST_CASE("a result without a value is success or an error") {
  CHECK(check(0).ok());
  const Result<void> bad = check(-1);
  CHECK_FALSE(bad);
  CHECK(bad.error().errnum == ENOSPC);
}

}  // namespace
}  // namespace capsuled
