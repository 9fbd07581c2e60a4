// PeerKind: the three classes that peers are of; each has its own part of everything. See peers.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace capsuled::transport {

enum class PeerKind : uint8_t { Stranger, Discovery, Host };
inline constexpr size_t kPeerKindCount = 3;

}  // namespace capsuled::transport
