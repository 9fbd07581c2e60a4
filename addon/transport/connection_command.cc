// Commands: from a complete capsule to whoever carries it out.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "nvmf/io_command.h"
#include "transport/connection.h"
#include "transport/control_command.h"
#include "transport/group_core.h"
#include "wire/admin_command.h"
#include "wire/fabrics.h"

namespace capsuled::transport {

namespace {

TcpRequest& request_of(BufferWaiter& waiter) {
  static_assert(std::is_standard_layout_v<nvmf::Request>, "offsetof is defined");
  auto* const at = reinterpret_cast<std::byte*>(&waiter) - offsetof(nvmf::Request, data);
  return static_cast<TcpRequest&>(*reinterpret_cast<nvmf::Request*>(at));
}

}  // namespace

/// A request for a command whose capsule has begun, with its plan.
TcpRequest& Connection::make_request(const PduHeader& header) {
  const uint32_t capsule_bytes = header.payload_bytes;
  TcpRequest& request = core_.requests->get();
  core_.requests->set_state(request, RequestState::Receiving);
  requests_.push_back(request);
  ++outstanding_;
  request.owed = nvmf::AnswerPermit::issue();
  request.connection = this;
  request.sqe = header.as<wire::CapsuleCmdHeader>().sqe;
  request.cqe = {};
  request.qpair = &qpair_;
  request.plan = {};
  request.ns = nullptr;
  request.step = 0;
  request.step_count = 0;
  request.cancel_requested = false;
  request.on_answer = [](nvmf::Request& answered) {
    auto& mine = static_cast<TcpRequest&>(answered);
    mine.connection->respond(mine);
  };
  request.data.ready = [](BufferWaiter& waiter) {
    TcpRequest& served = request_of(waiter);
    served.connection->on_buffers(served);
  };
  request.in_capsule = false;
  request.connect = false;
  request.claimed = false;
  request.with_control = false;
  request.data_answer = false;
  request.digest_failed = false;
  request.abort_requested = false;
  request.close_after = false;
  request.capsule_bytes = capsule_bytes;
  request.host_data_bytes = 0;
  request.answer_item.submitted = false;
  request.r2t_item.submitted = false;

  if (qpair_.entries > 0) {
    const uint32_t next = qpair_.sqhd + 1u;
    qpair_.sqhd = static_cast<uint16_t>(next < qpair_.entries ? next : 0);
  }
  plan(request);
  request.in_capsule = request.plan.status.is_success() &&
                       request.plan.direction == nvmf::Direction::HostToController &&
                       request.plan.bytes > 0 && request.sqe.dptr.is_in_capsule();
  if (request.in_capsule) {
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
  if (request.in_capsule) {
    request.data.buffers.iov[0].iov_len = request.plan.bytes;
    return execute(request);
  }
  if (request.plan.lent && !nvmf::io_lend(request)) request.plan.lent = false;
  const bool moves_data = request.plan.bytes > 0 && !request.plan.lent;
  if (moves_data && request.plan.direction == nvmf::Direction::HostToController) {
    return request_claim(request);
  }
  if (moves_data && request.executor == Executor::Io) return request_buffers(request);
  execute(request);
}

/// Before an R2T: see RequestBudget.
void Connection::request_claim(TcpRequest& request) {
  if (!has_claim() && !(core_.claim_line.empty() && try_claim())) {
    core_.requests->set_state(request, RequestState::AwaitBuffer);
    awaiting_claim_.push_back(request);
    if (!core_.claim_line.contains(*this)) core_.claim_line.push_back(*this);
    return;
  }
  request.claimed = true;
  ++claimed_requests_;
  request_buffers(request);
}

bool Connection::try_claim() { return core_.budget.try_claim(share_, qpair_.entries + 1); }

/// Leaves the line that an AwaitBuffer request is in; false: it was served already.
bool Connection::leave_line(TcpRequest& request) {
  if (request.quota_node.linked()) {
    awaiting_quota_.remove(request);
    return true;
  }
  if (!request.claim_node.linked()) return core_.reactor.buffers().cancel(request.data);
  awaiting_claim_.remove(request);
  if (awaiting_claim_.empty()) {
    core_.claim_line.remove(*this);
    core_.budget_changed = true;  // the next in line may need less
  }
  return true;
}

/// From the group: the claim was made; all that waited for it go on.
void Connection::claim() {
  ASSERT(share_.claim > 0);
  while (TcpRequest* const request = awaiting_claim_.pop_front()) {
    request->claimed = true;
    ++claimed_requests_;
    request_buffers(*request);
  }
}

void Connection::unclaim(TcpRequest& request) {
  if (!request.claimed) return;
  request.claimed = false;
  ASSERT(claimed_requests_ > 0);
  if (--claimed_requests_ > 0) return;
  core_.budget.drop_claim(share_);
  core_.budget_changed = true;
}

bool Connection::has_quota(uint32_t bytes) const {
  // One transfer is always allowed.
  return quota_bytes_ == 0 || quota_bytes_ + bytes <= core_.quota_bytes_max;
}

/// Small buffers are many, and nobody waits long for one; large ones are shared by quota.
void Connection::request_buffers(TcpRequest& request) {
  if (request.executor == Executor::Control) {
    // Strangers send these: what they send fits the request's own memory and takes no buffer.
    ASSERT(request.plan.bytes <= kControlHostDataMax);
    request.in_capsule = true;
    request.data.buffers.iov[0] = iovec{request.capsule_data, request.plan.bytes};
    request.data.buffers.count = 1;
    request.data.buffers.bytes = request.plan.bytes;
    return on_buffers(request);
  }
  if (request.plan.bytes <= kSmallBufferBytes) return take_buffers(request);
  if (!awaiting_quota_.empty() || !has_quota(request.plan.bytes)) {
    if (request.state != RequestState::AwaitBuffer) {
      core_.requests->set_state(request, RequestState::AwaitBuffer);
    }
    awaiting_quota_.push_back(request);
    return;
  }
  request.quota_bytes = request.plan.bytes;
  quota_bytes_ += request.quota_bytes;
  take_buffers(request);
}

/// From the group: those that waited for what was given back go on.
void Connection::serve_quota() {
  while (TcpRequest* const request = awaiting_quota_.front()) {
    if (!has_quota(request->plan.bytes)) return;
    awaiting_quota_.remove(*request);
    request->quota_bytes = request->plan.bytes;
    quota_bytes_ += request->quota_bytes;
    take_buffers(*request);
  }
}

void Connection::drop_quota(TcpRequest& request) {
  if (request.quota_bytes == 0) return;
  ASSERT(quota_bytes_ >= request.quota_bytes);
  quota_bytes_ -= request.quota_bytes;
  request.quota_bytes = 0;
  if (!awaiting_quota_.empty() && !core_.quota_line.contains(*this)) {
    core_.quota_line.push_back(*this);
  }
}

void Connection::take_buffers(TcpRequest& request) {
  BufferPool& pool = core_.reactor.buffers();
  if (pool.try_get(request.plan.bytes, request.data.buffers)) return on_buffers(request);
  if (request.state != RequestState::AwaitBuffer) {
    core_.requests->set_state(request, RequestState::AwaitBuffer);
  }
  request.data.bytes = request.plan.bytes;
  pool.wait(request.data);
}

void Connection::on_buffers(TcpRequest& request) {
  if (ended()) {
    retire(request);
    drain_join();
    return;
  }
  if (request.plan.direction == nvmf::Direction::ControllerToHost) return execute(request);
  request.cursor = {request.data.buffers.iov.data(), 0};
  core_.requests->set_state(request, RequestState::AwaitHostData);
  // The host's time to send begins now.
  received_ns_ = core_.now_ns();
  request.r2t_item.kind = SendKind::R2t;
  request.r2t_item.request = &request;
  writer_.write_r2t(request, 0, request.plan.bytes);
  queue(request.r2t_item);
}

void Connection::on_host_data(TcpRequest& request, DataDigest digest) {
  if (digest == DataDigest::Wrong) request.digest_failed = true;
  if (request.host_data_bytes < request.plan.bytes) return;
  unclaim(request);
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
    case Executor::AsynchronousEvent:
      core_.requests->set_state(request, RequestState::Executing);
      request.executing = nvmf::AnswerPermit::issue();
      controller_->park(request);
      return;
    case Executor::Control: send_to_control(request); return;
  }
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
  auto event = std::make_unique<ControlEvent>();
  event->type = ControlEventType::Command;
  event->connection = id_;
  event->controller = qpair_.controller;
  event->token = make_handle(core_.reactor.index(), request.index, request.generation);
  event->qid = qpair_.qid;
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
    release_buffers(request);
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
    const bool ours =
        request.state == RequestState::AwaitBuffer || request.state == RequestState::Executing;
    if (ours && request.sqe.cid.get() == cid && !request.abort_requested) found = &request;
  });
  return found;
}

void Connection::abort(uint16_t cid, AbortDone done) {
  TcpRequest* const request = find_abortable(cid);
  if (request == nullptr) return done(false);
  if (request->state == RequestState::AwaitBuffer) {
    const bool left = leave_line(*request);
    if (left) complete(*request, wire::GenericStatus::kAbortRequested);
    return done(left);
  }
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

void Connection::release_buffers(TcpRequest& request) {
  drop_quota(request);
  if (request.io.lent) bdev_give_back(request.io);
  if (request.in_capsule) {
    request.in_capsule = false;
    request.data.buffers.iov[0] = {};
    request.data.buffers.count = 0;
    request.data.buffers.bytes = 0;
  } else if (request.data.buffers.count > 0) {
    core_.reactor.buffers().put(request.data.buffers);
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
  unclaim(request);
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
  release_buffers(request);
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
  core_.budget.give(share_);
  core_.budget_changed = true;
  if (receiver_ == ReceiverState::Stalled && stall_ == Stall::Own) {
    stall_ = Stall::Group;
    core_.stalled.push_back(*this);
  }
}

}  // namespace capsuled::transport
