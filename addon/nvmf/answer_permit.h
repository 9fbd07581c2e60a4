// AnswerPermit: the right and the duty to answer a command once. Whoever owes the answer holds it;
// a permit that is dropped unredeemed, or redeemed twice, is a defect of ours and asserts, so that
// no command is forgotten silently. One byte, in the request: it costs what a flag costs.
//
// Thread: the reactor's.
#pragma once

#include <utility>

#include "base/assert.h"

namespace capsuled::nvmf {

class AnswerPermit {
 public:
  /// None.
  AnswerPermit() = default;
  ~AnswerPermit() { ASSERT_MSG(!owed_, "a command was dropped without its answer"); }
  AnswerPermit(AnswerPermit&& other) noexcept : owed_(std::exchange(other.owed_, false)) {}
  AnswerPermit& operator=(AnswerPermit&& other) noexcept {
    ASSERT_MSG(!owed_, "a command was dropped without its answer");
    owed_ = std::exchange(other.owed_, false);
    return *this;
  }

  static AnswerPermit issue() {
    AnswerPermit permit;
    permit.owed_ = true;
    return permit;
  }

  bool owed() const { return owed_; }
  /// The answer was given.
  void redeem() {
    ASSERT_MSG(owed_, "a command was answered twice");
    owed_ = false;
  }
  /// Nobody is left to be answered: the connection has ended.
  void waive() { owed_ = false; }

 private:
  bool owed_ = false;
};

}  // namespace capsuled::nvmf
