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

  auto send = make_sqe(0x81, 1);
  set_transport_sgl(send, 4096);
  CHECK(control_plan(send, 0).direction == Direction::HostToController);
  set_transport_sgl(send, kTransferBytesMax + 1);
  CHECK(!control_plan(send, 0).status.is_success());
  set_capsule_sgl(send, 4096);
  CHECK(control_plan(send, 4096).status.is_success());
  CHECK(!control_plan(send, 4095).status.is_success());
  send.dptr.address.set(4);
  CHECK(!control_plan(send, 8192).status.is_success());

  auto fabrics = make_sqe(wire::kFabricsOpcode, 1);
  set_transport_sgl(fabrics, 64);
  fabrics.nsid.set(0x00);  // Property Set
  CHECK(control_plan(fabrics, 0).direction == Direction::None);
  fabrics.nsid.set(0x05);  // Authentication Send
  CHECK(control_plan(fabrics, 0).direction == Direction::HostToController);
  fabrics.nsid.set(0x06);  // Authentication Receive
  CHECK(control_plan(fabrics, 0).direction == Direction::ControllerToHost);
}

}  // namespace capsuled::transport::testing
