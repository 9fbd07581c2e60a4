// The I/O commands of SoftwareController, and the memory that commands name.
#include <algorithm>
#include <cstring>

#include "nvme/testing/software_controller.h"
#include "wire/identify.h"
#include "wire/io_command.h"

namespace capsuled::nvme::testing {
namespace {

using wire::GenericStatus;

constexpr size_t kPage = 4096;

}  // namespace

SoftwareController::Answer SoftwareController::io(const wire::SubmissionQueueEntry& sqe) {
  if (faults.failures > 0) {
    --faults.failures;
    return {faults.status};
  }
  const auto opcode = static_cast<wire::IoOpcode>(sqe.opcode);
  const uint32_t nsid = sqe.nsid.get();
  if (opcode == wire::IoOpcode::kFlush && nsid == wire::kNsidBroadcast) {
    for (const auto& [id, each] : namespaces_) each->settle();
    return {};
  }
  const auto found = namespaces_.find(nsid);
  if (found == namespaces_.end()) {
    return {wire::Status(GenericStatus::kInvalidNamespaceOrFormat).do_not_retry()};
  }
  const auto can = [this](uint16_t bit) { return (options_.oncs & bit) != 0; };
  const auto refused = Answer{wire::Status(GenericStatus::kInvalidOpcode).do_not_retry()};
  switch (opcode) {
    case wire::IoOpcode::kFlush: found->second->settle(); return {};
    case wire::IoOpcode::kRead:
    case wire::IoOpcode::kWrite: return transfer(sqe, *found->second);
    case wire::IoOpcode::kCompare:
      if (!can(wire::Oncs::Nvmcmps::mask<uint16_t>())) return refused;
      return transfer(sqe, *found->second);
    case wire::IoOpcode::kWriteZeroes:
      if (!can(wire::Oncs::Nvmwzsv::mask<uint16_t>())) return refused;
      return transfer(sqe, *found->second);
    case wire::IoOpcode::kVerify:
      if (!can(wire::Oncs::Nvmvfys::mask<uint16_t>())) return refused;
      return transfer(sqe, *found->second);
    case wire::IoOpcode::kWriteUncorrectable:
      if (!can(wire::Oncs::Nvmwusv::mask<uint16_t>())) return refused;
      return transfer(sqe, *found->second);
    case wire::IoOpcode::kDatasetManagement:
      if (!can(wire::Oncs::Nvmdsmsv::mask<uint16_t>())) return refused;
      return manage_dataset(sqe, *found->second);
    default: return refused;
  }
}

/// What works on one range of blocks.
SoftwareController::Answer SoftwareController::transfer(const wire::SubmissionQueueEntry& sqe,
                                                        SoftwareNamespace& on) {
  const wire::LbaRangeCommand command(sqe);
  const uint64_t first = command.slba();
  const uint32_t count = command.block_count();
  if (!on.has(first, count)) return {wire::Status(GenericStatus::kLbaOutOfRange).do_not_retry()};
  const auto opcode = static_cast<wire::IoOpcode>(sqe.opcode);
  const bool has_payload = opcode == wire::IoOpcode::kRead || opcode == wire::IoOpcode::kWrite ||
                           opcode == wire::IoOpcode::kCompare;
  const std::span<std::byte> blocks = on.blocks(first, count);
  const auto most = [](uint8_t shift) { return shift == 0 ? SIZE_MAX : kPage << shift; };
  const bool zeroes = opcode == wire::IoOpcode::kWriteZeroes;
  if ((has_payload && blocks.size() > most(options_.mdts)) ||
      (zeroes && blocks.size() > most(options_.wzsl))) {
    return {wire::Status(GenericStatus::kInvalidField).do_not_retry()};
  }
  const bool reads = opcode == wire::IoOpcode::kRead || opcode == wire::IoOpcode::kCompare ||
                     opcode == wire::IoOpcode::kVerify;
  if (reads && !on.readable(first, count)) return {wire::MediaStatus::kUnrecoveredReadError};
  switch (opcode) {
    case wire::IoOpcode::kRead: copy_out(sqe, blocks); break;
    case wire::IoOpcode::kWrite:
      on.changing(first, count);
      copy_in(sqe, blocks);
      on.written(first, count);
      break;
    case wire::IoOpcode::kCompare: {
      std::vector<std::byte> other(blocks.size());
      copy_in(sqe, other);
      if (!std::ranges::equal(other, blocks)) return {wire::MediaStatus::kCompareFailure};
      break;
    }
    case wire::IoOpcode::kWriteZeroes:
      on.changing(first, count);
      on.zero(first, count);
      on.written(first, count);
      break;
    case wire::IoOpcode::kWriteUncorrectable: on.spoil(first, count); break;
    case wire::IoOpcode::kVerify: break;
    default: UNREACHABLE();
  }
  if (command.fua() || !options_.has_cache) on.settle(first, count);
  return {};
}

SoftwareController::Answer SoftwareController::manage_dataset(const wire::SubmissionQueueEntry& sqe,
                                                              SoftwareNamespace& on) {
  const wire::DatasetManagementCommand command(sqe);
  std::vector<wire::DsmRange> ranges(command.range_count());
  copy_in(sqe, std::as_writable_bytes(std::span(ranges)));
  for (const wire::DsmRange& range : ranges) {
    if (!on.has(range.slba.get(), range.nlb.get())) {
      return {wire::Status(GenericStatus::kLbaOutOfRange).do_not_retry()};
    }
    if (options_.dmrsl != 0 && range.nlb.get() > options_.dmrsl) {
      return {wire::Status(wire::NvmCommandStatus::kCommandSizeLimitExceeded).do_not_retry()};
    }
  }
  if (!command.deallocate()) return {};
  for (const wire::DsmRange& range : ranges) {
    on.changing(range.slba.get(), range.nlb.get());
    on.zero(range.slba.get(), range.nlb.get());
    on.written(range.slba.get(), range.nlb.get());
  }
  return {};
}

// ---- Memory ------------------------------------------------------------------------------------

/// Calls `each` with the bytes of every page of the data, as the PRP entries of the command name
/// them (NVMe Base 2.1, 4.3.1).
template <typename Each>
void SoftwareController::each_page(const wire::SubmissionQueueEntry& sqe, size_t bytes,
                                   Each&& each) {
  ASSERT_MSG(sqe.psdt() == wire::DataPointerType::kPrp, "this controller takes no SGL");
  const wire::PrpPointer& prp = wire::prp_of(sqe);
  const env::DmaAddress first = prp.prp1.get();
  ASSERT_MSG(first % 4 == 0, "PRP1 has a wrong offset");
  size_t count = std::min(bytes, kPage - first % kPage);
  each(memory_.at(first, count));
  size_t left = bytes - count;
  if (left == 0) return;
  env::DmaAddress next = prp.prp2.get();
  if (left <= kPage) {
    ASSERT_MSG(next % kPage == 0, "PRP2 has an offset");
    each(memory_.at(next, left));
    return;
  }
  // A list, whose last entry in a page names the next page of it, if more are to come.
  ASSERT_MSG(next % 8 == 0, "a list of PRPs has a wrong offset");
  while (left > 0) {
    const auto entry = memory_.at(next, sizeof(Le64));
    const env::DmaAddress at = wire::view_as<Le64>(entry).get();
    const bool last_in_page = (next + sizeof(Le64)) % kPage == 0;
    if (last_in_page && left > kPage) {
      ASSERT_MSG(at % kPage == 0, "a list of PRPs goes on in the middle of a page");
      next = at;
      continue;
    }
    ASSERT_MSG(at % kPage == 0, "a PRP of a list has an offset");
    count = std::min(left, kPage);
    each(memory_.at(at, count));
    left -= count;
    next += sizeof(Le64);
  }
}

void SoftwareController::copy_out(const wire::SubmissionQueueEntry& sqe,
                                  std::span<const std::byte> here) {
  each_page(sqe, here.size(), [&here](std::span<std::byte> page) {
    std::memcpy(page.data(), here.data(), page.size());
    here = here.subspan(page.size());
  });
}

void SoftwareController::copy_in(const wire::SubmissionQueueEntry& sqe, std::span<std::byte> here) {
  each_page(sqe, here.size(), [&here](std::span<std::byte> page) {
    std::memcpy(here.data(), page.data(), page.size());
    here = here.subspan(page.size());
  });
}

}  // namespace capsuled::nvme::testing
