#include "base/assert.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/intrusive_list.h"
#include "base/result.h"

namespace capsuled {
namespace {

/// The signal that ended a child process running `action`, or 0 if it returned.
template <typename Action>
int signal_of(Action&& action) {
  // What stdout still holds must not be written by the child too.
  std::fflush(nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Neither the message nor a core file belongs into the test's output; sanitizers must not take
    // the signal.
    std::signal(SIGABRT, SIG_DFL);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
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
