// TcpQpair: a queue pair over one NVMe/TCP connection, from the host's side.
//
// What is to be sent (capsules, H2CData) waits in one queue; each iteration of the reactor gathers
// as much of it as one send takes, headers copied together, data where they are. What comes is read
// by PduReader; data of some size are received straight into the request's memory.
//
//   Idle ──connect()──▶ Connecting ──▶ AwaitIcResp ──▶ Live
//                           └──────────────┴───────────┴──terminate()──▶ Closing ──▶ Idle
//
//   Idle         no socket                                   connect()
//   Connecting   TCP                                         the ring, or terminate()
//   AwaitIcResp  ICReq is on its way                         the controller, or terminate()
//   Live         takes requests                              terminate(), by the owner or an error
//   Closing      the ring still holds something of ours      the last completion
//
// When Closing ends every request has completed, and the owner hears qpair_closed().
//
// A request that is answered while the kernel still reads its data, as a bad controller may bring
// about, completes when it does not any more: only then are the data its owner's again.
//
// Owner: a controller. Thread: the reactor's.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/intrusive_queue.h"
#include "nvme/qpair.h"
#include "pdu/pdu_reader.h"
#include "reactor/reactor.h"

namespace capsuled::nvme {

class TcpQpair;

struct TcpDigests {
  bool header = false;
  bool data = false;
};

/// Who owns a TcpQpair. Called from the reactor's loop.
class TcpQpairOwner {
 public:
  virtual ~TcpQpairOwner() = default;
  /// Connecting has ended well: requests may be submitted.
  virtual void qpair_live(TcpQpair& qpair) = 0;
  /// It takes no requests any more, and those that it has are about to complete with Host Pathing
  /// Error. Also of a connection that never was live.
  virtual void qpair_stopped(TcpQpair& qpair) { (void)qpair; }
  /// The end of a connection that was begun; `reason` is a stable lower_snake word. All requests
  /// have completed. The qpair may be connected again, from inside this call too, or destroyed, but
  /// not from inside it.
  virtual void qpair_closed(TcpQpair& qpair, const char* reason) = 0;
};

struct TcpQpairOptions {
  env::SocketAddress address;
  TcpDigests digests;
  uint16_t entries = 32;  ///< as in Connect; one less may be outstanding
  /// Data that a capsule may carry: on the admin queue and of Connect that is so many, whatever
  /// IOCCSZ says.
  uint32_t in_capsule_bytes = wire::kAdminInCapsuleDataMax;
};

class TcpQpair final : public Qpair, private Poller {
 public:
  TcpQpair(Reactor& reactor, TcpQpairOwner& owner);
  ~TcpQpair() override;
  TcpQpair(const TcpQpair&) = delete;
  TcpQpair& operator=(const TcpQpair&) = delete;

  /// From Idle. The outcome comes to the owner.
  void connect(const TcpQpairOptions& options);
  bool submit(Request& request) override;
  uint32_t outstanding() const override { return outstanding_; }
  /// The controller owes an answer for longer than that: to connect(), or to a request that is not
  /// patient.
  bool is_overdue(uint64_t timeout_ns) const;
  /// Nothing if it is Idle or Closing. `by_controller`: the controller has ended the association.
  void terminate(const char* reason, bool by_controller = false);
  bool ended_by_controller() const override { return ended_by_controller_; }
  bool live() const { return state_ == State::Live; }
  bool idle() const { return state_ == State::Idle; }
  /// IOCCSZ counts once Connect was answered.
  void set_in_capsule_bytes(uint32_t bytes) { in_capsule_bytes_ = bytes; }

  // From PduReader.
  PduVerdict on_header(const PduHeader& header, PayloadCursor*& payload);
  void on_pdu(DataDigest digest);
  void on_error(const PduError& error);

 private:
  enum class State : uint8_t { Idle, Connecting, AwaitIcResp, Live, Closing };
  static constexpr uint32_t kIovMax = 512;
  static constexpr uint32_t kHeaderBytesMax = 32 * 1024;
  static constexpr uint32_t kReceiveBytes = 256 * 1024;
  /// Payloads with at least this many bytes to come are received where they belong.
  static constexpr uint32_t kInPlaceBytesMin = 16 * 1024;

  struct Op : env::RingOp {
    TcpQpair* qpair = nullptr;
  };
  /// One outstanding command, by CID.
  struct Slot {
    Request* request = nullptr;
    uint64_t submitted_ns = 0;
    PayloadCursor cursor;       // where the next byte from the controller goes
    uint32_t received = 0;      // bytes of data from the controller
    uint32_t sent = 0;          // of the data that the controller asked for last
    uint32_t asked_offset = 0;  // R2TO
    uint32_t asked_bytes = 0;   // R2TL; 0: the command itself is to be sent
    uint16_t ttag = 0;
    bool data_failed = false;  // a data digest was wrong
    bool sending = false;      // the send in flight reads its data
    bool answered = false;     // `answer` waits for the end of that send
    wire::CompletionQueueEntry answer = {};
    QueueNode send_node;
  };

  PollResult poll() override;
  void set_state(State state);

  // Sending.
  void gather();
  bool gather_capsule(Slot& slot);
  bool gather_host_data(Slot& slot);
  bool has_room(uint32_t iov_count) const;
  void append(const void* bytes, size_t count);
  void append_header(void* header, uint32_t hlen, uint32_t data_bytes, uint8_t flags);
  void append_payload(Slot& slot, uint32_t offset, uint32_t bytes);
  void send();
  void on_sent(env::Completion completion);
  void send_ic_req();

  // Receiving.
  void arm();
  void on_received(env::Completion completion);
  Slot* slot_of(uint16_t cid);
  PduVerdict refuse(const char* reason);
  PduVerdict begin_data(const PduHeader& header, PayloadCursor*& payload);
  PduVerdict on_r2t(const PduHeader& header);
  void on_ic_resp();
  void on_data_end(DataDigest digest);
  void on_response();
  void complete(uint16_t cid, const wire::CompletionQueueEntry& cqe);
  void finish(Slot& slot, const wire::CompletionQueueEntry& cqe);

  void close_join();
  void fail_requests();

  Reactor& reactor_;
  TcpQpairOwner& owner_;
  State state_ = State::Idle;
  const char* reason_ = "";
  bool ended_by_controller_ = false;
  env::SocketAddress address_;
  TcpDigests digests_;
  uint32_t in_capsule_bytes_ = 0;
  uint32_t maxh2cdata_ = 0;
  int fd_ = -1;
  uint64_t begun_ns_ = 0;  // connect()

  std::vector<Slot> slots_;
  std::vector<uint16_t> free_cids_;
  uint32_t outstanding_ = 0;
  Queue<Slot, &Slot::send_node> to_send_;
  std::vector<uint16_t> sending_cids_;  // of the slots that are `sending`

  Op send_op_;
  msghdr send_message_ = {};
  std::array<iovec, kIovMax> send_iov_;
  uint32_t send_iov_count_ = 0;
  size_t send_bytes_ = 0;
  std::unique_ptr<std::byte[]> headers_;
  uint32_t headers_bytes_ = 0;

  Op receive_op_;  // connect, receive, close: one at a time
  msghdr receive_message_ = {};
  std::array<iovec, 34> receive_iov_;
  size_t direct_bytes_ = 0;  // of the receive that is armed
  std::unique_ptr<std::byte[]> receive_buffer_;
  PduReader<TcpQpair, PduEnd::Host> reader_;
  wire::PduType pdu_type_ = {};
  wire::IcResp ic_resp_ = {};
  wire::CompletionQueueEntry cqe_ = {};
  uint16_t data_cid_ = 0;
  bool data_last_ = false;
  bool data_success_ = false;
};

}  // namespace capsuled::nvme
