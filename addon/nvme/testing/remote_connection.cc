#include "nvme/testing/remote_connection.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/assert.h"
#include "wire/fabrics.h"

namespace capsuled::nvme::testing {
namespace {

using namespace capsuled::testing;

/// By the opcode's, or the Fabrics Command Type's, lowest two bits.
bool brings_data(const wire::SubmissionQueueEntry& sqe) {
  uint8_t code = sqe.opcode;
  if (code == wire::kFabricsOpcode) {
    code = wire::view_as<wire::FabricsCommand>(wire::bytes_of(sqe)).fctype;
  }
  return (code & 3) == 1;
}

}  // namespace

void RemoteConnection::begin() {
  socket_.readable = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_readable();
  };
  on_readable();
}

void RemoteConnection::on_readable() {
  std::array<std::byte, 16 * 1024> bytes;
  while (open_ && !silent_) {
    const size_t count = socket_.read(bytes);
    if (count == 0) break;
    (void)reader_.consume(std::span(bytes).first(count), *this);
  }
  if (open_ && !silent_ && (socket_.at_end() || socket_.error() != 0)) end();
}

void RemoteConnection::send(const Octets& octets) {
  if (!silent_) socket_.write_all(octets);
}

void RemoteConnection::cut() {
  if (!open_) return;
  socket_.reset();
  end();
}

void RemoteConnection::end() {
  open_ = false;
  reader_.stop();
  if (!socket_.closed()) socket_.close();
  owner_.ended(*this);
}

void RemoteConnection::answer(const wire::CompletionQueueEntry& cqe, const Octets& data) {
  if (!open_) return;
  if (!data.empty()) {
    send(make_c2h_data(cqe.cid.get(), 0, data, digests_, wire::kDataLastPdu));
  }
  send(make_response(cqe, digests_));
}

PduVerdict RemoteConnection::on_header(const PduHeader& header, PayloadCursor*& payload) {
  type_ = header.type;
  header_.assign(header.bytes.begin(), header.bytes.end());
  payload_.resize(header.payload_bytes);
  payload_iov_ = {payload_.data(), payload_.size()};
  cursor_ = {&payload_iov_, 0};
  if (!payload_.empty()) payload = &cursor_;
  return PduVerdict::Accept;
}

void RemoteConnection::on_pdu(DataDigest digest) {
  ASSERT_MSG(digest == DataDigest::Right, "a host sent a wrong digest");
  switch (type_) {
    case wire::PduType::kIcReq: {
      const auto& asked = wire::view_as<wire::IcReq>(std::span<const std::byte>(header_));
      digests_ = {(asked.dgst & wire::kHdgstEnable) != 0, (asked.dgst & wire::kDdgstEnable) != 0};
      reader_.set_digests(digests_.header, digests_.data);
      send(make_ic_resp(digests_, 8192));
      return;
    }
    case wire::PduType::kCapsuleCmd: return take_capsule();
    case wire::PduType::kH2cData: return take_data();
    default: UNREACHABLE();
  }
}

void RemoteConnection::on_error(const PduError&) { ASSERT_MSG(false, "a host sent a wrong PDU"); }

void RemoteConnection::take_capsule() {
  RemoteCommand command;
  command.sqe = wire::view_as<wire::CapsuleCmdHeader>(std::span<const std::byte>(header_)).sqe;
  const size_t bytes = command.sqe.dptr.length.get();
  command.data = std::move(payload_);
  if (!brings_data(command.sqe) || bytes == 0 || !command.data.empty()) {
    return owner_.commanded(*this, std::move(command));
  }
  const uint16_t cid = command.cid();
  command.data.resize(bytes);
  ASSERT_MSG(incoming_.emplace(cid, Incoming{std::move(command)}).second, "a CID is used twice");
  send(make_r2t(cid, cid, 0, static_cast<uint32_t>(bytes), digests_));
}

void RemoteConnection::take_data() {
  const auto& pdu = wire::view_as<wire::H2cData>(std::span<const std::byte>(header_));
  const auto found = incoming_.find(pdu.ttag.get());
  ASSERT_MSG(found != incoming_.end(), "a host sent data that nobody asked for");
  Incoming& incoming = found->second;
  Octets& data = incoming.command.data;
  ASSERT_MSG(pdu.datao.get() == incoming.received, "a host sent data in disorder");
  ASSERT(payload_.size() <= data.size() - incoming.received);
  std::ranges::copy(payload_, data.begin() + static_cast<ptrdiff_t>(incoming.received));
  incoming.received += payload_.size();
  if (incoming.received < data.size()) return;
  RemoteCommand command = std::move(incoming.command);
  incoming_.erase(found);
  owner_.commanded(*this, std::move(command));
}

}  // namespace capsuled::nvme::testing
