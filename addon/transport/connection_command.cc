// Commands: from a complete capsule to whoever carries it out.
#include <algorithm>
#include <cstring>
#include <utility>

#include "nvmf/io_command.h"
#include "transport/connection.h"
#include "transport/control_command.h"
#include "transport/group_core.h"
#include "wire/admin_command.h"
#include "wire/fabrics.h"

namespace capsuled::transport {

constexpr nvmf::RequestOwner Connection::kOwner = {
    .answered =
        [](nvmf::Request& request) {
          auto& mine = static_cast<TcpRequest&>(request);
          mine.connection->respond(mine);
        },
    .given_to_device =
        [](nvmf::Request& request, uint32_t number) {
          auto& mine = static_cast<TcpRequest&>(request);
          mine.connection->charge_device(mine, number);
        },
};

/// A request for a command, charged to this connection's peer: there is one. In line, because each
/// command begins here.
[[gnu::always_inline]] inline TcpRequest& Connection::new_request(
    const wire::SubmissionQueueEntry& sqe, uint32_t capsule_bytes) {
  core_.peers.take(*peer_, Resource::Requests, 1);
  TcpRequest& request = core_.requests->get();
  core_.requests->set_state(request, RequestState::Receiving);
  requests_.push_back(request);
  request.connection = this;
  request.peer = peer_;
  request.sqe = sqe;
  request.cqe = {};
  request.qpair = &qpair_;
  request.plan = {};
  request.ns = nullptr;
  request.step = 0;
  request.step_count = 0;
  request.cancel_requested = false;
  request.owner = &kOwner;
  request.data_in = DataIn::Nothing;
  request.connect = false;
  request.waits_for_host = false;
  request.charged_to = Resource::Requests;
  request.device_hold = nullptr;
  request.with_control = false;
  request.data_answer = false;
  request.digest_failed = false;
  request.abort_requested = false;
  request.close_after = false;
  request.capsule_bytes = capsule_bytes;
  request.host_data_bytes = 0;
  request.answer_item.submitted = false;
  request.r2t_item.submitted = false;
  return request;
}

/// The same, for a command that was parked.
TcpRequest& Connection::take_request(const wire::SubmissionQueueEntry& sqe,
                                     uint32_t capsule_bytes) {
  return new_request(sqe, capsule_bytes);
}

/// The command leaves the submission queue, and is owed its answer.
[[gnu::always_inline]] inline void Connection::enter(TcpRequest& request) {
  ++outstanding_;
  request.owed = nvmf::AnswerPermit::issue();
  if (qpair_.entries == 0) return;
  const uint32_t next = qpair_.sqhd + 1u;
  qpair_.sqhd = static_cast<uint16_t>(next < qpair_.entries ? next : 0);
}

/// A request for a command whose capsule has begun, only to answer that it is to come again: its
/// device hangs.
TcpRequest& Connection::make_interrupted_request(const PduHeader& header) {
  TcpRequest& request = take_request(header.as<wire::CapsuleCmdHeader>().sqe, header.payload_bytes);
  enter(request);
  request.executor = Executor::Io;
  request.plan = nvmf::io_plan(request, request.capsule_bytes);
  nvmf::io_interrupt(request);
  return request;
}

/// A request for a command whose capsule has begun, with its plan.
TcpRequest& Connection::make_request(const PduHeader& header) {
  const uint32_t capsule_bytes = header.payload_bytes;
  TcpRequest& request = new_request(header.as<wire::CapsuleCmdHeader>().sqe, capsule_bytes);
  enter(request);
  plan(request);
  if (request.plan.direction == nvmf::Direction::HostToController && request.plan.bytes > 0 &&
      request.sqe.dptr.is_in_capsule() && request.plan.status.is_success()) {
    request.data_in = DataIn::Capsule;
    // Room for all that comes; the command takes what its SGL says. What is all there already, and
    // will not be needed any more when it has been executed, stays where it was received.
    const bool stays = request.plan.at_once && header.payload_at_hand != nullptr;
    std::byte* const at =
        stays ? const_cast<std::byte*>(header.payload_at_hand) : request.capsule_data;
    request.data.buffers.iov[0] = iovec{at, capsule_bytes};
    request.data.buffers.count = 1;
    request.data.buffers.bytes = request.plan.bytes;
    request.cursor = {request.data.buffers.iov.data(), 0};
  }
  return request;
}

/// Says who carries the command out, and what data it moves.
void Connection::plan(TcpRequest& request) {
  const wire::SubmissionQueueEntry& sqe = request.sqe;
  const bool live = state_ == ConnectionState::Live;
  const bool fabrics = sqe.opcode == wire::kFabricsOpcode;
  if (live && qpair_.qid != 0 && !fabrics) {
    request.executor = Executor::Io;
    if (qpair_.table == nullptr) {
      request.plan.status = wire::Status(wire::GenericStatus::kInvalidNamespaceOrFormat);
    } else {
      request.plan = nvmf::io_plan(request, request.capsule_bytes);
    }
    return;
  }
  request.executor = Executor::Control;
  const bool connect = fabrics && wire::command_as<wire::FabricsCommand>(sqe).fctype ==
                                      static_cast<uint8_t>(wire::FabricsCommandType::kConnect);
  // Connect is the first command of a queue and comes once (NVMe Base 2.1, 3.3.2.2).
  if (connect != !live || (connect && connect_pending_)) {
    request.plan.status = wire::Status(wire::GenericStatus::kCommandSequenceError).do_not_retry();
    return;
  }
  if (!sqe.is_plain_sgl()) {
    request.plan.status = wire::Status(wire::GenericStatus::kInvalidField).do_not_retry();
    return;
  }
  request.connect = connect;
  if (connect) connect_pending_ = true;
  if (live && qpair_.qid == 0 && !fabrics) {
    if (sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kKeepAlive)) {
      request.executor = Executor::KeepAlive;
      return;
    }
    if (sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kAsynchronousEventRequest)) {
      request.executor = Executor::AsynchronousEvent;
      return;
    }
  }
  request.plan = control_plan(sqe, request.capsule_bytes);
}

void Connection::on_capsule(TcpRequest& request, DataDigest digest) {
  request.started_ns = core_.now_ns();
  if (controller_ != nullptr) controller_->touch();
  if (digest == DataDigest::Wrong) {
    return complete(request, wire::GenericStatus::kTransientTransportError);
  }
  if (!request.plan.status.is_success()) return complete(request, request.plan.status);
  if (request.data_in == DataIn::Capsule) {
    request.data.buffers.iov[0].iov_len = request.plan.bytes;
    return execute(request);
  }
  if (request.plan.lent && !lend(request)) request.plan.lent = false;
  const bool moves_data = request.plan.bytes > 0 && !request.plan.lent;
  const bool from_host = request.plan.direction == nvmf::Direction::HostToController;
  if (moves_data && (from_host || request.executor == Executor::Io)) return start(request);
  execute(request);
}

/// A Read of memory that the bdev has. What the host does not take stays lent, so it is charged.
bool Connection::lend(TcpRequest& request) {
  const uint32_t bytes = request.plan.bytes;
  if (!peer_->kind->may_lend(*peer_, bytes)) return false;
  if (!nvmf::io_lend(request)) return false;
  request.data_in = DataIn::Loan;
  if (request.io.lender != nullptr) core_.peers.lend(*peer_, bytes);
  return true;
}

void Connection::on_host_data(TcpRequest& request, DataDigest digest) {
  if (digest == DataDigest::Wrong) request.digest_failed = true;
  debt_.pay(host_data_pdu_bytes_, core_.now_ns());
  if (request.host_data_bytes < request.plan.bytes) return;
  end_host_wait(request);
  if (request.digest_failed) {
    return complete(request, wire::GenericStatus::kTransientTransportError);
  }
  execute(request);
}

void Connection::execute(TcpRequest& request) {
  switch (request.executor) {
    case Executor::Io:
      core_.requests->set_state(request, RequestState::Executing);
      request.executing = nvmf::AnswerPermit::issue();
      nvmf::io_execute(request);
      return;
    case Executor::KeepAlive:
      // touch() has been called: that is all there is to it.
      count(core_.stats.keep_alive_commands);
      complete(request, wire::GenericStatus::kSuccess);
      return;
    case Executor::AsynchronousEvent: park_event_request(request); return;
    case Executor::Control: send_to_control(request); return;
  }
}

/// Its bdev has a request more, until it has its answer. One whose data the host was asked for
/// counted from then on.
void Connection::charge_device(TcpRequest& request, uint32_t number) {
  if (request.device_hold != nullptr) return;
  take_device(request, peer_->bdevs.of(number, core_.bdevs).part(BdevShare::Requests));
}

/// An Asynchronous Event Request holds its request until there is an event, and is none of those
/// that the host's other commands need.
void Connection::park_event_request(TcpRequest& request) {
  if (peer_->kind->lack(*peer_, Resource::EventWaits, 1) != Lack::None) {
    const bool discovery = peer_->kind->kind() == AccountKind::Discovery;
    count(discovery ? core_.stats.limit_discovery_event_waits
                    : core_.stats.limit_admin_event_waits);
    const auto over = wire::Status(wire::CommandSpecificStatus::kAsyncEventRequestLimitExceeded);
    return complete(request, over.do_not_retry());
  }
  core_.peers.give(*peer_, Resource::Requests, 1);
  core_.peers.take(*peer_, Resource::EventWaits, 1);
  request.charged_to = Resource::EventWaits;
  core_.requests->set_state(request, RequestState::Executing);
  request.executing = nvmf::AnswerPermit::issue();
  controller_->park(request);
}

/// Now, or when the control plane has answered enough of the connection's others.
void Connection::send_to_control(TcpRequest& request) {
  core_.requests->set_state(request, RequestState::AwaitControl);
  if (awaiting_post_.empty() && may_post(request)) return post_command(request);
  awaiting_post_.push_back(request);
}

bool Connection::may_post(const TcpRequest& request) const {
  if (with_control_ >= kControlCommandsMax) return false;
  // Commands that read wait for answers that the host has not taken, too.
  return request.plan.direction != nvmf::Direction::ControllerToHost ||
         data_answers_ < kDataAnswersMax;
}

void Connection::post_commands() {
  while (TcpRequest* const request = awaiting_post_.front()) {
    if (!may_post(*request)) return;
    awaiting_post_.remove(*request);
    post_command(*request);
  }
}

void Connection::post_command(TcpRequest& request) {
  auto event = make_event(ControlEventType::Command);
  event->token = make_handle(core_.reactor.index(), request.index, request.generation);
  event->sqe = request.sqe;
  if (request.plan.direction == nvmf::Direction::ControllerToHost) {
    event->data_bytes_max = request.plan.bytes;
  } else if (request.plan.bytes > 0) {
    event->data.reserve(request.plan.bytes);
    const IoBuffers& buffers = request.data.buffers;
    for (uint32_t index = 0; index < buffers.count; ++index) {
      const auto* const from = static_cast<const std::byte*>(buffers.iov[index].iov_base);
      event->data.insert(event->data.end(), from, from + buffers.iov[index].iov_len);
    }
    release_data(request);
  }
  request.with_control = true;
  ++with_control_;
  request.data_answer = request.plan.direction == nvmf::Direction::ControllerToHost;
  if (request.data_answer) ++data_answers_;
  count(core_.stats.control_commands);
  core_.post(std::move(event));
}

/// The control plane has answered it, or nobody waits for the answer any more.
void Connection::leave_control(TcpRequest& request) {
  if (request.control_node.linked()) awaiting_post_.remove(request);
  if (!request.with_control) return;
  request.with_control = false;
  ASSERT(with_control_ > 0);
  --with_control_;
}

void Connection::answer(TcpRequest& request, ControlAnswer&& answer) {
  ASSERT(request.state == RequestState::AwaitControl && request.connection == this);
  leave_control(request);
  const wire::Status status = wire::Status::unpack(answer.status);
  request.cqe.dw0.set(answer.dw0);
  request.cqe.dw1.set(answer.dw1);
  request.close_after = answer.close;
  if (status.is_success() && request.plan.direction == nvmf::Direction::ControllerToHost) {
    const auto own_bytes = static_cast<uint32_t>(answer.data.size());
    request.control_data = std::move(answer.data);
    request.control_page = std::move(answer.page);
    request.control_page_offset = answer.page_offset;
    request.control_bytes = std::min(std::max(answer.bytes, own_bytes), request.plan.bytes);
  }
  complete(request, status);
  post_commands();
}

/// A command that can be taken back: nobody is to be waited for but us and the bdev. Of the others,
/// the host owes its own part, or the control plane is about to answer, or the answer is under way.
TcpRequest* Connection::find_abortable(uint16_t cid) {
  if (state_ != ConnectionState::Live) return nullptr;
  TcpRequest* found = nullptr;
  requests_.for_each([&](TcpRequest& request) {
    const bool ours = request.state == RequestState::Executing;
    if (ours && request.sqe.cid.get() == cid && !request.abort_requested) found = &request;
  });
  return found;
}

void Connection::abort(uint16_t cid, AbortDone done) {
  TcpRequest* const request = find_abortable(cid);
  if (request == nullptr) return done(abort_parked(cid));
  if (request->executor == Executor::AsynchronousEvent) {
    const bool parked = controller_->unpark(*request);
    if (parked) request->answer(wire::GenericStatus::kAbortRequested);
    return done(parked);
  }
  // What comes of it, respond() knows.
  request->abort_requested = true;
  core_.aborts.add(*request, core_.now_ns() + kAbortWaitNs, std::move(done));
  nvmf::io_cancel(*request);
}

/// Gives back what holds the command's data.
void Connection::put_data(TcpRequest& request) {
  IoBuffers& buffers = request.data.buffers;
  switch (std::exchange(request.data_in, DataIn::Nothing)) {
    case DataIn::Nothing: return;
    case DataIn::Capsule:
      buffers.iov[0] = {};
      buffers.count = 0;
      buffers.bytes = 0;
      return;
    case DataIn::Pool: {
      const bool small = buffers.bytes <= kSmallBufferBytes;
      const uint32_t count = buffers.count;
      core_.reactor.buffers().put(buffers);
      core_.bdevs.give(*request.hold, count, request.peer->bdevs);
      core_.peers.give(*request.peer, small ? Resource::SmallBuffers : Resource::LargeBuffers,
                       count);
      return;
    }
    case DataIn::Loan:
      const bool charged = request.io.lender != nullptr;
      bdev_give_back(request.io);
      if (charged) core_.peers.give_lent(*request.peer, request.plan.bytes);
      return;
  }
}

/// Whether somebody may still read or write memory of the request: whoever executes it; the ring,
/// which has its answer or its R2T in a send, queued or in flight, or receives into its buffers.
bool Connection::is_held(const TcpRequest& request) const {
  return request.executing.owed() || request.answer_item.node.queued() ||
         request.r2t_item.node.queued() ||
         (current_ == &request && receiver_ == ReceiverState::InPlace);
}

/// The only way to Free. A request that is held is Retiring until on_sent(), received() or
/// respond(), whichever it waits for, retires it again.
void Connection::retire(TcpRequest& request) {
  if (request.waits_for_host) [[unlikely]]
    forgo_data(request);
  if (is_held(request)) {
    leave_control(request);
    if (request.state != RequestState::Retiring) {
      core_.requests->set_state(request, RequestState::Retiring);
    }
    return;
  }
  if (request.owed.owed()) {
    ASSERT_MSG(ended(), "a command was dropped without its answer");
    request.owed.waive();
    --outstanding_;
  }
  release_data(request);
  if (current_ == &request) current_ = nullptr;
  if (request.executor == Executor::Control) {
    leave_control(request);
    if (request.data_answer) --data_answers_;
    request.control_data = {};
    request.control_page = nullptr;
    request.control_bytes = 0;
    if (!ended()) post_commands();
  }
  request.connection = nullptr;
  if (++request.generation == 1u << kHandleGenerationBits) request.generation = 1;
  requests_.remove(request);
  core_.requests->set_state(request, RequestState::Free);
  core_.requests->put(request);
  Peer& peer = *std::exchange(request.peer, nullptr);
  unstall(Stall::Own);
  core_.peers.give(peer, request.charged_to, 1);
  core_.bdevs.wake(peer.bdevs);
  if (&peer != peer_) core_.peers.leave(peer);
}

}  // namespace capsuled::transport
