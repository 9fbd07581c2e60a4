// SendItem: bytes that a connection owes its host, in one piece of its stream: some header, data of
// the request's buffers, some trailer. Items are queued in order; one gather send takes as many as
// its iovecs hold.
//
// SendBatch: what one send needs while it is in flight. Batches belong to the group and are
// borrowed for a send, so that a connection at rest pays nothing for them. A batch that has enough
// bytes takes no more, and may end inside an item: the copy into the socket is the longest thing
// that a connection does in its turn, and all others wait for it.
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
  iovec tail = {};          ///< empty: none
  uint32_t body_given = 0;  ///< parts of the body that batches have taken

  uint32_t iov_count() const {
    return 1 + (pad_bytes > 0 ? 1 : 0) + body_count + (tail.iov_len > 0 ? 1 : 0);
  }
};

using SendQueue = Queue<SendItem, &SendItem::node>;

struct SendBatch {
  static constexpr uint32_t kIovMax = 256;
  /// More gains nothing.
  static constexpr size_t kBytesEnough = 1024 * 1024;
  /// Beside connections that send little. Still less makes large transfers much slower: the copies
  /// then go to memory that the peer's processor has just read.
  static constexpr size_t kBytesEnoughBesideSmall = 512 * 1024;
  static constexpr size_t kSmallBytes = 64 * 1024;
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
  size_t bytes_enough = 0;
  uint32_t iov_count = 0;
  std::array<iovec, kIovMax> iov;

  bool has_room_for(const SendItem& item) const {
    return bytes < bytes_enough && iov_count + item.iov_count() <= kIovMax;
  }
  void add(const iovec& part) {
    iov[iov_count++] = part;
    bytes += part.iov_len;
  }
};

}  // namespace capsuled::transport
