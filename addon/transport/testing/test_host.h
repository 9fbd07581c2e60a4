// TestHost: the host's end of a connection, for tests. Thread: the test's.
#pragma once

#include "pdu/testing/pdu_peer.h"

namespace capsuled::transport::testing {

using namespace capsuled::testing;

class TestHost : public PduPeer {
 public:
  using PduPeer::PduPeer;

  /// ICReq and ICResp.
  bool initialize(Digests digests, uint8_t hpda = 0) {
    agreed_ = digests;
    if (!send(make_ic_req(digests, hpda))) return false;
    const Pdu pdu = receive();
    if (pdu.closed || pdu.type != wire::PduType::kIcResp) return false;
    const auto& resp = pdu.as<wire::IcResp>();
    return pdu.header.size() == sizeof(wire::IcResp) && resp.cpda == 0 && resp.pfv.get() == 0 &&
           resp.dgst == static_cast<uint8_t>((digests.header ? 1 : 0) | (digests.data ? 2 : 0));
  }
  /// ICReq and Connect; the status field of the answer, FFFFh if there was none.
  uint16_t connect(uint16_t qid, uint16_t entries, Digests digests = {},
                   bool flow_control_disabled = true, uint8_t hpda = 0) {
    if (!initialize(digests, hpda)) return 0xffff;
    Octets connect_data(sizeof(wire::ConnectData));
    connect_data[0] = std::byte{host_};
    send(make_capsule(make_connect(1, qid, entries, flow_control_disabled), connect_data, digests));
    const Pdu pdu = receive();
    return pdu.closed || pdu.type != wire::PduType::kCapsuleResp ? 0xffff : pdu.status();
  }

  bool capsule(const wire::SubmissionQueueEntry& sqe, const Octets& data = {}) {
    return send(make_capsule(sqe, data, agreed_));
  }
  bool h2c_data(const Pdu& r2t, uint32_t datao, const Octets& data, bool last) {
    const auto& header = r2t.as<wire::R2t>();
    return send(make_h2c_data(header.cccid.get(), header.ttag.get(), datao, data, agreed_, last));
  }
  /// Which host connects: the target has an account for each.
  void set_host(uint8_t host) { host_ = host; }

 private:
  Digests agreed_;
  uint8_t host_ = 0;
};

}  // namespace capsuled::transport::testing
