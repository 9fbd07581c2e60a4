// The admin commands of SoftwareController.
#include <algorithm>
#include <cstring>

#include "nvme/testing/software_controller.h"
#include "wire/admin_command.h"
#include "wire/feature.h"
#include "wire/identify.h"
#include "wire/log_page.h"

namespace capsuled::nvme::testing {
namespace {

using wire::CommandSpecificStatus;
using wire::GenericStatus;

constexpr uint32_t kPage = 4096;

}  // namespace

void SoftwareController::admin(const Command& command) {
  const wire::SubmissionQueueEntry& sqe = command.sqe;
  const bool identifies = sqe.opcode == static_cast<uint8_t>(wire::AdminOpcode::kIdentify);
  if (identifies && sqe.nsid.get() != 0 && faults.identify_failures > 0) {
    --faults.identify_failures;
    return complete(0, sqe.cid.get(), {faults.identify_status});
  }
  Answer answer;
  switch (static_cast<wire::AdminOpcode>(sqe.opcode)) {
    case wire::AdminOpcode::kIdentify: answer = identify(sqe); break;
    case wire::AdminOpcode::kCreateIoCompletionQueue: answer = create_completion_queue(sqe); break;
    case wire::AdminOpcode::kCreateIoSubmissionQueue: answer = create_submission_queue(sqe); break;
    case wire::AdminOpcode::kDeleteIoCompletionQueue: answer = delete_queue(sqe, false); break;
    case wire::AdminOpcode::kDeleteIoSubmissionQueue: answer = delete_queue(sqe, true); break;
    case wire::AdminOpcode::kSetFeatures: answer = feature(sqe, true); break;
    case wire::AdminOpcode::kGetFeatures: answer = feature(sqe, false); break;
    case wire::AdminOpcode::kGetLogPage:
      answer = log_page(sqe);
      unread_logs_.erase(wire::GetLogPageCdw10::Lid::get(sqe.cdw10.get()));
      break;
    case wire::AdminOpcode::kAbort: answer = abort(sqe); break;
    case wire::AdminOpcode::kDoorbellBufferConfig: answer = configure_shadows(sqe); break;
    case wire::AdminOpcode::kAsynchronousEventRequest:
      if (event_requests_.size() < kEventRequestsMax) {
        event_requests_.push_back(sqe.cid.get());
        return;
      }
      answer.status = CommandSpecificStatus::kAsyncEventRequestLimitExceeded;
      break;
    default: answer.status = GenericStatus::kInvalidOpcode; break;
  }
  // As most do: what was refused will be.
  if (!answer.status.is_success()) answer.status = answer.status.do_not_retry();
  complete(0, sqe.cid.get(), answer);
}

// ---- Identify ----------------------------------------------------------------------------------

SoftwareController::Answer SoftwareController::identify(const wire::SubmissionQueueEntry& sqe) {
  std::array<std::byte, kPage> page{};
  const auto cns = static_cast<wire::Cns>(wire::IdentifyCdw10::Cns::get(sqe.cdw10.get()));
  const uint32_t nsid = sqe.nsid.get();
  const auto found = namespaces_.find(nsid);
  switch (cns) {
    case wire::Cns::kController: identify_controller(page); break;
    case wire::Cns::kIoCommandSetController: {
      auto& limits = wire::view_as<wire::IdentifyNvmController>(std::span<std::byte>(page));
      limits.wzsl = options_.wzsl;
      limits.dmrsl.set(options_.dmrsl);
      break;
    }
    case wire::Cns::kNamespace:
      if (nsid == 0 || nsid == wire::kNsidBroadcast) {
        return {GenericStatus::kInvalidNamespaceOrFormat};
      }
      // Of one that is not active all is zero (NVMe Base 2.1, 5.1.13.2.1).
      if (found != namespaces_.end()) identify_namespace(*found->second, page);
      break;
    case wire::Cns::kActiveNamespaceList: {
      auto& list = wire::view_as<wire::NamespaceList>(std::span<std::byte>(page));
      size_t count = 0;
      for (const auto& [id, any] : namespaces_) {
        if (id > nsid) list.nsid[count++].set(id);
      }
      break;
    }
    case wire::Cns::kNamespaceIdDescriptors: {
      if (found == namespaces_.end()) return {GenericStatus::kInvalidNamespaceOrFormat};
      wire::NamespaceIdDescriptor descriptor = {};
      descriptor.nidt = static_cast<uint8_t>(wire::NamespaceIdType::kNguid);
      descriptor.nidl = 16;
      std::memcpy(page.data(), &descriptor, sizeof(descriptor));
      std::memcpy(page.data() + sizeof(descriptor), found->second->options().nguid.data(), 16);
      break;
    }
    default: return {GenericStatus::kInvalidField};
  }
  copy_out(sqe, page);
  return {};
}

void SoftwareController::identify_controller(std::span<std::byte> page) {
  auto& is = wire::view_as<wire::IdentifyController>(page);
  is.vid.set(facts_.vendor_id);
  is.ssvid.set(facts_.vendor_id);
  is.sn.set("software0");
  is.mn.set("a controller of software");
  is.fr.set("1.0");
  is.mdts = options_.mdts;
  is.ver.set(wire::kVersion14);
  is.rtd3e.set(options_.shutdown_us);
  is.oaes.set(wire::AsyncEventConfiguration::Nsan::mask<uint32_t>());
  is.cntrltype = 1;
  is.acl = 3;
  is.aerl = kEventRequestsMax - 1;
  is.sqes = 0x66;
  is.cqes = 0x44;
  is.nn.set(256);
  if (options_.has_shadows) is.oacs.set(wire::Oacs::Dbcs::mask<uint16_t>());
  is.oncs.set(options_.oncs);
  is.vwc = options_.has_cache ? wire::Vwc::Present::mask<uint8_t>() : uint8_t{0};
  is.subnqn.set("nqn.2026-11.io.capsuled:software");
}

void SoftwareController::identify_namespace(const SoftwareNamespace& from,
                                            std::span<std::byte> page) {
  auto& is = wire::view_as<wire::IdentifyNamespace>(page);
  is.nsze.set(from.block_count());
  is.ncap.set(from.block_count());
  is.nuse.set(from.block_count());
  const SoftwareNamespaceOptions& options = from.options();
  is.lbaf[0].lbads = static_cast<uint8_t>(std::countr_zero(options.block_bytes));
  is.lbaf[0].ms.set(options.metadata_bytes);
  std::memcpy(&is.nguid, options.nguid.data(), options.nguid.size());
}

// ---- Queues ------------------------------------------------------------------------------------

SoftwareController::Answer SoftwareController::create_completion_queue(
    const wire::SubmissionQueueEntry& sqe) {
  using Cdw11 = wire::CreateCompletionQueueCdw11;
  const auto qid = static_cast<uint16_t>(wire::CreateQueueCdw10::Qid::get(sqe.cdw10.get()));
  const uint32_t entries = wire::CreateQueueCdw10::Qsize::get(sqe.cdw10.get()) + 1;
  const uint32_t cdw11 = sqe.cdw11.get();
  if (qid == 0 || qid > options_.io_queues_max || completions_.contains(qid)) {
    return {CommandSpecificStatus::kInvalidQueueIdentifier};
  }
  if (entries < 2 || entries > options_.queue_entries_max) {
    return {CommandSpecificStatus::kInvalidQueueSize};
  }
  const uint32_t vector = Cdw11::Iv::get(cdw11);
  if (vector >= kVectors) return {CommandSpecificStatus::kInvalidInterruptVector};
  const env::DmaAddress base = wire::prp_of(sqe).prp1.get();
  if (Cdw11::Pc::get(cdw11) == 0 || base % kPage != 0) return {GenericStatus::kInvalidField};
  // All of it is memory that it may reach.
  (void)memory_.at(base, entries * sizeof(wire::CompletionQueueEntry));
  completions_[qid] = {.base = base,
                       .entries = entries,
                       .interrupts = Cdw11::Ien::get(cdw11) != 0,
                       .vector = vector};
  view_.set32(wire::completion_doorbell(qid, options_.doorbell_stride), 0);
  return {};
}

SoftwareController::Answer SoftwareController::create_submission_queue(
    const wire::SubmissionQueueEntry& sqe) {
  using Cdw11 = wire::CreateSubmissionQueueCdw11;
  const auto qid = static_cast<uint16_t>(wire::CreateQueueCdw10::Qid::get(sqe.cdw10.get()));
  const uint32_t entries = wire::CreateQueueCdw10::Qsize::get(sqe.cdw10.get()) + 1;
  const auto cqid = static_cast<uint16_t>(Cdw11::Cqid::get(sqe.cdw11.get()));
  if (qid == 0 || qid > options_.io_queues_max || submissions_.contains(qid)) {
    return {CommandSpecificStatus::kInvalidQueueIdentifier};
  }
  if (cqid == 0 || !completions_.contains(cqid)) {
    return {CommandSpecificStatus::kCompletionQueueInvalid};
  }
  if (entries < 2 || entries > options_.queue_entries_max) {
    return {CommandSpecificStatus::kInvalidQueueSize};
  }
  const env::DmaAddress base = wire::prp_of(sqe).prp1.get();
  if (Cdw11::Pc::get(sqe.cdw11.get()) == 0 || base % kPage != 0) {
    return {GenericStatus::kInvalidField};
  }
  (void)memory_.at(base, entries * sizeof(wire::SubmissionQueueEntry));
  submissions_[qid] = {.base = base, .entries = entries, .cqid = cqid};
  view_.set32(wire::submission_doorbell(qid, options_.doorbell_stride), 0);
  return {};
}

SoftwareController::Answer SoftwareController::delete_queue(const wire::SubmissionQueueEntry& sqe,
                                                            bool submission) {
  const auto qid = static_cast<uint16_t>(wire::CreateQueueCdw10::Qid::get(sqe.cdw10.get()));
  if (qid == 0) return {CommandSpecificStatus::kInvalidQueueIdentifier};
  if (submission) {
    if (!submissions_.contains(qid)) return {CommandSpecificStatus::kInvalidQueueIdentifier};
    // What it holds is aborted, and completes before the deletion does.
    std::deque<Command> rest;
    for (const Command& command : commands_) {
      if (command.sqid == qid) {
        complete(qid, command.sqe.cid.get(), {GenericStatus::kAbortedSqDeletion});
      } else {
        rest.push_back(command);
      }
    }
    commands_ = std::move(rest);
    submissions_.erase(qid);
    return {};
  }
  if (!completions_.contains(qid)) return {CommandSpecificStatus::kInvalidQueueIdentifier};
  const bool used = std::ranges::any_of(
      submissions_, [qid](const auto& queue) { return queue.second.cqid == qid; });
  if (used) return {CommandSpecificStatus::kInvalidQueueDeletion};
  completions_.erase(qid);
  return {};
}

// ---- Features, log pages, events ---------------------------------------------------------------

/// It takes no bit that is reserved, and none of a notice that it does not have.
bool SoftwareController::knows_events(uint32_t configuration) const {
  using Bits = wire::AsyncEventConfiguration;
  const uint32_t warnings = Bits::Shcw::set(0u, options_.refuses_warnings ? 0u : 0x1fu);
  return (configuration & ~(warnings | Bits::Nsan::mask<uint32_t>())) == 0;
}

SoftwareController::Answer SoftwareController::feature(const wire::SubmissionQueueEntry& sqe,
                                                       bool set) {
  const uint32_t value = sqe.cdw11.get();
  switch (static_cast<wire::Feature>(wire::SetFeaturesCdw10::Fid::get(sqe.cdw10.get()))) {
    case wire::Feature::kNumberOfQueues: {
      const uint32_t most = options_.io_queues_max - 1u;
      uint32_t given = 0;
      using Bits = wire::NumberOfQueuesFeature;
      given = Bits::Nsq::set(given, set ? std::min(Bits::Nsq::get(value), most) : most);
      given = Bits::Ncq::set(given, set ? std::min(Bits::Ncq::get(value), most) : most);
      return {{}, given};
    }
    case wire::Feature::kVolatileWriteCache:
      if (!options_.has_cache) return {GenericStatus::kInvalidField};
      if (set) cache_enabled_ = (value & 1) != 0;
      return {{}, cache_enabled_ ? 1u : 0u};
    case wire::Feature::kAsynchronousEventConfiguration:
      if (set && !knows_events(value)) return {GenericStatus::kInvalidField};
      if (set) event_configuration_ = value;
      return {{}, event_configuration_};
    default: return {GenericStatus::kInvalidField};
  }
}

SoftwareController::Answer SoftwareController::log_page(const wire::SubmissionQueueEntry& sqe) {
  const auto lid = static_cast<wire::LogPage>(wire::GetLogPageCdw10::Lid::get(sqe.cdw10.get()));
  const uint64_t offset = uint64_t{sqe.cdw13.get()} << 32 | sqe.cdw12.get();
  const uint32_t dwords = (wire::GetLogPageCdw10::Numdl::get(sqe.cdw10.get()) |
                           wire::GetLogPageCdw11::Numdu::get(sqe.cdw11.get()) << 16) +
                          1;
  std::vector<std::byte> log(kPage);
  switch (lid) {
    case wire::LogPage::kSmartHealthInformation: {
      auto& smart = wire::view_as<wire::SmartLog>(std::span<std::byte>(log));
      smart.composite_temperature.set(310);
      smart.available_spare = 100;
      smart.available_spare_threshold = 10;
      smart.percentage_used = 3;
      smart.power_cycles.low.set(power_cycles_);
      smart.unsafe_shutdowns.low.set(power_cycles_);
      log.resize(sizeof(wire::SmartLog));
      break;
    }
    case wire::LogPage::kChangedNamespaceList: {
      auto& list = wire::view_as<wire::NamespaceList>(std::span<std::byte>(log));
      for (size_t index = 0; index < changed_.size(); ++index)
        list.nsid[index].set(changed_[index]);
      changed_.clear();
      break;
    }
    case wire::LogPage::kErrorInformation: log.resize(64); break;
    default: return {CommandSpecificStatus::kInvalidLogPage};
  }
  if (offset >= log.size() || offset % 4 != 0) return {GenericStatus::kInvalidField};
  std::vector<std::byte> asked(size_t{dwords} * 4);
  const size_t count = std::min(asked.size(), log.size() - offset);
  std::copy_n(log.begin() + static_cast<ptrdiff_t>(offset), count, asked.begin());
  copy_out(sqe, asked);
  return {};
}

SoftwareController::Answer SoftwareController::abort(const wire::SubmissionQueueEntry& sqe) {
  const auto sqid = static_cast<uint16_t>(wire::AbortCdw10::Sqid::get(sqe.cdw10.get()));
  const auto cid = static_cast<uint16_t>(wire::AbortCdw10::Cid::get(sqe.cdw10.get()));
  for (std::deque<Command>* const line : {&commands_, &held_}) {
    const auto found = std::ranges::find_if(*line, [&](const Command& command) {
      return command.sqid == sqid && command.sqe.cid.get() == cid;
    });
    if (found == line->end()) continue;
    line->erase(found);
    complete(sqid, cid, {GenericStatus::kAbortRequested});
    return {{}, 0};
  }
  return {{}, 1};
}

SoftwareController::Answer SoftwareController::configure_shadows(
    const wire::SubmissionQueueEntry& sqe) {
  if (!options_.has_shadows) return {GenericStatus::kInvalidOpcode};
  if (options_.refuses_shadows) return {GenericStatus::kInvalidField};
  const env::DmaAddress shadows = wire::prp_of(sqe).prp1.get();
  const env::DmaAddress event_indices = wire::prp_of(sqe).prp2.get();
  if (shadows % kPage != 0 || event_indices % kPage != 0) return {GenericStatus::kInvalidField};
  (void)memory_.at(shadows, kPage);
  (void)memory_.at(event_indices, kPage);
  shadows_ = shadows;
  event_indices_ = event_indices;
  return {};
}

void SoftwareController::changed(uint32_t nsid) {
  if (std::ranges::find(changed_, nsid) == changed_.end()) changed_.push_back(nsid);
  if ((event_configuration_ & wire::AsyncEventConfiguration::Nsan::mask<uint32_t>()) == 0) return;
  tell(wire::AsyncEventType::kNotice,
       static_cast<uint32_t>(wire::AsyncEventNotice::kNamespaceAttributeChanged),
       wire::LogPage::kChangedNamespaceList);
}

void SoftwareController::tell_error() {
  tell(wire::AsyncEventType::kError,
       static_cast<uint32_t>(wire::AsyncEventError::kInvalidDoorbellValue),
       wire::LogPage::kErrorInformation);
}

void SoftwareController::tell(wire::AsyncEventType type, uint32_t information, wire::LogPage log) {
  using Bits = wire::AsyncEventResult;
  const uint32_t dw0 = Bits::Aei::set(Bits::Aet::set(0u, static_cast<uint32_t>(type)), information);
  events_.push_back(Bits::Lid::set(dw0, static_cast<uint32_t>(log)));
}

/// One that was told hides the next ones of its kind until its log page was read (NVMe Base 2.1,
/// 5.1.2).
bool SoftwareController::may_tell(uint32_t dw0) const {
  return !unread_logs_.contains(wire::AsyncEventResult::Lid::get(dw0));
}

void SoftwareController::send_events() {
  for (auto event = events_.begin(); event != events_.end() && !event_requests_.empty();) {
    if (!may_tell(*event)) {
      ++event;
      continue;
    }
    complete(0, event_requests_.front(), {{}, *event});
    event_requests_.pop_front();
    unread_logs_.insert(wire::AsyncEventResult::Lid::get(*event));
    event = events_.erase(event);
  }
}

}  // namespace capsuled::nvme::testing
