#include "nvme/admin_line.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

namespace capsuled::nvme {
namespace {

struct FakeQpair : Qpair {
  bool submit(Request& request) override {
    if (full) return false;
    requests.push_back(&request);
    opcodes.push_back(request.sqe.opcode);
    return true;
  }
  void answer(wire::Status status = {}) {
    Request* const request = requests.back();
    requests.pop_back();
    wire::CompletionQueueEntry cqe = {};
    cqe.status.set(status.pack());
    if (request->bytes > 0) {
      static_cast<std::byte*>(request->iov->iov_base)[0] = std::byte{request->sqe.opcode};
    }
    request->complete(*request, cqe);
  }
  std::vector<Request*> requests;
  std::vector<int> opcodes;
  bool full = false;
};

struct Scene {
  ~Scene() { line.close(); }
  void add(uint8_t opcode, uint32_t bytes = 0) {
    AdminCommand command;
    command.sqe.opcode = opcode;
    command.bytes = bytes;
    command.done = [this, opcode](const AdminOutcome& outcome) {
      std::string text = std::to_string(opcode);
      text += outcome.ok() ? " ok" : outcome.answered ? " failed" : " unanswered";
      if (!outcome.data.empty()) text += " " + std::to_string(int(outcome.data[0]));
      ends.push_back(text);
    };
    line.add(std::move(command));
  }
  std::array<std::byte, kAdminDataBytes> page{};
  FakeQpair qpair;
  AdminLine line;
  std::vector<std::string> ends;
};

using Ends = std::vector<std::string>;

TEST_CASE("AdminLine: one after the other, each with the data of its own") {
  Scene scene;
  scene.line.open(scene.qpair, scene.page.data());
  for (const auto opcode : {uint8_t{1}, uint8_t{2}, uint8_t{3}})
    scene.add(opcode, opcode == 2 ? 0 : 512);
  CHECK(scene.qpair.opcodes == std::vector<int>{1});
  scene.qpair.answer();
  scene.qpair.answer(wire::GenericStatus::kInvalidField);
  CHECK(scene.ends == Ends{"1 ok 1", "2 failed"});
  scene.qpair.answer();
  CHECK(scene.ends.back() == "3 ok 3");
}

TEST_CASE("AdminLine: what has no answer when the controller ends is unanswered, once") {
  Scene scene;
  scene.add(9);
  CHECK(scene.ends == Ends{"9 unanswered"});
  scene.line.open(scene.qpair, scene.page.data());
  scene.add(1, 512);
  scene.add(2);
  scene.line.close();
  CHECK(scene.ends == Ends{"9 unanswered", "2 unanswered"});
  scene.qpair.answer(wire::PathStatus::kHostPathingError);
  CHECK(scene.ends.back() == "1 unanswered");
  scene.line.open(scene.qpair, scene.page.data());
  scene.qpair.full = true;
  scene.add(4);
  scene.line.close();
  CHECK(scene.ends.back() == "4 unanswered");
}

}  // namespace
}  // namespace capsuled::nvme
