// The Fabrics and admin commands of RemoteSubsystem.
#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "nvme/testing/remote_subsystem.h"
#include "wire/admin_command.h"
#include "wire/feature.h"
#include "wire/identify.h"
#include "wire/registers.h"

namespace capsuled::nvme::testing {
namespace {

using namespace capsuled::testing;
using wire::CommandSpecificStatus;
using wire::GenericStatus;

constexpr size_t kPage = 4096;

}  // namespace

// ---- Fabrics -----------------------------------------------------------------------------------

RemoteSubsystem::Answer RemoteSubsystem::fabrics(RemoteConnection& connection,
                                                 const RemoteCommand& command) {
  const auto& fabrics = wire::view_as<wire::FabricsCommand>(wire::bytes_of(command.sqe));
  const auto type = static_cast<wire::FabricsCommandType>(fabrics.fctype);
  if (type == wire::FabricsCommandType::kConnect) return connect(connection, command);
  const auto found = controllers_.find(connection.cntlid);
  if (found == controllers_.end()) return {GenericStatus::kCommandSequenceError};
  if (type == wire::FabricsCommandType::kPropertySet) {
    const auto& set = wire::view_as<wire::PropertySetCommand>(wire::bytes_of(command.sqe));
    if (set.ofst.get() != static_cast<uint32_t>(wire::Property::kCc)) {
      return {GenericStatus::kInvalidField};
    }
    found->second.enabled = wire::Cc::En::get(static_cast<uint32_t>(set.value.get())) != 0;
    return {};
  }
  if (type != wire::FabricsCommandType::kPropertyGet) return {GenericStatus::kInvalidField};
  const auto& get = wire::view_as<wire::PropertyGetCommand>(wire::bytes_of(command.sqe));
  switch (static_cast<wire::Property>(get.ofst.get())) {
    case wire::Property::kCap: {
      const uint64_t cap = wire::Cap::Mqes::set(uint64_t{0}, uint64_t{options_.queue_entries} - 1);
      return {.value = wire::Cap::To::set(cap, uint64_t{4})};
    }
    case wire::Property::kCsts:
      return {.value = wire::Csts::Rdy::set(0u, found->second.enabled ? 1u : 0u)};
    default: return {GenericStatus::kInvalidField};
  }
}

RemoteSubsystem::Answer RemoteSubsystem::connect(RemoteConnection& connection,
                                                 const RemoteCommand& command) {
  const auto& asked = wire::view_as<wire::ConnectCommand>(wire::bytes_of(command.sqe));
  const auto& data = wire::view_as<wire::ConnectData>(std::span<const std::byte>(command.data));
  Port& port = ports_[connection.port];
  const bool discovery = port.log.has_value() && data.subnqn.view() == wire::kDiscoveryNqn;
  if (!discovery && data.subnqn.view() != options_.subnqn) {
    return {wire::Status(wire::FabricsStatus::kConnectInvalidParameters).do_not_retry()};
  }
  last_connect_ = data;
  ++port.connects;
  connection.qid = asked.qid.get();
  if (connection.qid == 0) {
    connection.cntlid = ++last_cntlid_;
    controllers_[connection.cntlid] = {.admin = connection.shared_from_this(),
                                       .discovery = discovery,
                                       .kato_ns = uint64_t{asked.kato.get()} * 1'000'000};
    return {.value = connection.cntlid};
  }
  const auto found = controllers_.find(data.cntlid.get());
  // It may have ended.
  if (found == controllers_.end()) {
    return {wire::Status(wire::FabricsStatus::kConnectInvalidParameters).do_not_retry()};
  }
  ASSERT_MSG(found->second.enabled && found->second.admin->port == connection.port,
             "an I/O queue of another controller");
  connection.cntlid = data.cntlid.get();
  return {.value = connection.cntlid};
}

// ---- Admin -------------------------------------------------------------------------------------

/// Nothing: there is no answer yet.
std::optional<RemoteSubsystem::Answer> RemoteSubsystem::admin(RemoteConnection& connection,
                                                              const RemoteCommand& command) {
  const auto found = controllers_.find(connection.cntlid);
  if (found == controllers_.end()) return Answer{GenericStatus::kCommandSequenceError};
  Controller& by = found->second;
  switch (static_cast<wire::AdminOpcode>(command.sqe.opcode)) {
    case wire::AdminOpcode::kIdentify:
      if (command.sqe.nsid.get() != 0 && faults.identify_failures > 0) {
        --faults.identify_failures;
        return Answer{GenericStatus::kInternalError};
      }
      return identify(by, command);
    case wire::AdminOpcode::kSetFeatures: return feature(by, command);
    case wire::AdminOpcode::kGetLogPage:
      ++log_reads_;
      if (log_read) log_read(connection.port);
      // Which may have ended it.
      if (!connection.open()) return std::nullopt;
      return log_page(by, command);
    case wire::AdminOpcode::kKeepAlive: return Answer{};
    case wire::AdminOpcode::kAsynchronousEventRequest:
      by.event_requests.push_back(command.cid());
      send_events(by);
      return std::nullopt;
    default: return Answer{wire::Status(GenericStatus::kInvalidOpcode).do_not_retry()};
  }
}

RemoteSubsystem::Answer RemoteSubsystem::identify(const Controller& by,
                                                  const RemoteCommand& command) const {
  const uint32_t nsid = command.sqe.nsid.get();
  switch (static_cast<wire::Cns>(wire::IdentifyCdw10::Cns::get(command.sqe.cdw10.get()))) {
    case wire::Cns::kController: return {.data = controller_page(by)};
    case wire::Cns::kNamespace: return {.data = namespace_page(nsid)};
    case wire::Cns::kNamespaceIdDescriptors:
      if (!namespaces_.contains(nsid)) return {GenericStatus::kInvalidNamespaceOrFormat};
      return {.data = id_list(nsid)};
    default: return {GenericStatus::kInvalidField};
  }
}

Octets RemoteSubsystem::controller_page(const Controller& by) const {
  wire::IdentifyController is = {};
  is.sn.set(options_.serial);
  is.mn.set("remote");
  is.fr.set("1");
  is.mdts = options_.mdts;
  is.ver.set(wire::kVersion21);
  is.aerl = 3;
  using Notices = wire::AsyncEventConfiguration;
  is.oaes.set(Notices::Nsan::mask<uint32_t>() | Notices::Anacn::mask<uint32_t>());
  if (options_.reports_access) is.cmic = wire::Cmic::Anars::mask<uint8_t>();
  is.cqt.set(options_.quiesce_ms);
  is.kas.set(1);
  if (options_.alive_by_traffic) is.ctratt.set(wire::Ctratt::Tbkas::mask<uint32_t>());
  is.maxcmd.set(options_.commands_max);
  is.oncs.set(static_cast<uint16_t>(options_.commands & (wire::Oncs::Nvmdsmsv::mask<uint16_t>() |
                                                         wire::Oncs::Nvmwzsv::mask<uint16_t>() |
                                                         wire::Oncs::Nvmcmps::mask<uint16_t>())));
  is.vwc = wire::Vwc::Present::mask<uint8_t>();
  is.ioccsz.set((64 + options_.in_capsule_bytes) / 16);
  is.subnqn.set(by.discovery ? std::string_view(wire::kDiscoveryNqn) : options_.subnqn);
  return octets_of(is);
}

/// Of one that is not there all is zero.
Octets RemoteSubsystem::namespace_page(uint32_t nsid) const {
  wire::IdentifyNamespace is = {};
  const auto found = namespaces_.find(nsid);
  if (found == namespaces_.end()) return octets_of(is);
  const SoftwareNamespace& medium = *found->second.medium;
  is.nsze.set(medium.block_count());
  is.ncap.set(medium.block_count());
  is.lbaf[0].lbads = static_cast<uint8_t>(std::countr_zero(medium.options().block_bytes));
  is.anagrpid.set(group_);
  std::memcpy(&is.nguid, medium.options().nguid.data(), medium.options().nguid.size());
  return octets_of(is);
}

Octets RemoteSubsystem::id_list(uint32_t nsid) const {
  Octets page;
  const auto add = [&page](wire::NamespaceIdType type, const auto& id) {
    if (std::ranges::all_of(id, [](uint8_t byte) { return byte == 0; })) return;
    wire::NamespaceIdDescriptor header = {};
    header.nidt = static_cast<uint8_t>(type);
    header.nidl = static_cast<uint8_t>(id.size());
    for (const std::byte byte : wire::bytes_of(header)) page.push_back(byte);
    for (const uint8_t byte : id) page.push_back(std::byte(byte));
  };
  const RemoteNamespace& is = namespaces_.at(nsid);
  add(wire::NamespaceIdType::kNguid, is.medium->options().nguid);
  add(wire::NamespaceIdType::kUuid, is.uuid);
  page.resize(kPage);
  return page;
}

RemoteSubsystem::Answer RemoteSubsystem::feature(Controller& by, const RemoteCommand& command) {
  const uint32_t value = command.sqe.cdw11.get();
  const uint32_t fid = wire::SetFeaturesCdw10::Fid::get(command.sqe.cdw10.get());
  switch (static_cast<wire::Feature>(fid)) {
    case wire::Feature::kNumberOfQueues: {
      using Bits = wire::NumberOfQueuesFeature;
      const uint32_t most = options_.io_queues_max - 1u;
      const uint32_t given = Bits::Nsq::set(0u, std::min(Bits::Nsq::get(value), most));
      return {.value = Bits::Ncq::set(given, std::min(Bits::Ncq::get(value), most))};
    }
    case wire::Feature::kAsynchronousEventConfiguration: by.event_configuration = value; return {};
    default: return {GenericStatus::kInvalidField};
  }
}

// ---- Log pages ---------------------------------------------------------------------------------

RemoteSubsystem::Answer RemoteSubsystem::log_page(Controller& by, const RemoteCommand& command) {
  const wire::SubmissionQueueEntry& sqe = command.sqe;
  const uint64_t offset = uint64_t{sqe.cdw13.get()} << 32 | sqe.cdw12.get();
  const size_t bytes = (size_t{wire::GetLogPageCdw10::Numdl::get(sqe.cdw10.get())} + 1) * 4;
  const Port& port = ports_[by.admin->port];
  Octets log;
  switch (static_cast<wire::LogPage>(wire::GetLogPageCdw10::Lid::get(sqe.cdw10.get()))) {
    case wire::LogPage::kAsymmetricNamespaceAccess: log = access_log(port); break;
    case wire::LogPage::kDiscovery:
      if (!by.discovery) return {CommandSpecificStatus::kInvalidLogPage};
      log = discovery_log(port);
      break;
    case wire::LogPage::kChangedNamespaceList: {
      wire::NamespaceList list = {};
      for (size_t index = 0; index < by.changed.size(); ++index) {
        list.nsid[index].set(by.changed[index]);
      }
      by.changed.clear();
      log = octets_of(list);
      break;
    }
    default: return {CommandSpecificStatus::kInvalidLogPage};
  }
  if (offset > log.size()) return {GenericStatus::kInvalidField};
  log.erase(log.begin(), log.begin() + static_cast<ptrdiff_t>(offset));
  log.resize(bytes);
  return {.data = std::move(log)};
}

/// Without the namespaces. The access of the other groups is there to be confused with ours.
Octets RemoteSubsystem::access_log(const Port& port) const {
  wire::AnaLogHeader header = {};
  const uint32_t groups = std::max(options_.access_groups, group_);
  header.nagd.set(static_cast<uint16_t>(groups - (old_goes_ ? 1 : 0)));
  Octets log = octets_of(header);
  for (uint32_t group = 1; group <= groups; ++group) {
    if (old_goes_ && group == old_group_) continue;
    wire::AnaGroupDescriptor descriptor = {};
    descriptor.agid.set(group);
    const bool ours = group == group_;
    const auto other = group % 2 == 0 || group == old_group_ ? wire::AnaState::kOptimized
                                                             : wire::AnaState::kInaccessible;
    descriptor.anas = static_cast<uint8_t>(ours ? port.access : other);
    for (const std::byte byte : wire::bytes_of(descriptor)) log.push_back(byte);
  }
  return log;
}

Octets RemoteSubsystem::discovery_log(const Port& port) const {
  wire::DiscoveryLogHeader header = {};
  header.genctr.set(port.generation);
  header.numrec.set(port.log->size());
  Octets log = octets_of(header);
  for (const wire::DiscoveryLogEntry& entry : *port.log) {
    for (const std::byte byte : wire::bytes_of(entry)) log.push_back(byte);
  }
  return log;
}

}  // namespace capsuled::nvme::testing
