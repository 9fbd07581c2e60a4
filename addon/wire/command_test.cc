#include <doctest/doctest.h>

#include <string_view>

#include "wire/fabrics.h"
#include "wire/io_command.h"
#include "wire/pdu.h"

namespace capsuled::wire {
namespace {

TEST_CASE("a status packs to the completion's 16 bits") {
  struct Row {
    Status status;
    std::uint16_t field;
    std::string_view name;
  };
  const Row rows[] = {
      {GenericStatus::kSuccess, 0x0000, "Successful Completion"},
      {GenericStatus::kInvalidField, 0x0004, "Invalid Field in Command"},
      {Status(GenericStatus::kInvalidField).do_not_retry(), 0x8004, "Invalid Field in Command"},
      {GenericStatus::kLbaOutOfRange, 0x0100, "LBA Out of Range"},
      {CommandSpecificStatus::kInvalidLogPage, 0x0212, "Invalid Log Page"},
      {NvmCommandStatus::kAttemptedWriteToReadOnlyRange, 0x0304,
       "Attempted Write to Read Only Range"},
      {MediaStatus::kCompareFailure, 0x050a, "Compare Failure"},
      {PathStatus::kAnaInaccessible, 0x0604, "Asymmetric Access Inaccessible"},
      {Status(PathStatus::kInternalPathError).with_more().with_retry_delay(2), 0x6600,
       "Internal Path Error"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(row.status.pack() == row.field);
    CHECK(Status::unpack(row.field) == row.status);
    CHECK(status_name(row.status) == row.name);
  }
  CHECK(Status(GenericStatus::kSuccess).is_success());
  CHECK_FALSE(Status(PathStatus::kInternalPathError).is_success());
}

TEST_CASE("the phase tag is not part of a status") {
  CHECK(Status::unpack(0x0005) == Status(GenericStatus::kInvalidField));
}

TEST_CASE("command specific codes of 80h and up are named after who used them") {
  CHECK(status_name(Status::unpack(0x0304)) ==
        std::string_view("Attempted Write to Read Only Range"));
  CHECK(fabrics_status_name(Status::unpack(0x0304)) ==
        std::string_view("Connect Invalid Parameters"));
  CHECK(fabrics_status_name(GenericStatus::kInvalidField) ==
        std::string_view("Invalid Field in Command"));
  CHECK(status_name(Status::unpack(0x0e00)) == std::string_view("Vendor Specific"));
  CHECK(status_name(Status::unpack(0x0800)) == std::string_view("Unknown Status"));
}

TEST_CASE("opcodes have names, known or not") {
  CHECK(opcode_name(QueueKind::kAdmin, 0x06) == std::string_view("Identify"));
  CHECK(opcode_name(QueueKind::kIo, 0x06) == std::string_view("Unknown I/O Command"));
  CHECK(opcode_name(QueueKind::kIo, 0x02) == std::string_view("Read"));
  CHECK(opcode_name(QueueKind::kAdmin, 0x02) == std::string_view("Get Log Page"));
  CHECK(fabrics_command_name(1) == std::string_view("Connect"));
  CHECK(fabrics_command_name(2) == std::string_view("Unknown Fabrics Command"));
  CHECK(pdu_type_name(9) == std::string_view("R2T"));
  CHECK(pdu_type_name(8) == std::string_view("Unknown PDU"));
  CHECK(fatal_error_name(3) == std::string_view("Header Digest Error"));
}

TEST_CASE("0's based counts become counts, at both ends") {
  SubmissionQueueEntry sqe{};
  CHECK(LbaRangeCommand(sqe).block_count() == 1);
  CHECK(DatasetManagementCommand(sqe).range_count() == 1);
  sqe.cdw12.set(0xffff);
  CHECK(LbaRangeCommand(sqe).block_count() == 65536);
  sqe.cdw10.set(0xffffffff);
  CHECK(DatasetManagementCommand(sqe).range_count() == 256);
}

TEST_CASE("the flags of a block range command lie where the specification says") {
  SubmissionQueueEntry sqe{};
  sqe.cdw10.set(0x89abcdef);
  sqe.cdw11.set(0x01234567);
  CHECK(LbaRangeCommand(sqe).slba() == 0x0123456789abcdef);
  sqe.cdw12.set(1u << 30);
  CHECK(LbaRangeCommand(sqe).fua());
  CHECK_FALSE(LbaRangeCommand(sqe).limited_retry());
  sqe.cdw12.set(1u << 31);
  CHECK_FALSE(LbaRangeCommand(sqe).fua());
  CHECK(LbaRangeCommand(sqe).limited_retry());
  sqe.cdw12.set(1u << 25);
  CHECK(LbaRangeCommand(sqe).deallocate());
  CHECK(LbaRangeCommand(sqe).prinfo() == 0);
  sqe.cdw12.set(0xfu << 26);
  CHECK(LbaRangeCommand(sqe).prinfo() == 15);
  sqe.cdw11.set(4);
  CHECK(DatasetManagementCommand(sqe).deallocate());
}

TEST_CASE("an SGL descriptor says where its data are") {
  SglDescriptor sgl{};
  sgl.set_identifier(SglType::kDataBlock, SglSubtype::kOffset);
  CHECK(sgl.identifier == 0x01);
  CHECK(sgl.is_in_capsule());
  sgl.set_identifier(SglType::kTransportDataBlock, SglSubtype::kTransportSpecific);
  CHECK(sgl.identifier == 0x5a);
  CHECK(sgl.is_transport());
  CHECK_FALSE(sgl.is_in_capsule());
}

TEST_CASE("an entry can be read as the command it is") {
  SubmissionQueueEntry sqe{};
  sqe.opcode = kFabricsOpcode;
  sqe.nsid.set(static_cast<std::uint32_t>(FabricsCommandType::kConnect));
  sqe.cdw10.set(0x00030000);
  sqe.cdw12.set(15000);
  const auto& connect = command_as<ConnectCommand>(sqe);
  CHECK(connect.fctype == 1);
  CHECK(connect.qid.get() == 3);
  CHECK(connect.kato.get() == 15000);
}

TEST_CASE("header lengths are those of the specification") {
  const std::uint8_t lengths[] = {128, 128, 24, 24, 72, 24, 24, 24, 0, 24, 0};
  for (std::uint8_t type = 0; type < std::size(lengths); ++type) {
    CAPTURE(type);
    CHECK(pdu_header_length(static_cast<PduType>(type)) == lengths[type]);
  }
}

TEST_CASE("text fields stop at their padding") {
  Text<8> text{};
  text.set("nqn");
  CHECK(text.view() == "nqn");
  CHECK(text.terminated());
  text.set("12345678");
  CHECK(text.view() == "12345678");
  CHECK_FALSE(text.terminated());
  Ascii<8> ascii{};
  ascii.set("a b");
  CHECK(ascii.view() == "a b");
  CHECK(ascii.bytes[7] == ' ');
  ascii.set("");
  CHECK(ascii.view().empty());
}

}  // namespace
}  // namespace capsuled::wire
