// Names of opcodes and PDU types, for logs: logs print names, never bare opcodes.

#include "wire/admin_command.h"
#include "wire/fabrics.h"
#include "wire/io_command.h"
#include "wire/pdu.h"

namespace capsuled::wire {
namespace {

const char* or_else(const char* name, const char* unknown) {
  return name == nullptr ? unknown : name;
}

}  // namespace

const char* opcode_name(QueueKind queue, std::uint8_t opcode) {
  switch (queue) {
    case QueueKind::kAdmin:
      return or_else(find_name(kAdminOpcodeConstants, opcode), "Unknown Admin Command");
    case QueueKind::kIo:
      return or_else(find_name(kIoOpcodeConstants, opcode), "Unknown I/O Command");
  }
  UNREACHABLE();
}

const char* fabrics_command_name(std::uint8_t fctype) {
  return or_else(find_name(kFabricsCommandTypeConstants, fctype), "Unknown Fabrics Command");
}

const char* pdu_type_name(std::uint8_t type) {
  return or_else(find_name(kPduTypeConstants, type), "Unknown PDU");
}

const char* fatal_error_name(std::uint16_t fes) {
  return or_else(find_name(kFatalErrorStatusConstants, fes), "Unknown Fatal Error");
}

}  // namespace capsuled::wire
