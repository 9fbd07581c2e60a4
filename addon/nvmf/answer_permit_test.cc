#include "nvmf/answer_permit.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>

namespace capsuled::nvmf {

namespace {

/// Runs it in a child; whether an assertion ended that.
bool asserts(const std::function<void()>& what) {
  std::fflush(nullptr);  // else the child writes it too
  const pid_t child = ::fork();
  if (child == 0) {
    (void)std::signal(SIGABRT, SIG_DFL);
    (void)::close(STDERR_FILENO);
    what();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace

TEST_CASE("a permit is redeemed once, or waived, and moves") {
  AnswerPermit permit = AnswerPermit::issue();
  AnswerPermit holder = std::move(permit);
  CHECK(holder.owed());
  holder.redeem();
  CHECK(!holder.owed());
  holder = AnswerPermit::issue();
  holder.waive();
  CHECK(!asserts([] { AnswerPermit().waive(); }));
}

TEST_CASE("a permit that is dropped, overwritten or redeemed twice asserts") {
  CHECK(asserts([] { const AnswerPermit dropped = AnswerPermit::issue(); }));
  CHECK(asserts([] {
    AnswerPermit permit = AnswerPermit::issue();
    permit = AnswerPermit::issue();
  }));
  CHECK(asserts([] {
    AnswerPermit permit = AnswerPermit::issue();
    permit.redeem();
    permit.redeem();
  }));
}

}  // namespace capsuled::nvmf
