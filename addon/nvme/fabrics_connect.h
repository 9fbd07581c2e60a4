// What a host says when it connects to a remote controller: on the admin queue, and once more on
// each I/O queue.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "nvme/controller.h"
#include "nvme/tcp_qpair.h"
#include "wire/fabrics.h"

namespace capsuled::nvme {

struct FabricsControllerOptions : ControllerOptions {
  env::SocketAddress address;
  std::string subnqn;
  std::string hostnqn;
  std::array<std::byte, 16> hostid{};
  TcpDigests digests;
  uint32_t keep_alive_timeout_ms = 10'000;
  uint64_t connect_timeout_ns = 5'000'000'000;  ///< of TCP and ICReq, if `timeout_ns` is not less
};

/// One Connect.
struct FabricsConnect {
  uint16_t qid = 0;
  uint16_t entries = 0;
  uint16_t cntlid = wire::kCntlidDynamic;
};

/// Fills `request`, but for what becomes of it; `data` is read until it has completed.
void fill_connect(const FabricsControllerOptions& options, const FabricsConnect& connect,
                  Request& request, wire::ConnectData& data);

}  // namespace capsuled::nvme
