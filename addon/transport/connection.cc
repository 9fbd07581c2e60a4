// The life of a connection: states, time-outs, termination.
#include "transport/connection.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "nvmf/io_command.h"
#include "transport/admission.h"
#include "transport/group_core.h"

namespace capsuled::transport {

namespace {

constexpr std::array<uint64_t TransportStats::*, kConnectionStateCount> kGauges = {
    &TransportStats::connection_free,          &TransportStats::connection_await_icreq,
    &TransportStats::connection_await_connect, &TransportStats::connection_live,
    &TransportStats::connection_terminating,   &TransportStats::connection_draining,
    &TransportStats::connection_closing,
};

uint64_t& error_count(TransportStats& stats, wire::FatalErrorStatus status) {
  switch (status) {
    case wire::FatalErrorStatus::kInvalidPduHeaderField: return stats.error_invalid_pdu_header;
    case wire::FatalErrorStatus::kPduSequenceError: return stats.error_pdu_sequence;
    case wire::FatalErrorStatus::kHeaderDigestError: return stats.error_header_digest;
    case wire::FatalErrorStatus::kDataTransferOutOfRange: return stats.error_data_out_of_range;
    case wire::FatalErrorStatus::kDataTransferLimitExceeded: return stats.error_data_limit_exceeded;
    case wire::FatalErrorStatus::kUnsupportedParameter: return stats.error_unsupported_parameter;
  }
  UNREACHABLE();
}

const char* error_reason(wire::FatalErrorStatus status) {
  switch (status) {
    case wire::FatalErrorStatus::kInvalidPduHeaderField: return "invalid_pdu_header";
    case wire::FatalErrorStatus::kPduSequenceError: return "pdu_sequence_error";
    case wire::FatalErrorStatus::kHeaderDigestError: return "header_digest_error";
    case wire::FatalErrorStatus::kDataTransferOutOfRange: return "data_transfer_out_of_range";
    case wire::FatalErrorStatus::kDataTransferLimitExceeded: return "data_transfer_limit_exceeded";
    case wire::FatalErrorStatus::kUnsupportedParameter: return "unsupported_parameter";
  }
  UNREACHABLE();
}

uint32_t next_generation(uint32_t generation) {
  const uint32_t next = (generation + 1) & ((1u << kHandleGenerationBits) - 1);
  return next == 0 ? 1 : next;
}

}  // namespace

Connection::Connection(GroupCore& core, uint32_t slot) : core_(core), slot_(slot) {
  receive_op_.connection = this;
  for (WaitNode& node : wait_nodes_) node.connection = this;
  stalled_.connection = this;
  close_op_.connection = this;
  close_op_.complete = [](env::RingOp& op, env::Completion) {
    static_cast<Op&>(op).connection->drain_closed();
  };
}

Connection::~Connection() { ASSERT(state_ == ConnectionState::Free); }

void Connection::set_state(ConnectionState state) {
  ASSERT_MSG(connection_may_become(state_, state), "a transition that connections do not have");
  uint64_t& before = core_.stats.*kGauges[static_cast<size_t>(state_)];
  uint64_t& after = core_.stats.*kGauges[static_cast<size_t>(state)];
  set_stat(before, before - 1);
  set_stat(after, after + 1);
  state_ = state;
  state_since_ns_ = core_.now_ns();
}

void Connection::open(int fd, uint32_t listener, const env::Endpoint& local,
                      const env::Endpoint& peer, uint32_t ticket) {
  generation_ = next_generation(generation_);
  id_ = make_handle(core_.reactor.index(), slot_, generation_);
  fd_ = fd;
  ticket_ = ticket;
  if (core_.options.admission != nullptr) core_.options.admission->opened(ticket_, id_);
  reason_ = "";
  connect_pending_ = false;
  outstanding_ = 0;
  ASSERT(with_control_ == 0 && data_answers_ == 0 && awaiting_post_.empty());
  r2ts_ = 0;
  debt_ = HostDebt{};
  address_key_ = std::hash<std::string>{}(Admission::host_of(peer.address));
  peer_ = &core_.peers.join(AccountKind::Stranger, address_key_);
  core_.reactor.env().limit_unsent(fd_, kUnsentBytesMax);
  to_take_bytes_ = 0;
  qpair_ = nvmf::Qpair{};
  entries_ = kEntriesBeforeConnect;
  writer_ = PduWriter{};
  reader_.reset();
  stall_ = Stall::None;
  core_.connections.push_back(*this);
  count(core_.stats.connections_total);
  set_state(ConnectionState::AwaitIcReq);
  received_ns_ = core_.now_ns();

  auto event = make_event(ControlEventType::ConnectionOpened);
  event->listener = listener;
  event->reactor = core_.reactor.index();
  event->local = local;
  event->peer = peer;
  core_.post(std::move(event));

  set_receiver(ReceiverState::Idle);
  arm();
}

void Connection::set_table(nvmf::NamespaceTable& table) {
  // Also while it drains: the table that it had may go.
  if (qpair_.table != nullptr && qpair_.qid != 0) qpair_.table = &table;
}

void Connection::attach(TcpRequest& connect, const QueueAttach& attach, nvmf::NamespaceTable* table,
                        nvmf::QueueStats* stats) {
  ASSERT(state_ == ConnectionState::AwaitConnect && connect_pending_);
  ASSERT(attach.entries > 0 && attach.controller != 0);
  qpair_.qid = attach.qid;
  qpair_.entries = attach.entries;
  entries_ = attach.entries;
  qpair_.sqhd = static_cast<uint16_t>(1 % attach.entries);  // Connect was the first entry
  qpair_.flow_control_disabled = attach.flow_control_disabled;
  qpair_.retry_delay = attach.retry_delay;
  qpair_.controller = attach.controller;
  qpair_.flow = slot_ + 1;
  qpair_.table = table;
  qpair_.stats = stats;
  if (attach.qid != 0) to_take_bytes_ = kTakenBytesMin;
  if (attach.qid == 0) {
    controller_ = std::make_unique<nvmf::Controller>(
        core_.reactor, attach.controller, attach.asynchronous_events_max,
        [](nvmf::Controller&, void* argument) {
          auto& connection = *static_cast<Connection*>(argument);
          connection.core_.post(connection.make_event(ControlEventType::KeepAliveExpired));
          count(connection.core_.stats.keep_alive_expired);
          connection.terminate("keep_alive_expired");
        },
        this);
    core_.controllers[attach.controller] = controller_.get();
  }
  const AccountKind of_host = attach.qid == 0 ? AccountKind::HostAdmin : AccountKind::HostIo;
  const AccountKind kind = attach.discovery ? AccountKind::Discovery : of_host;
  become(core_.peers.join(kind, attach.host, attach.host_is_first));
  set_state(ConnectionState::Live);
  if (core_.options.admission != nullptr) core_.options.admission->connected(ticket_);
  leave_control(connect);
  connect.cqe.dw0.set(attach.dw0);
  complete(connect, wire::GenericStatus::kSuccess);
}

/// Of this connection, as it is now. Names cost nothing on discovery, so there an address has one
/// line.
std::unique_ptr<ControlEvent> Connection::make_event(ControlEventType type) const {
  auto event = std::make_unique<ControlEvent>();
  event->type = type;
  event->kind = peer_of(peer_->kind->kind());
  event->account = event->kind == PeerKind::Host ? peer_->key : address_key_;
  event->connection = id_;
  event->controller = qpair_.controller;
  event->qid = qpair_.qid;
  return event;
}

/// Another account from now on; what is held now stays with the one before until it is given back.
void Connection::become(Peer& peer) {
  ASSERT(parked_count_ == 0 && places_ == 0 && r2ts_ == 0);
  Peer& before = *std::exchange(peer_, &peer);
  before.references += static_cast<uint32_t>(requests_.size());
  if (wait_node(Wait::Stream).node.linked()) {
    core_.peers.cancel(before, Wait::Stream, wait_node(Wait::Stream));
    core_.peers.wait_ready(peer, Wait::Stream, wait_node(Wait::Stream), core_.now_ns());
  }
  core_.peers.leave(before);
}

// ---- Errors and time-outs -----------------------------------------------------------------------

void Connection::on_error(const PduError& error) {
  fail(error.status, error.information, error.header, error_reason(error.status));
}

/// A fatal error of the host: C2HTermReq, and what is under way ends.
void Connection::fail(wire::FatalErrorStatus status, size_t information,
                      std::span<const std::byte> header, const char* reason) {
  if (ended()) return;
  reader_.stop();
  count(error_count(core_.stats, status));
  if (status == wire::FatalErrorStatus::kHeaderDigestError) reason = "header_digest_error";
  reason_ = reason;
  set_state(ConnectionState::Terminating);
  drain_requests();
  PduWriter::write_term_req(term_req_, PduError{status, static_cast<uint32_t>(information), header},
                            term_req_item_);
  queue(term_req_item_);
}

void Connection::check_timeouts(uint64_t now_ns) {
  const GroupOptions& options = core_.options;
  const auto since = [now_ns](uint64_t then_ns) { return now_ns > then_ns ? now_ns - then_ns : 0; };
  switch (state_) {
    case ConnectionState::AwaitIcReq:
      if (since(state_since_ns_) < options.icreq_timeout_ns) return;
      count(core_.stats.error_icreq_timeout);
      terminate("icreq_timeout");
      return;
    case ConnectionState::AwaitConnect:
      // Once all of Connect is with the control plane, the wait is ours and not the host's fault.
      if (with_control_ > 0 || since(state_since_ns_) < options.connect_timeout_ns) break;
      count(core_.stats.error_connect_timeout);
      terminate("connect_timeout");
      return;
    case ConnectionState::Live: resume_if_device_hangs(); break;
    case ConnectionState::Terminating:
      if (since(state_since_ns_) >= kTermReqTimeoutNs) drain(reason_);
      return;
    case ConnectionState::Free:
    case ConnectionState::Draining:
    case ConnectionState::Closing: return;
  }
  const bool late_out = batch_ != nullptr && since(send_since_ns_) >= options.pdu_timeout_ns;
  if (!is_pdu_late(now_ns) && !host_data_late(now_ns) && !late_out) return;
  count(core_.stats.error_pdu_timeout);
  terminate("pdu_timeout");
}

/// Whether a PDU has been on its way too long. Its time begins when it is first seen here, and no
/// byte of it renews that: a large PDU has more of it, by its length and kPduBytesPerSecondMin.
bool Connection::is_pdu_late(uint64_t now_ns) {
  // While the receiver is stopped by us, the rest of a PDU is not the host's fault.
  const bool receiving = receiver_ == ReceiverState::Framing || receiver_ == ReceiverState::InPlace;
  if (!receiving || !reader_.inside_pdu()) {
    pdu_since_ns_ = 0;
    return false;
  }
  if (pdu_since_ns_ == 0 || watched_pdu_ != pdu_count_) {
    watched_pdu_ = pdu_count_;
    // Its first bytes came with the last receive, or before.
    pdu_since_ns_ = received_ns_;
  }
  // A length that no PDU may have is found out with the rest of its header.
  const uint64_t bytes = std::min(reader_.pdu_bytes(), kMaxh2cdata);
  const uint64_t transfer_ns = bytes * 1'000'000'000 / kPduBytesPerSecondMin;
  return now_ns >= pdu_since_ns_ + core_.options.pdu_timeout_ns + transfer_ns;
}

/// Data that an R2T asked for are overdue.
bool Connection::host_data_late(uint64_t now_ns) {
  if (r2ts_ == 0) return false;
  debt_.pass(now_ns, receiver_ == ReceiverState::Framing || receiver_ == ReceiverState::InPlace);
  bool late = debt_.late(core_.options.pdu_timeout_ns);
  requests_.for_each([&](const TcpRequest& request) {
    late = late || (request.state == RequestState::AwaitHostData &&
                    debt_.time_ns() >= request.host_data_due_ns);
  });
  return late;
}

// ---- Termination --------------------------------------------------------------------------------

void Connection::terminate(const char* reason) {
  // A C2HTermReq on its way is left to its own, short time-out.
  if (state_ == ConnectionState::Free || ended()) return;
  drain(reason);
}

/// Nothing more is read or sent; waits for what cannot be taken back.
void Connection::drain(const char* reason) {
  if (state_ == ConnectionState::Draining || state_ == ConnectionState::Closing) return;
  reason_ = reason;
  reader_.stop();
  set_state(ConnectionState::Draining);
  core_.peers.cancel(*peer_, Wait::Stream, wait_node(Wait::Stream));
  core_.bdevs.forget(stalled_);
  if (core_.buffer_line.contains(*this)) core_.buffer_line.remove(*this);
  if (receiver_ == ReceiverState::Stalled || receiver_ == ReceiverState::NoBuffer) {
    set_receiver(ReceiverState::Stopped);
  }
  drop_unsent();
  drain_requests();
  core_.reactor.env().shutdown(fd_);
  if (receive_op_.in_flight) core_.reactor.ring().cancel(receive_op_);
  if (batch_ != nullptr) core_.reactor.ring().cancel(batch_->op);
  drain_join();
}

void Connection::drain_requests() {
  // A request that ends here must not take others with it: drain_join() waits for the loop's end.
  cancelling_ = true;
  requests_.for_each([this](TcpRequest& request) { cancel_request(request); });
  drop_parked();
  cancelling_ = false;
}

/// Ends the request, or asks whoever has it to end it early.
void Connection::cancel_request(TcpRequest& request) {
  switch (request.state) {
    case RequestState::Executing:
      if (request.executor == Executor::AsynchronousEvent) {
        if (controller_->unpark(request)) request.answer(wire::GenericStatus::kAbortedSqDeletion);
      } else {
        nvmf::io_cancel(request);
      }
      return;
    case RequestState::Receiving:
    case RequestState::AwaitHostData:
    case RequestState::AwaitControl: retire(request); return;
    case RequestState::Responding:
    case RequestState::Retiring:
      // While Terminating, what is queued goes out before the C2HTermReq.
      if (state_ == ConnectionState::Draining) retire(request);
      return;
    case RequestState::Free: return;
  }
}

void Connection::drain_join() {
  if (state_ != ConnectionState::Draining || cancelling_) return;
  if (receive_op_.in_flight || batch_ != nullptr || !requests_.empty()) return;
  ASSERT(outstanding_ == 0 && send_queue_.empty());
  ASSERT(parked_count_ == 0 && places_ == 0 && r2ts_ == 0);
  if (receiver_ != ReceiverState::Stopped) set_receiver(ReceiverState::Stopped);
  kept_.reset();
  kept_bytes_ = 0;
  set_state(ConnectionState::Closing);
  core_.reactor.ring().close(close_op_, fd_);
}

void Connection::drain_closed() {
  fd_ = -1;
  auto event = make_event(ControlEventType::ConnectionClosed);
  event->reason = reason_;
  event->ticket = ticket_;
  if (core_.options.admission != nullptr) core_.options.admission->closed(ticket_);
  core_.post(std::move(event));
  if (controller_ != nullptr) {
    const auto found = core_.controllers.find(controller_->handle());
    if (found != core_.controllers.end() && found->second == controller_.get()) {
      core_.controllers.erase(found);
    }
    controller_.reset();
  }
  core_.peers.leave(*std::exchange(peer_, nullptr));
  set_state(ConnectionState::Free);
  id_ = 0;
  core_.connections.remove(*this);
  core_.free_slots.push_back(slot_);
}

}  // namespace capsuled::transport
