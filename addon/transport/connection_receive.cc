// Receiving: which receive is armed, and what the PDUs of a host mean.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "transport/connection.h"
#include "transport/group_core.h"
#include "wire/fabrics.h"

namespace capsuled::transport {

using wire::FatalErrorStatus;

void Connection::set_receiver(ReceiverState state) {
  const uint8_t may_follow = kReceiverTransitions[static_cast<size_t>(receiver_)];
  ASSERT_MSG((may_follow >> static_cast<size_t>(state) & 1) != 0,
             "a transition that receivers do not have");
  receiver_ = state;
}

// ---- Bytes --------------------------------------------------------------------------------------

/// Hands bytes to the reader, then arms the next receive or stalls.
void Connection::pump(std::span<const std::byte> bytes) {
  ASSERT(receiver_ == ReceiverState::Idle);
  const size_t taken = reader_.consume(bytes, *this);
  if (state_ == ConnectionState::Draining || state_ == ConnectionState::Closing) {
    if (receiver_ != ReceiverState::Stopped) set_receiver(ReceiverState::Stopped);
    return;
  }
  if (reader_.state() == PduReader<Connection>::State::Stalled) {
    const auto rest = bytes.subspan(taken);
    if (!rest.empty()) {
      auto kept = std::make_unique<std::byte[]>(rest.size());
      std::memcpy(kept.get(), rest.data(), rest.size());
      kept_ = std::move(kept);
    } else {
      kept_.reset();
    }
    kept_bytes_ = static_cast<uint32_t>(rest.size());
    set_receiver(ReceiverState::Stalled);
    WaitNode& stream = wait_node(Wait::Stream);
    if (stall_ == Stall::Requests && !stream.node.linked()) {
      core_.peers.wait(*peer_, Wait::Stream, stream, stream_shortage_, core_.now_ns());
    }
    if (stall_ == Stall::Device) core_.bdevs.wait(stalled_, *stalled_.hold);
    return;
  }
  kept_.reset();
  kept_bytes_ = 0;
  arm();
}

void Connection::arm() {
  ASSERT(receiver_ == ReceiverState::Idle);
  count(core_.stats.receives);
  if (current_ != nullptr && reader_.direct_bytes() >= kInPlaceBytesMin) {
    const uint32_t iov_count = reader_.direct(current_->receive_iov);
    ASSERT(iov_count > 0);
    // The rest of it is never set.
    current_->receive_message.msg_iov = current_->receive_iov.data();
    current_->receive_message.msg_iovlen = iov_count;
    receive_op_.complete = [](env::RingOp& op, env::Completion completion) {
      static_cast<Op&>(op).connection->on_received_in_place(completion);
    };
    set_receiver(ReceiverState::InPlace);
    count(core_.stats.receives_in_place);
    core_.reactor.ring().receive(receive_op_, fd_, current_->receive_message, env::WaitFor::All);
    return;
  }
  receive_op_.complete = [](env::RingOp& op, env::Completion completion) {
    static_cast<Op&>(op).connection->on_received(completion);
  };
  set_receiver(ReceiverState::Framing);
  core_.reactor.ring().receive_provided(receive_op_, fd_, *core_.receive_buffers,
                                        receive_bytes_max());
}

/// How much to ask for when it is not known what comes.
uint32_t Connection::receive_bytes_max() const {
  // Data that were asked for come behind a header, and what comes with it is copied.
  if (r2ts_ > 0) return kReceiveBesideDataBytes;
  // What a connection has read and cannot place is kept for it.
  const bool stalled = !peer_->line(Wait::Stream).connections.empty();
  return stalled ? kReceiveWhileStalledBytes : kReceiveBytesMax;
}

void Connection::on_received(env::Completion completion) {
  if (completion.result > 0) {
    const auto bytes = static_cast<size_t>(completion.result);
    received_ns_ = core_.now_ns();
    count(core_.stats.bytes_received, bytes);
    set_receiver(ReceiverState::Idle);
    pump({core_.receive_buffers->at(completion.buffer_index), bytes});
    core_.receive_buffers->recycle(completion.buffer_index);
    drain_join();
    return;
  }
  if (completion.result == -ENOBUFS && state_ != ConnectionState::Draining) {
    set_receiver(ReceiverState::NoBuffer);
    core_.buffer_line.push_back(*this);
    return;
  }
  received(completion.result);
}

void Connection::on_received_in_place(env::Completion completion) {
  const bool whole =
      completion.result > 0 && static_cast<size_t>(completion.result) == reader_.direct_bytes();
  if (completion.result > 0)
    count(core_.stats.bytes_received, static_cast<uint64_t>(completion.result));
  if (!whole || state_ == ConnectionState::Draining) {
    received(completion.result > 0 ? 0 : completion.result);
    return;
  }
  received_ns_ = core_.now_ns();
  set_receiver(ReceiverState::Idle);
  reader_.advance_direct(static_cast<size_t>(completion.result), *this);
  pump({});
  drain_join();
}

/// The end of the stream, or an error.
void Connection::received(int32_t result) {
  set_receiver(ReceiverState::Stopped);
  if (current_ != nullptr && current_->state == RequestState::Retiring) retire(*current_);
  if (state_ == ConnectionState::Draining) {
    drain_join();
  } else if (state_ == ConnectionState::Terminating) {
    drain(reason_);
  } else {
    drain(result == 0 ? "host_closed" : "connection_lost");
  }
}

/// From the group: a request or a receive buffer may be there now.
void Connection::resume() {
  const bool stalled = receiver_ == ReceiverState::Stalled;
  ASSERT(stalled || receiver_ == ReceiverState::NoBuffer);
  set_receiver(ReceiverState::Idle);
  if (!stalled) {
    arm();
    return;
  }
  const std::unique_ptr<std::byte[]> kept = std::move(kept_);
  stall_ = Stall::None;
  pump({kept.get(), kept_bytes_});
  if (stall_ != Stall::Device) core_.bdevs.forget(stalled_);
  drain_join();
}

// ---- PDUs ---------------------------------------------------------------------------------------

PduVerdict Connection::on_header(const PduHeader& header, PayloadCursor*& payload) {
  pdu_type_ = header.type;
  const auto out_of_sequence = [&] {
    fail(FatalErrorStatus::kPduSequenceError, 0, header.bytes, "pdu_sequence_error");
    return PduVerdict::Accept;
  };
  switch (header.type) {
    case wire::PduType::kIcReq:
      if (state_ != ConnectionState::AwaitIcReq) return out_of_sequence();
      ic_req_ = header.as<wire::IcReq>();
      return PduVerdict::Accept;
    case wire::PduType::kH2cTermReq: return PduVerdict::Accept;
    case wire::PduType::kCapsuleCmd:
      if (state_ == ConnectionState::AwaitIcReq) return out_of_sequence();
      return begin_capsule(header, payload);
    case wire::PduType::kH2cData:
      if (state_ == ConnectionState::AwaitIcReq) return out_of_sequence();
      begin_host_data(header, payload);
      return PduVerdict::Accept;
    default: UNREACHABLE();
  }
}

void Connection::on_pdu(DataDigest digest) {
  count(core_.stats.pdus_received);
  ++pdu_count_;
  TcpRequest* const request = current_;
  current_ = nullptr;
  if (digest == DataDigest::Wrong) count(core_.stats.error_data_digest);
  switch (pdu_type_) {
    case wire::PduType::kIcReq: on_ic_req(); return;
    case wire::PduType::kH2cTermReq:
      count(core_.stats.error_h2c_term_req);
      drain("host_terminated");
      return;
    case wire::PduType::kCapsuleCmd: on_capsule(*request, digest); return;
    case wire::PduType::kH2cData: on_host_data(*request, digest); return;
    default: UNREACHABLE();
  }
}

void Connection::on_ic_req() {
  const auto header = wire::bytes_of(ic_req_);
  if (ic_req_.pfv.get() != wire::kPduFormatVersion) {
    fail(FatalErrorStatus::kUnsupportedParameter, offsetof(wire::IcReq, pfv), header,
         "unsupported_parameter");
    return;
  }
  if (ic_req_.hpda > wire::kPduDataAlignmentMax) {
    fail(FatalErrorStatus::kInvalidPduHeaderField, offsetof(wire::IcReq, hpda), header,
         "invalid_pdu_header");
    return;
  }
  writer_.agree(ic_req_);
  reader_.set_digests(writer_.header_digest(), writer_.data_digest());
  set_state(ConnectionState::AwaitConnect);
  writer_.write_ic_resp(ic_resp_, ic_resp_item_);
  queue(ic_resp_item_);
}

/// A command's first bytes: finds a request for it and a place for its data. No side effect if it
/// stalls.
PduVerdict Connection::begin_capsule(const PduHeader& header, PayloadCursor*& payload) {
  const auto& sqe = header.as<wire::CapsuleCmdHeader>().sqe;
  const bool io =
      state_ == ConnectionState::Live && qpair_.qid != 0 && sqe.opcode != wire::kFabricsOpcode;
  const uint32_t payload_max = io ? core_.options.in_capsule_bytes : wire::kAdminInCapsuleDataMax;
  if (header.payload_bytes > payload_max) {
    fail(FatalErrorStatus::kDataTransferLimitExceeded, offsetof(wire::PduCommonHeader, plen),
         header.bytes, "data_transfer_limit_exceeded");
    return PduVerdict::Accept;
  }
  if (outstanding_ >= entries()) {
    count(core_.stats.error_queue_overrun);
    drain("queue_overrun");
    return PduVerdict::Accept;
  }
  // Answers that the host does not take from its socket hold requests too: half of these may be
  // such.
  if (requests_.size() + parked_count_ >= 2 * entries()) {
    stall_ = Stall::Own;
    return PduVerdict::Stall;
  }
  if (parked_count_ > 0 && places_ == 0) {
    stall_ = Stall::Places;
    return PduVerdict::Stall;
  }
  if (!has_request()) [[unlikely]] {
    stream_shortage_ = shortage_of_stream();
    if (stream_shortage_) {
      stall_ = Stall::Requests;
      return PduVerdict::Stall;
    }
    switch (io ? start_of(sqe) : Start::Begin) {
      case Start::Begin: break;
      case Start::Wait: stall_ = Stall::Device; return PduVerdict::Stall;
      case Start::Interrupt:
        stream_moved_ = true;
        current_ = &make_interrupted_request(header);
        return PduVerdict::Accept;
    }
  }
  stream_moved_ = true;
  TcpRequest& request = make_request(header);
  current_ = &request;
  if (header.payload_bytes > 0 && request.data_in == DataIn::Capsule) payload = &request.cursor;
  return PduVerdict::Accept;
}

/// Data of a command that was sent an R2T: in order, in the announced length, nothing else.
void Connection::begin_host_data(const PduHeader& header, PayloadCursor*& payload) {
  const auto& pdu = header.as<wire::H2cData>();
  const auto refuse = [&](FatalErrorStatus status, size_t offset, const char* reason) {
    fail(status, offset, header.bytes, reason);
  };
  constexpr auto kInvalid = FatalErrorStatus::kInvalidPduHeaderField;
  TcpRequest* const request = core_.requests->find(pdu.ttag.get());
  if (request == nullptr || request->connection != this ||
      request->state != RequestState::AwaitHostData || !request->r2t_item.submitted) {
    return refuse(kInvalid, offsetof(wire::H2cData, ttag), "invalid_ttag");
  }
  if (pdu.cccid != request->sqe.cid) {
    return refuse(kInvalid, offsetof(wire::H2cData, cccid), "invalid_cccid");
  }
  if (pdu.datao.get() != request->host_data_bytes) {
    return refuse(FatalErrorStatus::kDataTransferOutOfRange, offsetof(wire::H2cData, datao),
                  "data_transfer_out_of_range");
  }
  const uint32_t datal = pdu.datal.get();
  if (datal == 0 || datal != header.payload_bytes) {
    return refuse(kInvalid, offsetof(wire::H2cData, datal), "invalid_pdu_header");
  }
  if (datal > kMaxh2cdata) {
    return refuse(FatalErrorStatus::kDataTransferLimitExceeded, offsetof(wire::H2cData, datal),
                  "data_transfer_limit_exceeded");
  }
  const uint32_t left = request->plan.bytes - request->host_data_bytes;
  if (datal > left) {
    return refuse(FatalErrorStatus::kDataTransferOutOfRange, offsetof(wire::H2cData, datal),
                  "data_transfer_out_of_range");
  }
  const bool last = (header.flags & wire::kDataLastPdu) != 0;
  if (last != (datal == left)) {
    return refuse(kInvalid, offsetof(wire::PduCommonHeader, flags), "invalid_pdu_header");
  }
  request->host_data_bytes += datal;
  host_data_pdu_bytes_ = datal;
  current_ = request;
  payload = &request->cursor;
}

}  // namespace capsuled::transport
