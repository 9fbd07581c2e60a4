// What is parked is the command that came, and not what it would be when it begins.
#include <doctest/doctest.h>

#include "transport/testing/stepped_target.h"

namespace capsuled::transport::testing {

using wire::IoOpcode;
using wire::PduType;

TEST_CASE("a write that was parked before its namespace became another disk does not reach that") {
  constexpr uint32_t kBytes = 1 << 20;
  constexpr int kWrites = 8;
  SteppedTarget target;
  SteppedHost host(target);
  host.connect(1, 1, 1);
  CHECK(host.receive(PduType::kCapsuleResp).status() == 0);
  for (uint16_t cid = 1; cid <= kWrites; ++cid) {
    host.capsule(make_io(IoOpcode::kWrite, cid, 0, kBytes));
  }
  target.turns(50);
  REQUIRE(target.stats().commands_parked > 0);
  target.replace_ram();
  int refused = 0;
  CHECK(target.until([&] {
    for (Pdu pdu = host.take(); pdu.type != PduType{0xff}; pdu = host.take()) {
      if (pdu.type == PduType::kR2t) {
        const auto& r2t = pdu.as<wire::R2t>();
        const Octets data(kBytes, std::byte{0xee});
        for (uint32_t at = 0; at < kBytes; at += 131072) {
          const Octets part(data.begin() + at, data.begin() + at + 131072);
          host.put(
              make_h2c_data(r2t.cccid.get(), r2t.ttag.get(), at, part, {}, at + 131072 == kBytes));
        }
      } else if (pdu.type == PduType::kCapsuleResp) {
        const auto status = wire::Status::unpack(pdu.status());
        CHECK(status.code() == static_cast<uint8_t>(wire::GenericStatus::kNamespaceNotReady));
        CHECK(!status.dnr());
        ++refused;
      }
    }
    return refused == kWrites;
  }));
  host.capsule(make_io(IoOpcode::kRead, 20, 0, 4096));
  CHECK(host.receive(PduType::kC2hData).data == Octets(4096));
}

}  // namespace capsuled::transport::testing
