// SendItem: bytes that a connection owes its host, in one piece of its stream: some header, data of
// the request's buffers, some trailer. Items are queued in order; one gather send takes as many as
// its iovecs hold.
//
// SendBatch: what one send needs while it is in flight. Batches belong to the group and are
// borrowed for a send, so that a connection at rest pays nothing for them.
//
// Owner of an item: a TcpRequest (its answer, its R2T) or the connection (ICResp, C2HTermReq).
// Thread: the reactor's.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>

#include "base/intrusive_list.h"
#include "base/intrusive_queue.h"
#include "env/ring.h"
#include "reactor/buffer_pool.h"

namespace capsuled::transport {

class Connection;
struct TcpRequest;

/// What happens when the host has it (or never will).
enum class SendKind : uint8_t {
  Response,  ///< the request's last bytes: it becomes free
  R2t,       ///< the request goes on by itself
  IcResp,
  TermReq,  ///< the last bytes of the connection
};

struct SendItem {
  QueueNode node;
  SendKind kind = SendKind::Response;
  uint8_t pdu_count = 1;
  uint8_t pad_bytes = 0;   ///< zeros between head and body
  bool submitted = false;  ///< given to the ring: the host may have it
  TcpRequest* request = nullptr;
  iovec head = {};
  const iovec* body = nullptr;
  uint32_t body_count = 0;
  iovec tail = {};  ///< empty: none

  uint32_t iov_count() const {
    return 1 + (pad_bytes > 0 ? 1 : 0) + body_count + (tail.iov_len > 0 ? 1 : 0);
  }
};

using SendQueue = Queue<SendItem, &SendItem::node>;

struct SendBatch {
  static constexpr uint32_t kIovMax = 256;
  static_assert(kIovMax >= kTransferBuffersMax + 3, "an item fits a batch");

  struct Op : env::RingOp {
    SendBatch* batch = nullptr;
  };
  Op op;
  QueueNode node;  ///< while free
  Connection* connection = nullptr;
  msghdr message = {};
  SendQueue items;
  size_t bytes = 0;
  std::array<iovec, kIovMax> iov;
};

}  // namespace capsuled::transport
