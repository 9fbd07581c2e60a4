// TcpRequest: a command and what the transport needs to move its data and its answer.
//
// Owner: the group's fixed pool; while not Free, it is in the list of exactly one connection.
// Thread: the reactor's.
//
//   Free ──► Receiving ──► AwaitHostData
//              │ │ │          │  │   │
//              │ │ └─► Executing ◄┘   │
//              │ └──► AwaitControl ◄──┤
//              │           │         │
//              └─────► Responding ◄──┘ (also from Executing and AwaitControl)
//
// From every state a request becomes Free: from Receiving when its command is parked, from
// Responding when its answer was sent, from the others when its connection terminates.
// Connection::retire() alone does that, and while somebody still has memory of the request, it is
// Retiring instead. What each state waits for is said at its name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "bdev/zero_buffer.h"
#include "nvmf/request.h"
#include "pdu/pdu_reader.h"
#include "transport/control_queue.h"
#include "transport/send_list.h"

namespace capsuled::transport {

struct BdevHoldPart;
struct Peer;
enum class Resource : uint8_t;

enum class RequestState : uint8_t {
  Free,           ///< in the pool
  Receiving,      ///< its capsule is being received: the host moves it on
  AwaitHostData,  ///< an R2T was queued: the host moves it on, with H2CData
  Executing,      ///< in a bdev, or parked as an Asynchronous Event Request: its answer moves it on
  AwaitControl,   ///< with the control plane, or waits for its turn there: Group::answer() or
                  ///< Group::attach() moves it on
  Responding,     ///< its answer is queued or being sent: the completion of the send moves it on
  Retiring,  ///< ended, but the ring has memory of it: the completion of the send or of the receive
             ///< moves it on
};
inline constexpr size_t kRequestStateCount = 7;

constexpr bool request_may_become(RequestState from, RequestState to) {
  using enum RequestState;
  switch (from) {
    case Free: return to == Receiving;
    case Receiving:
      return to == AwaitHostData || to == Executing || to == AwaitControl || to == Responding ||
             to == Retiring || to == Free;
    case AwaitHostData:
      return to == Executing || to == AwaitControl || to == Responding || to == Retiring ||
             to == Free;
    case Executing:
    case AwaitControl: return to == Responding || to == Retiring || to == Free;
    case Responding: return to == Retiring || to == Free;
    case Retiring: return to == Free;
  }
  return false;
}

/// The same as bits: by the state left, the states that may follow.
inline constexpr auto kRequestTransitions = [] {
  std::array<uint8_t, kRequestStateCount> bits{};
  for (size_t from = 0; from < kRequestStateCount; ++from) {
    for (size_t to = 0; to < kRequestStateCount; ++to) {
      const bool may =
          request_may_become(static_cast<RequestState>(from), static_cast<RequestState>(to));
      bits[from] = static_cast<uint8_t>(bits[from] | (may ? 1u << to : 0u));
    }
  }
  return bits;
}();

/// Who carries a command out.
enum class Executor : uint8_t { Io, Control, KeepAlive, AsynchronousEvent };

/// Where the data of a command are, and so what is given back for them.
enum class DataIn : uint8_t {
  Nothing,
  Capsule,  ///< the request's `capsule_data`, or the input: nobody's but its own
  Pool,     ///< buffers of the pool, charged to its peer
  Loan,     ///< a bdev's memory, charged to its peer if there is a lender
};

/// Parts of the longest answer of a control command: its data, and zeros.
inline constexpr uint32_t kControlPartsMax =
    static_cast<uint32_t>(kTransferBytesMax / kZeroBufferBytes) + 2;
static_assert(kControlPartsMax > kTransferBuffersMax, "a receive in place fits, with its digest");

struct TcpRequest : nvmf::Request {
  static constexpr uint32_t kHeadBytes = sizeof(wire::CapsuleRespHeader) + wire::kDigestSize;
  static constexpr uint32_t kTailBytes = kHeadBytes + wire::kDigestSize;

  ListNode owner_node;    ///< in the connection's list
  ListNode control_node;  ///< while AwaitControl because its connection has enough there already
  QueueNode free_node;
  Connection* connection = nullptr;
  Peer* peer = nullptr;  ///< whom it and all that it holds are charged to
  uint32_t generation = 1;
  uint16_t index = 0;
  RequestState state = RequestState::Free;
  nvmf::AnswerPermit owed;  ///< to the host, until its answer is queued
  Executor executor = Executor::Io;
  DataIn data_in = DataIn::Nothing;
  bool connect = false;         ///< the Connect that is being considered
  bool waits_for_host = false;  ///< not all of the data that the host was asked for have come
  Resource charged_to{};        ///< Resource::Requests, HostWaits or EventWaits
  bool digest_failed = false;   ///< of data
  bool abort_requested = false;
  bool with_control = false;     ///< counts for its connection: the control plane has it
  bool data_answer = false;      ///< counts for its connection: has or will have data of its own
  bool close_after = false;      ///< the connection ends when the answer was sent
  BdevHoldPart* hold = nullptr;  ///< what DataIn::Pool is charged to, too
  BdevHoldPart* device_hold = nullptr;  ///< what it is charged to itself, if a device has it or
                                        ///< will have it with the host's data
  uint32_t capsule_bytes = 0;           ///< in-capsule data
  uint32_t host_data_bytes = 0;         ///< of H2CData, announced so far
  uint64_t host_data_due_ns = 0;        ///< all of it, in the host's time (host_debt.h)
  PayloadCursor cursor;
  std::byte* capsule_data = nullptr;  ///< memory of its own for in-capsule data

  SendItem answer_item;
  SendItem r2t_item;
  std::array<std::byte, kHeadBytes> head;
  std::array<std::byte, kTailBytes> tail;
  std::array<std::byte, kHeadBytes> r2t_head;

  std::vector<std::byte> control_data;  ///< what a control command answers: data of its own,
  std::shared_ptr<const ControlPage> control_page;  ///< or a page that others read too
  uint32_t control_page_offset = 0;
  uint32_t control_bytes = 0;  ///< of the answer, with the zeros behind either

  msghdr receive_message = {};  ///< of a receive in place
  /// Of a receive in place, or of the data that a control command answers.
  std::array<iovec, kControlPartsMax> receive_iov;
};

}  // namespace capsuled::transport
