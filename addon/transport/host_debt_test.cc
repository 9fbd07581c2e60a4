#include "transport/host_debt.h"

#include <doctest/doctest.h>

namespace capsuled::transport {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kTimeout = 30 * kSecond;
constexpr uint64_t kMiB = HostDebt::kLeastBytes;

}  // namespace

TEST_CASE("HostDebt: who pays nothing is late after one time-out, not before") {
  HostDebt debt;
  debt.owe(4096, 100 * kSecond, kTimeout);
  debt.pass(129 * kSecond, true);
  CHECK(!debt.late(kTimeout));
  debt.pass(130 * kSecond, true);
  CHECK(debt.late(kTimeout));
  debt.pay(4096, 131 * kSecond);
  CHECK(!debt.late(kTimeout));
  debt.pass(1000 * kSecond, true);
  CHECK(!debt.late(kTimeout));
}

TEST_CASE("HostDebt: a little does not renew the time, 1 MiB or all of it does") {
  HostDebt debt;
  debt.owe(16 * kMiB, 0, kTimeout);
  for (uint64_t second = 1; second < 30; ++second) debt.pay(4096, second * kSecond);
  CHECK(!debt.late(kTimeout));
  debt.pay(4096, 30 * kSecond);
  CHECK(debt.late(kTimeout));
  debt.pay(kMiB, 31 * kSecond);
  CHECK(!debt.late(kTimeout));
  debt.pass(60 * kSecond, true);
  CHECK(!debt.late(kTimeout));
  debt.pass(61 * kSecond, true);
  CHECK(debt.late(kTimeout));
}

TEST_CASE("HostDebt: time in which the host could not send does not count") {
  HostDebt debt;
  debt.owe(kMiB, 0, kTimeout);
  for (uint64_t second = 1; second <= 100; ++second) debt.pass(second * kSecond, false);
  CHECK(!debt.late(kTimeout));
  debt.pass(129 * kSecond, true);
  CHECK(!debt.late(kTimeout));
  debt.pass(130 * kSecond, true);
  CHECK(debt.late(kTimeout));
}

TEST_CASE("HostDebt: each transfer has its own end, later the more is owed before it") {
  HostDebt debt;
  CHECK(debt.owe(4096, 0, kTimeout) == kTimeout);
  CHECK(debt.owe(kMiB, 0, kTimeout) == 2 * kTimeout);
  CHECK(debt.owe(3 * kMiB, 0, kTimeout) == 5 * kTimeout);
  debt.pay(kMiB, 10 * kSecond);
  CHECK(debt.time_ns() == 10 * kSecond);
  CHECK(debt.owe(4096, 10 * kSecond, kTimeout) == 10 * kSecond + 4 * kTimeout);
}

}  // namespace capsuled::transport
