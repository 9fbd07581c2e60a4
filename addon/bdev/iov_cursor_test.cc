#include "bdev/iov_cursor.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace capsuled {
namespace {

TEST_CASE("walk passes iovec borders and skips empty iovecs") {
  std::string first = "abc", second, third = "defgh";
  const std::array<iovec, 3> iov = {iovec{first.data(), first.size()}, iovec{second.data(), 0},
                                    iovec{third.data(), third.size()}};
  IovCursor cursor(iov.data(), 3);
  std::string seen;
  const auto visit = [&](const std::byte* at, size_t length) {
    seen.append(reinterpret_cast<const char*>(at), length).append("|");
  };
  cursor.walk(2, visit);
  CHECK(!cursor.at_segment_start());
  CHECK(cursor.current().iov_len == 1);
  CHECK(cursor.bytes_within(1) == 1);
  CHECK(cursor.bytes_within(2) == 1);
  CHECK(cursor.bytes_within(9) == 6);
  cursor.walk(3, visit);
  cursor.walk(3, visit);
  CHECK(seen == "ab|c|de|fgh|");
  CHECK(cursor.at_segment_start());
  CHECK(cursor.rest().empty());
  CHECK(cursor.bytes_within(9) == 0);
}

TEST_CASE("slice describes the next bytes") {
  std::string first = "abc", second = "defgh";
  const std::array<iovec, 2> iov = {iovec{first.data(), first.size()},
                                    iovec{second.data(), second.size()}};
  IovCursor cursor(iov.data(), 2);
  cursor.skip(1);
  std::array<iovec, 2> out;
  CHECK(cursor.slice(4, out) == 2);
  CHECK(out[0].iov_base == first.data() + 1);
  CHECK(out[0].iov_len == 2);
  CHECK(out[1].iov_base == second.data());
  CHECK(out[1].iov_len == 2);
}

}  // namespace
}  // namespace capsuled
