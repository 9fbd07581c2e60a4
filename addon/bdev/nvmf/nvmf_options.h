// What a bdev of kind `nvmf` is told. Times that have no end are UINT64_MAX.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "env/env.h"
#include "nvme/tcp_qpair.h"

namespace capsuled {

/// Of several paths that can be used equally well, which one an operation takes.
enum class PathPolicy : uint8_t {
  ActivePassive,  ///< the first, as long as it can be used
  RoundRobin,     ///< each in turn
  QueueDepth,     ///< the one that has the fewest operations
};

struct NvmfOptions {
  std::string subnqn{};
  uint32_t nsid = 1;
  std::string hostnqn{};
  std::array<std::byte, 16> hostid{};
  /// Either of these has some.
  std::vector<env::Endpoint> paths{};
  std::vector<env::Endpoint> discovery{};
  PathPolicy policy = PathPolicy::ActivePassive;
  uint64_t fast_io_fail_ns = 60'000'000'000;
  uint64_t controller_loss_ns = 600'000'000'000;
  uint64_t reconnect_delay_ns = 2'000'000'000;
  uint64_t keep_alive_ns = 10'000'000'000;
  uint64_t timeout_ns = 30'000'000'000;  ///< of a command
  nvme::TcpDigests digests{};
  uint16_t queue_entries = 129;
};

/// Paths that a bdev has at most.
inline constexpr uint32_t kPathsMax = 16;

}  // namespace capsuled
