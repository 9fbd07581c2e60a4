#include "transport/control_command.h"

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

}  // namespace

Plan control_plan(const wire::SubmissionQueueEntry& sqe, uint32_t capsule_bytes) {
  const Direction direction = direction_of(sqe);
  const wire::SglDescriptor& sgl = sqe.dptr;
  const uint32_t length = sgl.length.get();
  if (direction == Direction::None || length == 0) return Plan{};
  if (direction == Direction::ControllerToHost) {
    if (!sgl.is_transport()) return refused(GenericStatus::kSglDescriptorTypeInvalid);
    return Plan{.direction = direction, .bytes = length};
  }
  if (sgl.is_in_capsule()) {
    if (sgl.address.get() != 0) return refused(GenericStatus::kSglOffsetInvalid);
    if (length > capsule_bytes) return refused(GenericStatus::kDataSglLengthInvalid);
    return Plan{.direction = direction, .bytes = length};
  }
  if (!sgl.is_transport()) return refused(GenericStatus::kSglDescriptorTypeInvalid);
  if (length > kTransferBytesMax) return refused(GenericStatus::kDataSglLengthInvalid);
  return Plan{.direction = direction, .bytes = length};
}

}  // namespace capsuled::transport
