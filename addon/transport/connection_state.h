// The states of a connection and of its receiver.
//
//                     ICReq              Connect accepted
//   Free ─► AwaitIcReq ─► AwaitConnect ─────────────► Live
//               │              │                       │
//               ├──────────────┴───────────┬───────────┤
//     fatal     ▼ error of the host        ▼           ▼  anything else that ends it
//          Terminating ─────────────────► Draining ─► Closing ─► Free
//
// Draining is a join: nothing is left of requests, of the receive and of the send before the socket
// is closed.
//
//   Idle ─► Framing ──► Idle: the reader took the bytes, and says what to arm next
//     ├───► InPlace ──► Idle
//     ├───► Stalled ──► Idle, when the group has a request to give
//     │    Framing ──► NoBuffer ──► Idle, when the group has a receive buffer to give
//     └───► Stopped, from every state
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace capsuled::transport {

enum class ConnectionState : uint8_t {
  Free,          ///< a slot without a socket
  AwaitIcReq,    ///< the host moves it on; or the ICReq time-out
  AwaitConnect,  ///< the host and the control plane move it on; or the Connect time-out
  Live,          ///< a queue: until someone ends it
  Terminating,   ///< C2HTermReq is on the way: the host, by closing, or the time-out moves it on
  Draining,      ///< completions of bdevs, receive and send move it on
  Closing,       ///< the completion of close moves it on
};
inline constexpr size_t kConnectionStateCount = 7;

constexpr bool connection_may_become(ConnectionState from, ConnectionState to) {
  using enum ConnectionState;
  switch (from) {
    case Free: return to == AwaitIcReq;
    case AwaitIcReq: return to == AwaitConnect || to == Terminating || to == Draining;
    case AwaitConnect: return to == Live || to == Terminating || to == Draining;
    case Live: return to == Terminating || to == Draining;
    case Terminating: return to == Draining;
    case Draining: return to == Closing;
    case Closing: return to == Free;
  }
  return false;
}

/// The receiver of a connection: at most one receive is in flight.
enum class ReceiverState : uint8_t {
  Idle,      ///< nothing armed; only inside pump(), which moves it on
  Framing,   ///< a provided-buffer receive is armed: its completion moves it on
  InPlace,   ///< a receive into a request's buffers is armed: its completion moves it on
  NoBuffer,  ///< no receive buffer was free: the group moves it on, when one is recycled
  Stalled,   ///< no request for the next command, of its peer or for its device: the group moves it
             ///< on, when one becomes free or the device hangs
  Stopped,   ///< end of stream, error or teardown: nobody
};

inline constexpr size_t kReceiverStateCount = 6;

constexpr bool receiver_may_become(ReceiverState from, ReceiverState to) {
  using enum ReceiverState;
  switch (from) {
    case Idle: return true;
    case Framing: return to == Idle || to == NoBuffer || to == Stopped;
    case InPlace: return to == Idle || to == Stopped;
    case NoBuffer: return to == Idle || to == Stopped;
    case Stalled: return to == Idle || to == Stopped;
    case Stopped: return to == Idle || to == Stopped;
  }
  return false;
}

/// The same as bits: by the state left, the states that may follow.
inline constexpr auto kReceiverTransitions = [] {
  std::array<uint8_t, kReceiverStateCount> bits{};
  for (size_t from = 0; from < kReceiverStateCount; ++from) {
    for (size_t to = 0; to < kReceiverStateCount; ++to) {
      const bool may =
          receiver_may_become(static_cast<ReceiverState>(from), static_cast<ReceiverState>(to));
      bits[from] = static_cast<uint8_t>(bits[from] | (may ? 1u << to : 0u));
    }
  }
  return bits;
}();

}  // namespace capsuled::transport
