// Connection: one TCP connection of a host, from its socket to its end: receiving, commands,
// sending, termination.
//
// The states are in connection_state.h. Three machines work together: the receiver (at most one
// receive in flight, fed to PduReader), the requests (tcp_request.h), and the sender (a queue of
// SendItems, at most one send in flight). A connection never waits for anything else than what its
// states name, and every wait is ended by a completion, by a line of the group, or by a time-out.
//
// Sources: connection.cc states and termination · connection_receive.cc bytes and PDUs ·
// connection_command.cc commands · connection_parked.cc commands that wait for memory ·
// connection_send.cc answers.
//
// Owner: the group's slots. Thread: the reactor's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "nvmf/controller.h"
#include "nvmf/qpair.h"
#include "pdu/pdu_reader.h"
#include "transport/connection_state.h"
#include "transport/control_queue.h"
#include "transport/group.h"
#include "transport/host_debt.h"
#include "transport/parked_command.h"
#include "transport/pdu_writer.h"
#include "transport/peers.h"
#include "transport/pending_aborts.h"
#include "transport/tcp_request.h"

namespace capsuled::transport {

struct GroupCore;

class Connection {
 public:
  Connection(GroupCore& core, uint32_t slot);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Free → AwaitIcReq: takes over the socket.
  void open(int fd, uint32_t listener, const env::Endpoint& local, const env::Endpoint& peer,
            uint32_t ticket);
  ConnectionState state() const { return state_; }
  ConnectionId id() const { return id_; }
  /// SQ entries, or as many commands as may be under way before there is a queue.
  uint32_t entries() const { return entries_; }

  std::unique_ptr<ControlEvent> make_event(ControlEventType type) const;

  // From the control plane.
  void attach(TcpRequest& connect, const QueueAttach& attach, nvmf::NamespaceTable* table,
              nvmf::QueueStats* stats);
  /// The namespaces of an I/O queue, from now on.
  void set_table(nvmf::NamespaceTable& table);
  void answer(TcpRequest& request, ControlAnswer&& answer);
  /// See Group::abort().
  void abort(uint16_t cid, AbortDone done);
  /// Ends the connection, for a reason that is a stable word. A second reason is ignored.
  void terminate(const char* reason);

  // From the group's poller and timer.
  void send();
  void resume();
  Turn take_turn(Wait wait);
  /// The bdev of `command`, which is parked here, has less: see BdevShares::serve().
  uint32_t resume_beside(ParkedCommand& command, uint32_t taken);
  void check_timeouts(uint64_t now_ns);
  bool host_data_late(uint64_t now_ns);

  /// The completion of a send.
  static void batch_sent(env::RingOp& op, env::Completion completion);

  // From PduReader.
  PduVerdict on_header(const PduHeader& header, PayloadCursor*& payload);
  void on_pdu(DataDigest digest);
  void on_error(const PduError& error);

  ListNode group_node;   ///< all that are not Free
  ListNode send_node;    ///< has something to send, and no send in flight
  ListNode buffer_node;  ///< waits for a receive buffer

 private:
  struct Op : env::RingOp {
    Connection* connection = nullptr;
  };
  /// Why the receiver is stalled, and what moves it on.
  enum class Stall : uint8_t {
    None,
    Requests,  ///< its peer's line
    Places,    ///< the claim that its parked command waits for
    Device,    ///< the bdev of its next command, or that it counts as one that hangs
    Own,       ///< the end of a request of its own
  };
  /// What becomes of a command whose device may keep it.
  enum class Start : uint8_t {
    Begin,
    Wait,       ///< the stream waits for the device: `stalled_`
    Interrupt,  ///< it is refused: the device hangs
  };
  /// What a command needs before it begins.
  struct Need {
    Wait wait = Wait::Small;
    Resource buffers = Resource::SmallBuffers;
    uint32_t buffer_count = 0;
    bool host_data = false;  ///< an R2T
  };

  // connection.cc
  void set_state(ConnectionState state);
  void fail(wire::FatalErrorStatus status, size_t information, std::span<const std::byte> header,
            const char* reason);
  bool ended() const { return state_ >= ConnectionState::Terminating; }
  void drain(const char* reason);
  void drain_requests();
  void become(Peer& peer);
  WaitNode& wait_node(Wait wait) { return wait_nodes_[static_cast<size_t>(wait)]; }
  void drain_join();
  void drain_closed();
  void cancel_request(TcpRequest& request);
  bool is_pdu_late(uint64_t now_ns);

  // connection_receive.cc
  void set_receiver(ReceiverState state);
  void pump(std::span<const std::byte> bytes);
  void arm();
  uint32_t receive_bytes_max() const;
  void on_received(env::Completion completion);
  void on_received_in_place(env::Completion completion);
  void received(int32_t result);
  void on_ic_req();
  PduVerdict begin_capsule(const PduHeader& header, PayloadCursor*& payload);
  void begin_host_data(const PduHeader& header, PayloadCursor*& payload);
  void on_host_data(TcpRequest& request, DataDigest digest);

  // connection_command.cc
  static const nvmf::RequestOwner kOwner;
  TcpRequest& make_request(const PduHeader& header);
  TcpRequest& make_interrupted_request(const PduHeader& header);
  void enter(TcpRequest& request);
  TcpRequest& new_request(const wire::SubmissionQueueEntry& sqe, uint32_t capsule_bytes);
  TcpRequest& take_request(const wire::SubmissionQueueEntry& sqe, uint32_t capsule_bytes);
  void plan(TcpRequest& request);
  void on_capsule(TcpRequest& request, DataDigest digest);
  bool lend(TcpRequest& request);
  void execute(TcpRequest& request);
  void charge_device(TcpRequest& request, uint32_t number);
  void park_event_request(TcpRequest& request);
  void send_to_control(TcpRequest& request);
  bool may_post(const TcpRequest& request) const;
  void post_command(TcpRequest& request);
  void post_commands();
  void leave_control(TcpRequest& request);
  TcpRequest* find_abortable(uint16_t cid);
  void release_data(TcpRequest& request) {
    if (request.data_in != DataIn::Nothing) put_data(request);
  }
  void put_data(TcpRequest& request);
  bool is_held(const TcpRequest& request) const;
  void retire(TcpRequest& request);

  // connection_parked.cc
  static BdevShare share_of(const Need& need) {
    return need.buffers == Resource::LargeBuffers ? BdevShare::LargeBuffers
                                                  : BdevShare::SmallBuffers;
  }
  static Need need_of(Executor executor, nvmf::Direction direction, uint32_t bytes);
  void use_own_memory(TcpRequest& request);
  Shortage shortage_of(const Need& need) const;
  /// Nobody of its peer waits with a stream, and a request is within the guarantee.
  bool has_request() const {
    const PeerShare& requests = peer_->share(Resource::Requests);
    return peer_->line(Wait::Stream).connections.empty() && requests.held < requests.guarantee;
  }
  Shortage shortage_of_stream() const;
  /// Places for all commands that the queue can have, if there are as many.
  [[nodiscard]] Shortage claim_places() { return places_ > 0 ? Shortage{} : take_places(); }
  [[nodiscard]] Shortage take_places();
  /// With nothing parked and no R2T outstanding, others may have the places.
  void settle_places() {
    if (r2ts_ == 0 && parked_count_ == 0) give_places();
  }
  void give_places();
  void unstall(Stall reason) {
    if (receiver_ == ReceiverState::Stalled && stall_ == reason) [[unlikely]]
      await_stream();
  }
  void await_stream();
  void start(TcpRequest& request);
  void begin(TcpRequest& request, const Need& need);
  void ask_for_data(TcpRequest& request);
  void end_host_wait(TcpRequest& request) {
    if (request.waits_for_host) [[unlikely]]
      all_data_came(request);
  }
  void all_data_came(TcpRequest& request);
  static void take_device(TcpRequest& request, BdevHoldPart& part) {
    request.device_hold = &part;
    BdevShares::take(part, 1);
  }
  void leave_device(TcpRequest& request);
  void forgo_data(TcpRequest& request);
  BdevHoldPart* hold_of(const TcpRequest& request, const Need& need) const;
  bool is_over(const Need& need, const BdevHoldPart& hold, uint32_t taken) const;
  /// What the request of a command that begins is charged to.
  static Resource requests_for(bool host_data) {
    return host_data ? Resource::HostWaits : Resource::Requests;
  }
  bool has_too_many(bool host_data, const BdevHoldPart& device, uint32_t taken) const;
  BdevHoldPart* part_of_device(bool host_data, const wire::SubmissionQueueEntry& sqe) const;
  /// What the host has of the device that the command is for, if that matters: it does beyond the
  /// host's guarantee. `more`: requests that it takes.
  BdevHoldPart* device_part(bool host_data, const wire::SubmissionQueueEntry& sqe,
                            uint32_t more) const {
    const PeerShare& requests = peer_->share(requests_for(host_data));
    if (requests.held + more <= requests.guarantee) [[likely]]
      return nullptr;
    return part_of_device(host_data, sqe);
  }
  BdevHoldPart* line_of(const Need& need, BdevHoldPart* hold, BdevHoldPart* device,
                        const BdevHoldPart* waited) const;
  Start start_of(const wire::SubmissionQueueEntry& sqe);
  void resume_if_device_hangs();
  ParkedCommand& keep(TcpRequest& request, ParkedList& list);
  void park(TcpRequest& request, const Need& need, Shortage shortage);
  void park_beside(TcpRequest& request, BdevHoldPart& line);
  CommandNote take_out(ParkedList& list, ParkedCommand& command);
  ParkedCommand* find_parked(ParkedList& list, uint16_t cid);
  void answer_parked(ParkedList& list, ParkedCommand& command, wire::Status status);
  TcpRequest& unpark(ParkedList& list, ParkedCommand& command);
  Turn resume_parked(Wait wait);
  Turn resume_stream();
  Turn resume_places();
  [[nodiscard]] bool abort_parked(uint16_t cid);
  void drop_parked();

  // connection_send.cc
  void complete(TcpRequest& request, wire::Status status);
  void tell_failure(TcpRequest& request, wire::Status status);
  void respond(TcpRequest& request);
  void queue(SendItem& item);
  void on_sent(SendBatch& batch, env::Completion completion);
  void note_taken(uint64_t bytes);
  void sent(SendItem& item);
  void drop_unsent();

  GroupCore& core_;
  const uint32_t slot_;
  uint32_t generation_ = 0;
  ConnectionId id_ = 0;
  int fd_ = -1;
  uint32_t ticket_ = 0;  // of Admission
  ConnectionState state_ = ConnectionState::Free;
  ReceiverState receiver_ = ReceiverState::Stopped;
  Stall stall_ = Stall::None;
  bool connect_pending_ = false;
  bool cancelling_ = false;  // inside drain_requests()
  const char* reason_ = "";

  uint32_t entries_ = kEntriesBeforeConnect;
  nvmf::Qpair qpair_;
  PduWriter writer_;
  PduReader<Connection> reader_;
  wire::PduType pdu_type_ = {};    // of the PDU that is being received
  TcpRequest* current_ = nullptr;  // whose data are being received
  uint64_t address_key_ = 0;       // the same for connections of one address
  Peer* peer_ = nullptr;           // whose account it is
  uint32_t outstanding_ = 0;       // commands whose answer was not queued
  uint32_t with_control_ = 0;      // commands that the control plane has and has not answered
  uint32_t data_answers_ = 0;      // commands that read, from there until their answer was sent
  IntrusiveList<TcpRequest, &TcpRequest::owner_node> requests_;
  IntrusiveList<TcpRequest, &TcpRequest::control_node> awaiting_post_;

  std::array<ParkedList, 2> parked_;  // by Wait::Small and Wait::Large
  ParkedList beside_;                 // those that wait for their bdev
  uint32_t parked_count_ = 0;
  ParkedCommand stalled_;  // in the line of a bdev: the next command of the stream (Stall::Device)
  uint32_t places_ = 0;    // claimed, for parked commands; 0: no claim
  uint32_t r2ts_ = 0;      // whose data have not all come
  std::array<WaitNode, kWaitCount> wait_nodes_;
  Shortage stream_shortage_;   // while the receiver is stalled
  bool stream_moved_ = false;  // during a turn
  HostDebt debt_;
  uint32_t host_data_pdu_bytes_ = 0;  // of the H2CData that is being received

  SendQueue send_queue_;
  SendBatch* batch_ = nullptr;
  Op receive_op_;
  Op close_op_;

  // What a stalled reader did not take: copied aside, so that a shared receive buffer never waits
  // for a connection.
  std::unique_ptr<std::byte[]> kept_;
  uint32_t kept_bytes_ = 0;

  uint64_t state_since_ns_ = 0;
  uint64_t pdu_since_ns_ = 0;  // when the watched PDU was first seen unfinished
  uint32_t pdu_count_ = 0;     // complete ones; wraps
  uint32_t watched_pdu_ = 0;   // pdu_count_ when pdu_since_ns_ was written
  uint64_t received_ns_ = 0;
  uint64_t send_since_ns_ = 0;
  uint64_t to_take_bytes_ = 0;  ///< before it is known that the host takes its answers

  std::unique_ptr<nvmf::Controller> controller_;
  wire::IcReq ic_req_ = {};
  SendItem ic_resp_item_;
  SendItem term_req_item_;
  std::array<std::byte, sizeof(wire::IcResp)> ic_resp_;
  std::array<std::byte, PduWriter::kTermReqBytes> term_req_;
};

static_assert(sizeof(Connection) <= 2048, "a connection at rest is small");

}  // namespace capsuled::transport
