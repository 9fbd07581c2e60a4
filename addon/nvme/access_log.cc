#include "nvme/access_log.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

namespace capsuled::nvme {
namespace {

constexpr uint32_t kHeaderBytes = sizeof(wire::AnaLogHeader);
constexpr uint32_t kGroupBytes = sizeof(wire::AnaGroupDescriptor);
/// Of one command: whole groups.
constexpr uint32_t kGroupsAtOnce = (kAdminDataBytes - kHeaderBytes) / kGroupBytes;

/// One reading, which goes on for as long as there are groups.
struct Reading {
  Controller& controller;
  const uint32_t group;
  const std::function<void(const AccessAnswer&)> done;
  uint32_t groups = 0;       ///< that there are
  uint32_t groups_read = 0;  ///< of those
};

void read_on(const std::shared_ptr<Reading>& reading);

/// The groups alone, without their namespaces: then all have the same size.
AdminCommand get_log(uint64_t offset, uint32_t bytes) {
  AdminCommand get;
  get.sqe.opcode = static_cast<uint8_t>(wire::AdminOpcode::kGetLogPage);
  get.sqe.nsid.set(wire::kNsidBroadcast);
  using Cdw10 = wire::GetLogPageCdw10;
  uint32_t cdw10 =
      Cdw10::Lid::set(0u, static_cast<uint32_t>(wire::LogPage::kAsymmetricNamespaceAccess));
  cdw10 = Cdw10::Lsp::set(cdw10, wire::AnaLsp::Rgo::mask<uint32_t>());
  get.sqe.cdw10.set(Cdw10::Numdl::set(cdw10, bytes / 4 - 1));
  get.sqe.cdw12.set(static_cast<uint32_t>(offset));
  get.sqe.cdw13.set(static_cast<uint32_t>(offset >> 32));
  get.bytes = bytes;
  return get;
}

void take(const std::shared_ptr<Reading>& reading, std::span<const std::byte> log, bool first) {
  if (first) {
    reading->groups = wire::view_as<wire::AnaLogHeader>(log).nagd.get();
    log = log.subspan(kHeaderBytes);
  }
  while (log.size() >= kGroupBytes && reading->groups_read < reading->groups) {
    const auto& group = wire::view_as<wire::AnaGroupDescriptor>(log);
    if (group.agid.get() == reading->group) {
      // The upper bits are reserved.
      return reading->done({true, static_cast<wire::AnaState>(group.anas & 0xf)});
    }
    ++reading->groups_read;
    log = log.subspan(kGroupBytes);
  }
  if (reading->groups_read == reading->groups) return reading->done({true, std::nullopt});
  read_on(reading);
}

void read_on(const std::shared_ptr<Reading>& reading) {
  const bool first = reading->groups_read == 0;
  const uint32_t left = first ? kGroupsAtOnce : reading->groups - reading->groups_read;
  const uint32_t groups = std::min(left, kGroupsAtOnce);
  const uint64_t offset = first ? 0 : kHeaderBytes + uint64_t{reading->groups_read} * kGroupBytes;
  AdminCommand get = get_log(offset, (first ? kHeaderBytes : 0) + groups * kGroupBytes);
  get.done = [reading, first](const AdminOutcome& outcome) {
    if (outcome.ok()) {
      take(reading, outcome.data, first);
    } else {
      reading->done({outcome.answered, std::nullopt});
    }
  };
  reading->controller.add_command(std::move(get));
}

}  // namespace

void read_access(Controller& controller, uint32_t group,
                 std::function<void(const AccessAnswer&)> done) {
  read_on(std::make_shared<Reading>(Reading{controller, group, std::move(done)}));
}

}  // namespace capsuled::nvme
