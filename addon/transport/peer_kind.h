// PeerKind: the three classes that peers are of. src/engine/peer-kind.ts has their names, in this
// order. AccountKind: what a reactor keeps accounts of, each with its own part of everything: a
// host has one for its admin queues and one for its I/O. See peers.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/assert.h"

namespace capsuled::transport {

enum class PeerKind : uint8_t { Stranger, Discovery, Host };
inline constexpr size_t kPeerKindCount = 3;

/// Some of them, a bit each.
using PeerKinds = uint32_t;
inline constexpr PeerKinds kAllPeerKinds = (1u << kPeerKindCount) - 1;
constexpr PeerKinds only(PeerKind kind) {
  ASSERT(static_cast<size_t>(kind) < kPeerKindCount);
  return 1u << static_cast<uint32_t>(kind);
}

enum class AccountKind : uint8_t { Stranger, Discovery, HostAdmin, HostIo };
inline constexpr size_t kAccountKindCount = 4;

constexpr PeerKind peer_of(AccountKind kind) {
  switch (kind) {
    case AccountKind::Stranger: return PeerKind::Stranger;
    case AccountKind::Discovery: return PeerKind::Discovery;
    case AccountKind::HostAdmin:
    case AccountKind::HostIo: return PeerKind::Host;
  }
  UNREACHABLE();
}

}  // namespace capsuled::transport
