#include "base/assert.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string>

#include "base/intrusive_list.h"
#include "base/result.h"

namespace capsuled {
namespace {

int dev_null() { return open("/dev/null", O_WRONLY | O_CLOEXEC); }

/// The signal that ended a child process running `action`, or 0 if it returned.
template <typename Action>
int signal_of(Action&& action, int standard_error = dev_null()) {
  // What stdout still holds must not be written by the child too.
  std::fflush(nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Neither the message nor a core file belongs into the test's output; sanitizers must not take
    // the signal.
    std::signal(SIGABRT, SIG_DFL);
    dup2(standard_error, STDERR_FILENO);
    action();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

struct Item {
  ListNode node;
};

TEST_CASE("an assertion that fails aborts, in release builds too") {
  CHECK(signal_of([] { ASSERT(1 + 1 == 2); }) == 0);
  CHECK(signal_of([] { ASSERT(1 + 1 == 3); }) == SIGABRT);
  CHECK(signal_of([] { ASSERT_MSG(false, "why"); }) == SIGABRT);
  CHECK(signal_of([] { UNREACHABLE(); }) == SIGABRT);
}

TEST_CASE("an assertion that fails says where and what") {
  std::array<int, 2> ends;
  REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
  CHECK(signal_of([] { ASSERT_MSG(1 > 2, "why"); }, ends[1]) == SIGABRT);
  CHECK(signal_of([] { ASSERT_MSG(false, std::string(5000, 'y').c_str()); }, ends[1]) == SIGABRT);
  close(ends[1]);
  std::string text(8192, '\0');
  text.resize(static_cast<size_t>(std::max<ssize_t>(read(ends[0], text.data(), text.size()), 0)));
  close(ends[0]);
  const size_t at = text.find("assert_test.cc:");
  REQUIRE(at != std::string::npos);
  const size_t line_end = text.find('\n', at);
  REQUIRE(line_end != std::string::npos);
  CHECK(text.substr(0, line_end).ends_with(": assertion failed: 1 > 2: why"));
  CHECK(text.size() - line_end > 1000);  // as much of the second one as fits
}

TEST_CASE("an assertion that fails aborts although nobody reads what it says") {
  std::array<int, 2> ends;
  REQUIRE(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  while (write(ends[1], "#", 1) == 1) {
  }
  REQUIRE(fcntl(ends[1], F_SETFL, 0) == 0);
  CHECK(signal_of([] { ASSERT(false); }, ends[1]) == SIGABRT);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("misuse of a list is caught") {
  using Items = IntrusiveList<Item, &Item::node>;
  CHECK(signal_of([] {
          Items list;
          Item item;
          list.push_back(item);
          list.push_back(item);
        }) == SIGABRT);
  CHECK(signal_of([] {
          Items list, other;
          Item item;
          list.push_back(item);
          other.remove(item);
        }) == SIGABRT);
  CHECK(signal_of([] {
          Items list;
          Item item;
          list.push_back(item);
        }) == SIGABRT);
}

TEST_CASE("reading the wrong half of a result is caught") {
  CHECK(signal_of([] { (void)Result<int>(Error{5, "read"}).value(); }) == SIGABRT);
  CHECK(signal_of([] { (void)Result<int>(1).error(); }) == SIGABRT);
}

}  // namespace
}  // namespace capsuled
