#include "nvme/tcp_qpair.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/crc32c.h"

namespace capsuled::nvme {
namespace {

/// The peer says that there is no such connection.
bool is_reset(int32_t result) { return result == -ECONNRESET; }

}  // namespace

TcpQpair::TcpQpair(Reactor& reactor, TcpQpairOwner& owner)
    : Poller(PollStage::Send),
      reactor_(reactor),
      owner_(owner),
      headers_(std::make_unique<std::byte[]>(kHeaderBytesMax)),
      receive_buffer_(std::make_unique<std::byte[]>(kReceiveBytes)) {
  send_op_.qpair = this;
  receive_op_.qpair = this;
  reactor_.add_poller(*this);
}

TcpQpair::~TcpQpair() {
  ASSERT_MSG(state_ == State::Idle, "a qpair destroyed while it is connected");
  reactor_.remove_poller(*this);
}

void TcpQpair::set_state(State state) {
  const bool forward = static_cast<uint8_t>(state) == static_cast<uint8_t>(state_) + 1;
  const bool ends = state == State::Closing && state_ != State::Idle;
  const bool ended = state == State::Idle && state_ == State::Closing;
  ASSERT_MSG(forward || ends || ended, "a transition that qpairs do not have");
  state_ = state;
}

// ---- Connecting and closing --------------------------------------------------------------------

void TcpQpair::connect(const TcpQpairOptions& options) {
  ASSERT(options.entries >= 2);
  address_ = options.address;
  digests_ = options.digests;
  in_capsule_bytes_ = options.in_capsule_bytes;
  reason_ = "";
  ended_by_controller_ = false;
  reader_.reset();
  slots_ = std::vector<Slot>(options.entries - 1u);
  free_cids_.clear();
  sending_cids_.clear();
  for (uint32_t cid = options.entries - 1u; cid > 0; --cid) {
    free_cids_.push_back(static_cast<uint16_t>(cid - 1));
  }
  begun_ns_ = reactor_.now_ns();
  set_state(State::Connecting);
  const Result<int> fd = reactor_.env().make_socket(address_);
  if (!fd.ok()) {
    terminate("no_socket");
    return;
  }
  fd_ = fd.value();
  receive_op_.complete = [](env::RingOp& op, env::Completion completion) {
    TcpQpair& qpair = *static_cast<Op&>(op).qpair;
    if (qpair.state_ == State::Closing) {
      qpair.close_join();
    } else if (completion.result < 0) {
      qpair.terminate(completion.result == -ECONNREFUSED ? "connection_refused" : "unreachable");
    } else {
      qpair.reactor_.env().prepare_connection(qpair.fd_);
      qpair.set_state(State::AwaitIcResp);
      qpair.send_ic_req();
      qpair.arm();
    }
  };
  reactor_.ring().connect(receive_op_, fd_, address_);
}

void TcpQpair::send_ic_req() {
  wire::IcReq pdu = {};
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kIcReq);
  pdu.common.hlen = sizeof(pdu);
  pdu.common.plen.set(sizeof(pdu));
  pdu.dgst = static_cast<uint8_t>((digests_.header ? wire::kHdgstEnable : 0) |
                                  (digests_.data ? wire::kDdgstEnable : 0));
  append(&pdu, sizeof(pdu));
  send();
}

void TcpQpair::terminate(const char* reason, bool by_controller) {
  if (state_ == State::Idle || state_ == State::Closing) return;
  reason_ = reason;
  ended_by_controller_ = by_controller;
  reader_.stop();
  set_state(State::Closing);
  if (fd_ >= 0) {
    reactor_.env().shutdown(fd_);
    // A connection that is being made is no shutdown's business.
    if (receive_op_.in_flight) reactor_.ring().cancel(receive_op_);
  }
  // close_join() comes from the poller, so that an owner is never called inside its own call.
}

/// Closing: goes on when the ring holds nothing more.
void TcpQpair::close_join() {
  if (receive_op_.in_flight || send_op_.in_flight) return;
  if (fd_ >= 0) {
    receive_op_.complete = [](env::RingOp& op, env::Completion) {
      static_cast<Op&>(op).qpair->close_join();
    };
    reactor_.ring().close(receive_op_, fd_);
    fd_ = -1;
    return;
  }
  owner_.qpair_stopped(*this);
  fail_requests();
  send_iov_count_ = 0;
  send_bytes_ = 0;
  headers_bytes_ = 0;
  set_state(State::Idle);
  owner_.qpair_closed(*this, reason_);
}

void TcpQpair::fail_requests() {
  while (to_send_.pop_front() != nullptr) {
  }
  wire::CompletionQueueEntry cqe = {};
  cqe.status.set(wire::Status(wire::PathStatus::kHostPathingError).pack());
  for (size_t cid = 0; cid < slots_.size(); ++cid) {
    if (slots_[cid].request == nullptr) continue;
    cqe.cid.set(static_cast<uint16_t>(cid));
    finish(slots_[cid], cqe);
  }
}

// ---- Sending -----------------------------------------------------------------------------------

bool TcpQpair::submit(Request& request) {
  ASSERT((request.transfer == Transfer::None) == (request.bytes == 0));
  if (state_ != State::Live || free_cids_.empty()) return false;
  const uint16_t cid = free_cids_.back();
  free_cids_.pop_back();
  Slot& slot = slots_[cid];
  slot.request = &request;
  slot.submitted_ns = reactor_.now_ns();
  slot.cursor = PayloadCursor{request.iov, 0};
  slot.received = 0;
  slot.sent = 0;
  slot.asked_bytes = 0;
  slot.data_failed = false;
  slot.sending = false;
  slot.answered = false;
  request.sqe.cid.set(cid);
  ++outstanding_;
  to_send_.push_back(slot);
  return true;
}

bool TcpQpair::is_overdue(uint64_t timeout_ns) const {
  const uint64_t now_ns = reactor_.now_ns();
  const auto is_late = [&](uint64_t since_ns) {
    return since_ns < now_ns && now_ns - since_ns > timeout_ns;
  };
  if (state_ == State::Connecting || state_ == State::AwaitIcResp) return is_late(begun_ns_);
  return std::ranges::any_of(slots_, [&](const Slot& slot) {
    return slot.request != nullptr && !slot.request->patient && is_late(slot.submitted_ns);
  });
}

PollResult TcpQpair::poll() {
  if (state_ == State::Closing && !receive_op_.in_flight && !send_op_.in_flight) {
    close_join();
    return PollResult::Busy;
  }
  if (state_ != State::Live || to_send_.empty() || send_op_.in_flight) return PollResult::Idle;
  gather();
  send();
  return PollResult::Busy;
}

/// Takes what fits into one send.
void TcpQpair::gather() {
  while (Slot* const slot = to_send_.front()) {
    const bool whole = slot->asked_bytes == 0 ? gather_capsule(*slot) : gather_host_data(*slot);
    if (!whole) return;
    (void)to_send_.pop_front();
  }
}

bool TcpQpair::has_room(uint32_t iov_count) const {
  constexpr uint32_t kPduHeadersMax = sizeof(wire::CapsuleCmdHeader) + 2 * wire::kDigestSize;
  return send_iov_count_ + iov_count <= kIovMax &&
         headers_bytes_ + kPduHeadersMax <= kHeaderBytesMax;
}

/// The iovecs that `bytes` of data at `offset` take.
static uint32_t segments(const Request& request, uint32_t offset, uint32_t bytes) {
  const iovec* iov = request.iov;
  size_t skip = offset;
  while (skip >= iov->iov_len) skip -= (iov++)->iov_len;
  uint32_t count = 1;
  for (size_t there = iov->iov_len - skip; there < bytes; ++count) there += (++iov)->iov_len;
  return count;
}

bool TcpQpair::gather_capsule(Slot& slot) {
  Request& request = *slot.request;
  wire::CapsuleCmdHeader pdu = {};
  pdu.sqe = request.sqe;
  pdu.common.type = static_cast<uint8_t>(wire::PduType::kCapsuleCmd);
  pdu.sqe.flags = wire::CommandFlags::Psdt::set(pdu.sqe.flags,
                                                static_cast<uint8_t>(wire::DataPointerType::kSgl));
  pdu.sqe.dptr.length.set(request.bytes);
  const bool in_capsule =
      request.transfer == Transfer::ToController && request.bytes <= in_capsule_bytes_;
  if (in_capsule) {
    if (!has_room(2 + segments(request, 0, request.bytes))) return false;
    pdu.sqe.dptr.set_identifier(wire::SglType::kDataBlock, wire::SglSubtype::kOffset);
    append_header(&pdu, sizeof(pdu), request.bytes, 0);
    append_payload(slot, 0, request.bytes);
  } else {
    if (!has_room(1)) return false;
    pdu.sqe.dptr.set_identifier(wire::SglType::kTransportDataBlock,
                                wire::SglSubtype::kTransportSpecific);
    append_header(&pdu, sizeof(pdu), 0, 0);
  }
  return true;
}

/// The answer to an R2T; the controller's MAXH2CDATA cuts it into PDUs.
bool TcpQpair::gather_host_data(Slot& slot) {
  const Request& request = *slot.request;
  while (slot.sent < slot.asked_bytes) {
    const uint32_t left = slot.asked_bytes - slot.sent;
    const uint32_t bytes = std::min(left, maxh2cdata_);
    const uint32_t offset = slot.asked_offset + slot.sent;
    if (!has_room(2 + segments(request, offset, bytes))) return false;
    wire::H2cData pdu = {};
    pdu.common.type = static_cast<uint8_t>(wire::PduType::kH2cData);
    pdu.cccid = request.sqe.cid;
    pdu.ttag.set(slot.ttag);
    pdu.datao.set(offset);
    pdu.datal.set(bytes);
    append_header(&pdu, sizeof(pdu), bytes, bytes == left ? wire::kDataLastPdu : uint8_t{0});
    append_payload(slot, offset, bytes);
    slot.sent += bytes;
  }
  slot.asked_bytes = 0;
  return true;
}

/// Copies to the headers; joins the last iovec if it ends there.
void TcpQpair::append(const void* bytes, size_t count) {
  std::byte* const to = headers_.get() + headers_bytes_;
  std::memcpy(to, bytes, count);
  headers_bytes_ += static_cast<uint32_t>(count);
  send_bytes_ += count;
  if (send_iov_count_ > 0) {
    iovec& last = send_iov_[send_iov_count_ - 1];
    if (static_cast<std::byte*>(last.iov_base) + last.iov_len == to) {
      last.iov_len += count;
      return;
    }
  }
  send_iov_[send_iov_count_++] = iovec{to, count};
}

/// CPDA is read from ICResp, but data of a host begin right behind the header: a controller that
/// wants them elsewhere is refused in on_ic_resp().
void TcpQpair::append_header(void* header, uint32_t hlen, uint32_t data_bytes, uint8_t flags) {
  const bool data_digest = digests_.data && data_bytes > 0;
  const uint32_t data_begin = hlen + (digests_.header ? wire::kDigestSize : 0);
  auto& common = *static_cast<wire::PduCommonHeader*>(header);
  common.hlen = static_cast<uint8_t>(hlen);
  common.flags = static_cast<uint8_t>(flags | (digests_.header ? wire::kHdgstf : 0) |
                                      (data_digest ? wire::kDdgstf : 0));
  common.pdo = static_cast<uint8_t>(data_bytes > 0 ? data_begin : 0);
  common.plen.set(data_begin + data_bytes + (data_digest ? wire::kDigestSize : 0));
  append(header, hlen);
  if (!digests_.header) return;
  const Le32 digest(crc32c({static_cast<const std::byte*>(header), hlen}));
  append(&digest, sizeof(digest));
}

void TcpQpair::append_payload(Slot& slot, uint32_t offset, uint32_t bytes) {
  const Request& request = *slot.request;
  if (!slot.sending) sending_cids_.push_back(request.sqe.cid.get());
  slot.sending = true;
  const iovec* iov = request.iov;
  size_t skip = offset;
  while (skip >= iov->iov_len) skip -= (iov++)->iov_len;
  Crc32c crc;
  for (size_t left = bytes; left > 0; ++iov, skip = 0) {
    const size_t length = std::min(left, iov->iov_len - skip);
    std::byte* const from = static_cast<std::byte*>(iov->iov_base) + skip;
    send_iov_[send_iov_count_++] = iovec{from, length};
    if (digests_.data) crc.update({from, length});
    left -= length;
  }
  send_bytes_ += bytes;
  if (!digests_.data) return;
  const Le32 digest(crc.value());
  append(&digest, sizeof(digest));
}

void TcpQpair::send() {
  send_message_ = {};
  send_message_.msg_iov = send_iov_.data();
  send_message_.msg_iovlen = send_iov_count_;
  send_op_.complete = [](env::RingOp& op, env::Completion completion) {
    static_cast<Op&>(op).qpair->on_sent(completion);
  };
  reactor_.ring().send(send_op_, fd_, send_message_);
}

void TcpQpair::on_sent(env::Completion completion) {
  const bool whole =
      completion.result >= 0 && static_cast<size_t>(completion.result) == send_bytes_;
  send_iov_count_ = 0;
  send_bytes_ = 0;
  headers_bytes_ = 0;
  for (const uint16_t cid : sending_cids_) slots_[cid].sending = false;
  if (state_ == State::Closing) {
    close_join();
  } else if (!whole) {
    terminate("connection_lost", is_reset(completion.result));
  } else {
    // Whoever hears of one may submit others, or end this.
    for (const uint16_t cid : std::exchange(sending_cids_, {})) {
      if (state_ == State::Live && slots_[cid].answered) finish(slots_[cid], slots_[cid].answer);
    }
  }
}

// ---- Receiving ---------------------------------------------------------------------------------

void TcpQpair::arm() {
  uint32_t iov_count = 0;
  direct_bytes_ = 0;
  if (reader_.direct_bytes() >= kInPlaceBytesMin) {
    iov_count = reader_.direct(std::span(receive_iov_).first(receive_iov_.size() - 1));
    if (iov_count > 0) direct_bytes_ = reader_.direct_bytes();
  }
  // What comes behind goes where everything else goes.
  receive_iov_[iov_count] = iovec{receive_buffer_.get(), kReceiveBytes};
  receive_message_ = {};
  receive_message_.msg_iov = receive_iov_.data();
  receive_message_.msg_iovlen = iov_count + 1;
  receive_op_.complete = [](env::RingOp& op, env::Completion completion) {
    static_cast<Op&>(op).qpair->on_received(completion);
  };
  reactor_.ring().receive(receive_op_, fd_, receive_message_, env::WaitFor::Some);
}

void TcpQpair::on_received(env::Completion completion) {
  if (state_ == State::Closing) {
    close_join();
    return;
  }
  if (completion.result <= 0) {
    const bool closed = completion.result == 0;
    terminate(closed ? "closed_by_controller" : "connection_lost",
              closed || is_reset(completion.result));
    return;
  }
  const auto count = static_cast<size_t>(completion.result);
  const size_t direct = std::min(count, direct_bytes_);
  if (direct > 0) reader_.advance_direct(direct, *this);
  if (count > direct) (void)reader_.consume({receive_buffer_.get(), count - direct}, *this);
  // Ended meanwhile: the poller goes on.
  if (state_ != State::Closing) arm();
}

/// That is not answered yet.
TcpQpair::Slot* TcpQpair::slot_of(uint16_t cid) {
  if (state_ != State::Live || cid >= slots_.size()) return nullptr;
  Slot& slot = slots_[cid];
  return slot.request == nullptr || slot.answered ? nullptr : &slot;
}

PduVerdict TcpQpair::refuse(const char* reason) {
  terminate(reason);
  return PduVerdict::Accept;
}

PduVerdict TcpQpair::on_header(const PduHeader& header, PayloadCursor*& payload) {
  pdu_type_ = header.type;
  if ((header.type == wire::PduType::kIcResp) != (state_ == State::AwaitIcResp) &&
      header.type != wire::PduType::kC2hTermReq) {
    return refuse("pdu_sequence_error");
  }
  switch (header.type) {
    case wire::PduType::kIcResp: ic_resp_ = header.as<wire::IcResp>(); return PduVerdict::Accept;
    case wire::PduType::kC2hTermReq:
      terminate("controller_terminated", true);
      return PduVerdict::Accept;
    case wire::PduType::kCapsuleResp:
      cqe_ = header.as<wire::CapsuleRespHeader>().cqe;
      return PduVerdict::Accept;
    case wire::PduType::kR2t: return on_r2t(header);
    case wire::PduType::kC2hData: return begin_data(header, payload);
    default: UNREACHABLE();
  }
}

PduVerdict TcpQpair::begin_data(const PduHeader& header, PayloadCursor*& payload) {
  const auto& pdu = header.as<wire::C2hData>();
  data_cid_ = pdu.cccid.get();
  Slot* const slot = slot_of(data_cid_);
  if (slot == nullptr || slot->request->transfer != Transfer::FromController) {
    return refuse("invalid_cccid");
  }
  const uint32_t bytes = pdu.datal.get();
  const uint32_t left = slot->request->bytes - slot->received;
  if (pdu.datao.get() != slot->received || bytes == 0 || bytes > left ||
      bytes != header.payload_bytes) {
    return refuse("data_transfer_out_of_range");
  }
  data_last_ = (header.flags & wire::kDataLastPdu) != 0;
  data_success_ = (header.flags & wire::kDataSuccess) != 0;
  if (data_success_ && !data_last_) return refuse("invalid_pdu_header");
  slot->received += bytes;
  payload = &slot->cursor;
  return PduVerdict::Accept;
}

PduVerdict TcpQpair::on_r2t(const PduHeader& header) {
  const auto& pdu = header.as<wire::R2t>();
  Slot* const slot = slot_of(pdu.cccid.get());
  // One R2T at a time: MAXR2T is 0.
  if (slot == nullptr || slot->request->transfer != Transfer::ToController ||
      slot->send_node.queued()) {
    return refuse("invalid_cccid");
  }
  const uint32_t offset = pdu.r2to.get();
  const uint32_t bytes = pdu.r2tl.get();
  if (bytes == 0 || offset > slot->request->bytes || bytes > slot->request->bytes - offset) {
    return refuse("data_transfer_out_of_range");
  }
  slot->asked_offset = offset;
  slot->asked_bytes = bytes;
  slot->sent = 0;
  slot->ttag = pdu.ttag.get();
  to_send_.push_back(*slot);
  return PduVerdict::Accept;
}

void TcpQpair::on_pdu(DataDigest digest) {
  if (state_ == State::Closing) return;
  switch (pdu_type_) {
    case wire::PduType::kIcResp: on_ic_resp(); return;
    case wire::PduType::kC2hData: on_data_end(digest); return;
    case wire::PduType::kCapsuleResp: on_response(); return;
    default: return;
  }
}

void TcpQpair::on_ic_resp() {
  const uint8_t asked = static_cast<uint8_t>((digests_.header ? wire::kHdgstEnable : 0) |
                                             (digests_.data ? wire::kDdgstEnable : 0));
  maxh2cdata_ = ic_resp_.maxh2cdata.get();
  if (ic_resp_.pfv.get() != wire::kPduFormatVersion || ic_resp_.dgst != asked ||
      maxh2cdata_ < wire::kMaxh2cdataMin || ic_resp_.cpda != 0) {
    terminate("unsupported_parameter");
    return;
  }
  reader_.set_digests(digests_.header, digests_.data);
  set_state(State::Live);
  owner_.qpair_live(*this);
}

void TcpQpair::on_data_end(DataDigest digest) {
  Slot& slot = slots_[data_cid_];
  if (digest == DataDigest::Wrong) slot.data_failed = true;
  if (!data_success_) return;
  wire::CompletionQueueEntry cqe = {};
  cqe.cid.set(data_cid_);
  complete(data_cid_, cqe);
}

void TcpQpair::on_response() {
  // That the way to it has failed is for the host to say alone: whoever hears it takes the queue
  // for ended.
  const wire::Status status = status_of(cqe_);
  if (status.type() == wire::StatusCodeType::kPathRelated &&
      status.code() == static_cast<uint8_t>(wire::PathStatus::kHostPathingError)) {
    const wire::Status theirs(wire::PathStatus::kControllerPathingError);
    cqe_.status.set((status.dnr() ? theirs.do_not_retry() : theirs).pack());
  }
  complete(cqe_.cid.get(), cqe_);
}

void TcpQpair::complete(uint16_t cid, const wire::CompletionQueueEntry& cqe) {
  Slot* const slot = slot_of(cid);
  if (slot == nullptr || slot->send_node.queued()) {
    terminate("invalid_cid");
    return;
  }
  const Request& request = *slot->request;
  wire::CompletionQueueEntry answer = cqe;
  const bool whole =
      request.transfer != Transfer::FromController || slot->received == request.bytes;
  if (status_of(cqe).is_success() && (slot->data_failed || !whole)) {
    if (!whole) {
      // Success with less than was asked for: nobody may take the buffer for the answer.
      terminate("data_missing");
      return;
    }
    answer.status.set(wire::Status(wire::GenericStatus::kTransientTransportError).pack());
  }
  if (!slot->sending) return finish(*slot, answer);
  slot->answered = true;
  slot->answer = answer;
}

void TcpQpair::finish(Slot& slot, const wire::CompletionQueueEntry& cqe) {
  Request& request = *std::exchange(slot.request, nullptr);
  slot.answered = false;
  free_cids_.push_back(static_cast<uint16_t>(&slot - slots_.data()));
  --outstanding_;
  request.complete(request, cqe);
}

void TcpQpair::on_error(const PduError& error) {
  terminate(error.status == wire::FatalErrorStatus::kHeaderDigestError ? "header_digest_error"
                                                                       : "invalid_pdu_header");
}

}  // namespace capsuled::nvme
