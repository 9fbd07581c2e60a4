#include "transport/control_command.h"

#include <doctest/doctest.h>

#include "transport/testing/test_host.h"

namespace capsuled::transport::testing {

using nvmf::Direction;

TEST_CASE("control_plan: direction from the opcode, length from the SGL") {
  auto identify = make_sqe(0x06, 1);
  set_transport_sgl(identify, 4096);
  CHECK(control_plan(identify, 0).direction == Direction::ControllerToHost);
  CHECK(control_plan(identify, 0).bytes == 4096);
  set_capsule_sgl(identify, 4096);
  CHECK(!control_plan(identify, 4096).status.is_success());

  auto send = make_sqe(0x09, 1);  // Set Features
  set_transport_sgl(send, 4096);
  CHECK(control_plan(send, 0).direction == Direction::HostToController);
  set_capsule_sgl(send, 4096);
  CHECK(control_plan(send, 4096).status.is_success());
  CHECK(!control_plan(send, 4095).status.is_success());
  send.dptr.address.set(4);
  CHECK(!control_plan(send, 8192).status.is_success());

  auto fabrics = make_sqe(wire::kFabricsOpcode, 1);
  set_transport_sgl(fabrics, 64);
  fabrics.nsid.set(0x00);  // Property Set
  CHECK(control_plan(fabrics, 0).direction == Direction::None);
  fabrics.nsid.set(0x01);  // Connect
  CHECK(control_plan(fabrics, 0).direction == Direction::HostToController);
}

TEST_CASE("control_plan: no command moves more than its opcode may") {
  for (uint32_t code = 0; code < 256; ++code) {
    // As an admin command, and as a Fabrics command of that type.
    for (const bool is_fabrics : {false, true}) {
      auto sqe = make_sqe(is_fabrics ? wire::kFabricsOpcode : static_cast<uint8_t>(code), 1);
      if (!is_fabrics && code == wire::kFabricsOpcode) continue;
      if (is_fabrics) sqe.nsid.set(code);
      set_transport_sgl(sqe, kTransferBytesMax);
      const nvmf::Plan plan = control_plan(sqe, 0);
      INFO("code ", code, is_fabrics ? " of Fabrics" : "");
      if (plan.direction == Direction::HostToController) CHECK(plan.bytes <= 4096);
      if (plan.direction == Direction::ControllerToHost && code != 0x02) CHECK(plan.bytes <= 4096);
    }
  }
  auto connect = make_connect(1, 0, 32, true);
  set_transport_sgl(connect, 1024);
  CHECK(control_plan(connect, 0).bytes == 1024);
  set_transport_sgl(connect, 1025);
  CHECK(!control_plan(connect, 0).status.is_success());
  auto log = make_sqe(0x02, 1);
  set_transport_sgl(log, UINT32_MAX);
  CHECK(control_plan(log, 0).bytes == kTransferBytesMax);
}

}  // namespace capsuled::transport::testing
