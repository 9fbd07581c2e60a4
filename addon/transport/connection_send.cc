// Sending: answers into the queue, the queue into one gather send at a time.
#include <algorithm>
#include <array>

#include "bdev/zero_buffer.h"
#include "transport/connection.h"
#include "transport/group_core.h"

namespace capsuled::transport {

namespace {

/// Padding before C2HData data: HPDA asks for at most 128 bytes of alignment.
constinit std::array<std::byte, 128> padding{};

/// Puts what is left of `item` into `batch`; false: `batch` has enough before its end.
bool add(SendBatch& batch, SendItem& item) {
  if (!item.submitted) {
    item.submitted = true;
    batch.add(item.head);
    if (item.pad_bytes > 0) batch.add(iovec{padding.data(), item.pad_bytes});
  }
  while (item.body_given < item.body_count) {
    if (batch.bytes >= batch.bytes_enough) return false;
    batch.add(item.body[item.body_given++]);
  }
  if (item.tail.iov_len > 0) batch.add(item.tail);
  return true;
}

/// What a control command answers: data of its own or part of a page, and zeros behind that, which
/// take no memory however many a host asks for.
std::span<const iovec> control_parts(TcpRequest& request) {
  std::span<const std::byte> known(request.control_data);
  if (request.control_page != nullptr) {
    const ControlPage& page = *request.control_page;
    known = std::span(page).subspan(std::min<size_t>(request.control_page_offset, page.size()));
  }
  known = known.first(std::min<size_t>(known.size(), request.control_bytes));
  const std::span<iovec> parts(request.receive_iov);
  uint32_t count = 0;
  if (!known.empty()) {
    parts[count++] = iovec{const_cast<std::byte*>(known.data()), known.size()};
  }
  count += zero_slice(request.control_bytes - known.size(), parts.subspan(count));
  return parts.first(count);
}

}  // namespace

/// The answer to a command that nobody executes (any more).
void Connection::complete(TcpRequest& request, wire::Status status) {
  request.cqe.status.set(status.pack());
  respond(request);
}

/// Says More in the answer if the control plane, which keeps the Error Information log page, was
/// told.
void Connection::tell_failure(TcpRequest& request, wire::Status status) {
  if (!core_.failure_reports.may_tell(core_.now_ns())) return;
  const uint16_t with_more = status.with_more().pack();
  auto event = make_event(ControlEventType::CommandFailed);
  event->sqe = request.sqe;
  event->status = with_more;
  if (!core_.control.try_push(event)) return;
  core_.failure_reports.note_told();
  request.cqe.status.set(with_more);
}

/// `cqe` has status and dwords: makes the answer of it and queues it.
void Connection::respond(TcpRequest& request) {
  end_host_wait(request);
  if (request.connect) connect_pending_ = false;
  if (request.device_hold != nullptr) [[unlikely]]
    leave_device(request);
  request.owed.redeem();
  --outstanding_;
  if (request.abort_requested) [[unlikely]] {
    const wire::Status ended_with = wire::Status::unpack(request.cqe.status.get());
    core_.aborts.settle(request, !ended() && ended_with == wire::GenericStatus::kAbortRequested);
  }
  if (ended()) {
    release_data(request);
    retire(request);
    drain_join();
    return;
  }
  core_.requests->set_state(request, RequestState::Responding);
  wire::CompletionQueueEntry& cqe = request.cqe;
  const auto status = wire::Status::unpack(cqe.status.get());
  if (request.executor == Executor::Io && !status.is_success()) [[unlikely]]
    tell_failure(request, status);
  cqe.cid = request.sqe.cid;
  cqe.sqid = {};
  // Without flow control SQHD is reserved, but FFFFh in the answer to Connect that agrees to it.
  const bool connected_now = request.connect && qpair_.entries > 0;
  if (!qpair_.flow_control_disabled) {
    cqe.sqhd.set(qpair_.sqhd);
  } else {
    cqe.sqhd.set(connected_now ? uint16_t{0xffff} : uint16_t{0});
  }

  std::span<const iovec> data;
  uint32_t bytes = 0;
  if (status.is_success() && request.plan.direction == nvmf::Direction::ControllerToHost) {
    if (request.plan.lent) {
      data = {request.io.iov, request.io.iov_count};
      bytes = request.plan.bytes;
    } else if (request.executor == Executor::Io) {
      data = {request.data.buffers.iov.data(), request.data.buffers.count};
      bytes = request.plan.bytes;
    } else if (request.control_bytes > 0) {
      data = control_parts(request);
      bytes = request.control_bytes;
    }
  }
  if (bytes > 0) {
    const bool silent = qpair_.flow_control_disabled && cqe.dw0.get() == 0 && cqe.dw1.get() == 0;
    writer_.write_data(request, data, bytes, silent ? DataEnd::Success : DataEnd::ResponseCapsule);
  } else {
    release_data(request);
    writer_.write_response(request);
  }
  request.answer_item.kind = SendKind::Response;
  request.answer_item.request = &request;
  queue(request.answer_item);
}

void Connection::queue(SendItem& item) {
  item.submitted = false;
  item.body_given = 0;
  send_queue_.push_back(item);
  if (batch_ == nullptr && !core_.senders.contains(*this)) core_.senders.push_back(*this);
}

/// From the group's poller: one send with as much as a batch holds.
void Connection::send() {
  ASSERT(batch_ == nullptr && !send_queue_.empty());
  SendBatch& batch = core_.take_batch();
  batch.connection = this;
  batch.bytes = 0;
  batch.bytes_enough = core_.send_bytes_enough(*this);
  batch.iov_count = 0;
  while (SendItem* const item = send_queue_.front()) {
    if (!batch.has_room_for(*item) || !add(batch, *item)) break;
    (void)send_queue_.pop_front();
    batch.items.push_back(*item);
  }
  core_.note_send(*this, batch.bytes);
  // The ring moves it on over what was sent.
  batch.message.msg_iov = batch.iov.data();
  batch.message.msg_iovlen = batch.iov_count;
  batch_ = &batch;
  send_since_ns_ = core_.now_ns();
  count(core_.stats.sends);
  core_.reactor.ring().send(batch.op, fd_, batch.message);
}

void Connection::batch_sent(env::RingOp& op, env::Completion completion) {
  SendBatch& batch = *static_cast<SendBatch::Op&>(op).batch;
  batch.connection->on_sent(batch, completion);
}

void Connection::on_sent(SendBatch& batch, env::Completion completion) {
  const bool whole =
      completion.result >= 0 && static_cast<size_t>(completion.result) == batch.bytes;
  if (completion.result > 0) {
    count(core_.stats.bytes_sent, static_cast<uint64_t>(completion.result));
    if (to_take_bytes_ > 0) [[unlikely]]
      note_taken(static_cast<uint64_t>(completion.result));
  }
  SendQueue items;
  items.splice_back(batch.items);
  batch.connection = nullptr;
  core_.free_batches.push_front(batch);
  batch_ = nullptr;

  bool close = false;
  while (SendItem* const item = items.pop_front()) {
    if (whole) count(core_.stats.pdus_sent, item->pdu_count);
    if (item->kind == SendKind::Response && item->request->close_after) close = true;
    sent(*item);
  }
  if (state_ == ConnectionState::Draining) {
    drain_join();
  } else if (!whole) {
    drain(state_ == ConnectionState::Terminating ? reason_ : "connection_lost");
  } else if (close && !ended()) {
    drain("closed_by_control");
  } else if (!send_queue_.empty()) {
    core_.senders.push_back(*this);
  }
}

void Connection::note_taken(uint64_t bytes) {
  to_take_bytes_ -= std::min(to_take_bytes_, bytes);
  if (to_take_bytes_ > 0 || ended()) return;
  core_.reactor.env().limit_unsent(fd_, kUnsentIoBytesMax);
}

/// The ring holds nothing of `item` any more.
void Connection::sent(SendItem& item) {
  switch (item.kind) {
    case SendKind::Response: retire(*item.request); return;
    case SendKind::R2t:
      if (item.request->state == RequestState::Retiring) retire(*item.request);
      return;
    case SendKind::IcResp:
    case SendKind::TermReq: return;
  }
}

/// What is not with the ring will not be sent.
void Connection::drop_unsent() {
  while (SendItem* const item = send_queue_.pop_front()) {
    if (batch_ == nullptr || !item->submitted) continue;
    // The end of the batch in flight is the beginning of this one.
    item->pdu_count = 0;
    batch_->items.push_back(*item);
  }
  if (core_.senders.contains(*this)) core_.senders.remove(*this);
}

}  // namespace capsuled::transport
