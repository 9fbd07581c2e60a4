#include "transport/control_command.h"

#include <algorithm>

#include "wire/admin_command.h"
#include "wire/fabrics.h"
#include "wire/io_command.h"

namespace capsuled::transport {

namespace {

using nvmf::Direction;
using nvmf::Plan;
using wire::GenericStatus;

/// Bits 1:0 of an opcode, or of a Fabrics command type (NVMe Base 2.1, 4.1.1 "Data Transfer").
Direction direction_of(const wire::SubmissionQueueEntry& sqe) {
  const uint8_t code = sqe.opcode == wire::kFabricsOpcode
                           ? wire::command_as<wire::FabricsCommand>(sqe).fctype
                           : sqe.opcode;
  switch (wire::data_transfer(code)) {
    case wire::DataTransfer::kHostToController: return Direction::HostToController;
    case wire::DataTransfer::kControllerToHost: return Direction::ControllerToHost;
    case wire::DataTransfer::kNone:
    case wire::DataTransfer::kBidirectional: return Direction::None;  // no command uses the last
  }
  UNREACHABLE();
}

Plan refused(wire::Status status) { return Plan{.status = status.do_not_retry()}; }

/// The largest structures that a feature has, and that Identify and Get Features answer.
constexpr uint32_t kStructureBytesMax = 4096;

/// The most data that a command may move. A command that is not listed gets no data moved: the
/// control plane refuses it, or it needs none.
uint32_t data_bytes_max(const wire::SubmissionQueueEntry& sqe) {
  if (sqe.opcode == wire::kFabricsOpcode) {
    const uint8_t type = wire::command_as<wire::FabricsCommand>(sqe).fctype;
    const bool connect = type == static_cast<uint8_t>(wire::FabricsCommandType::kConnect);
    return connect ? static_cast<uint32_t>(sizeof(wire::ConnectData)) : 0;
  }
  switch (static_cast<wire::AdminOpcode>(sqe.opcode)) {
    case wire::AdminOpcode::kIdentify:
    case wire::AdminOpcode::kSetFeatures:
    case wire::AdminOpcode::kGetFeatures: return kStructureBytesMax;
    case wire::AdminOpcode::kGetLogPage: return kTransferBytesMax;
    default: return 0;
  }
}

}  // namespace

Plan control_plan(const wire::SubmissionQueueEntry& sqe, uint32_t capsule_bytes) {
  const Direction direction = direction_of(sqe);
  const wire::SglDescriptor& sgl = sqe.dptr;
  const uint32_t length = sgl.length.get();
  const uint32_t bytes_max = data_bytes_max(sqe);
  if (direction == Direction::None || length == 0 || bytes_max == 0) return Plan{};
  if (direction == Direction::ControllerToHost) {
    if (!sgl.is_transport()) return refused(GenericStatus::kSglDescriptorTypeInvalid);
    return Plan{.direction = direction, .bytes = std::min(length, bytes_max)};
  }
  if (sgl.is_in_capsule()) {
    // What came in the capsule is in the request's own memory already.
    if (sgl.address.get() != 0) return refused(GenericStatus::kSglOffsetInvalid);
    if (length > capsule_bytes) return refused(GenericStatus::kDataSglLengthInvalid);
    return Plan{.direction = direction, .bytes = length};
  }
  if (!sgl.is_transport()) return refused(GenericStatus::kSglDescriptorTypeInvalid);
  if (length > bytes_max) return refused(GenericStatus::kDataSglLengthInvalid);
  return Plan{.direction = direction, .bytes = length};
}

}  // namespace capsuled::transport
