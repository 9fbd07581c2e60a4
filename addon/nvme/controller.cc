#include "nvme/controller.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/assert.h"
#include "wire/feature.h"
#include "wire/identify.h"

namespace capsuled::nvme {
namespace {

/// For people: "Invalid Field in Command (SCT 0h, SC 02h)".
std::string status_words(wire::Status status) {
  char code[32];
  std::snprintf(code, sizeof(code), " (SCT %xh, SC %02xh)", static_cast<unsigned>(status.type()),
                static_cast<unsigned>(status.code()));
  return wire::fabrics_status_name(status) + std::string(code);
}

/// SMART / Health Critical Warnings that every version knows; the other bits are reserved in some.
constexpr uint32_t kHealthWarnings = wire::AsyncEventConfiguration::Shcw::set(0u, 0x1fu);
constexpr uint64_t kReadyPauseNs = 2'000'000;
constexpr uint64_t kTickNs = 250'000'000;

/// The answer to Identify Namespace. False: it does not say now what the namespace is.
bool take_namespace(NamespaceFacts& facts, const wire::CompletionQueueEntry& cqe,
                    std::span<const std::byte> page) {
  const wire::Status status = status_of(cqe);
  if (status.is_success()) {
    facts.take(wire::view_as<wire::IdentifyNamespace>(page));
    return true;
  }
  if (status.is(wire::GenericStatus::kInvalidNamespaceOrFormat)) {
    facts.refusal = "there is no namespace " + std::to_string(facts.nsid);
    return true;
  }
  facts.refusal = "Identify Namespace: " + status_words(status);
  return status.dnr();
}

/// Of the namespace's list of identifiers, which not every controller has that says so. False: it
/// does not say now which they are.
bool take_ids(NamespaceFacts& facts, const wire::CompletionQueueEntry& cqe,
              std::span<const std::byte> page) {
  const wire::Status status = status_of(cqe);
  if (status.is_success()) facts.take_descriptors(page);
  return status.is_success() || status.dnr() || status.is(wire::GenericStatus::kInvalidField) ||
         status.is(wire::GenericStatus::kInvalidOpcode);
}

/// Which say more of what they take at once (TP 4040).
bool has_limits(const NamespaceFacts& facts) { return facts.version >= wire::kVersion14; }

bool has_id_list(const NamespaceFacts& facts) { return facts.version >= wire::kVersion13; }

AdminCommand identify_command(wire::Cns cns, uint32_t nsid) {
  AdminCommand command;
  command.sqe.opcode = static_cast<uint8_t>(wire::AdminOpcode::kIdentify);
  command.sqe.nsid.set(nsid);
  command.sqe.cdw10.set(wire::IdentifyCdw10::Cns::set(0u, static_cast<uint32_t>(cns)));
  command.bytes = kAdminDataBytes;
  return command;
}

/// Of a log page, from its beginning, of the controller.
AdminCommand log_command(wire::LogPage page, uint32_t bytes) {
  AdminCommand command;
  command.sqe.opcode = static_cast<uint8_t>(wire::AdminOpcode::kGetLogPage);
  command.sqe.nsid.set(wire::kNsidBroadcast);
  const uint32_t cdw10 = wire::GetLogPageCdw10::Lid::set(0u, static_cast<uint32_t>(page));
  command.sqe.cdw10.set(wire::GetLogPageCdw10::Numdl::set(cdw10, bytes / 4 - 1));
  command.bytes = bytes;
  return command;
}

}  // namespace

uint64_t Controller::stated_ns(uint64_t cap) {
  constexpr uint64_t kUnitNs = 500'000'000;
  return (wire::Cap::To::get(cap) + 1) * kUnitNs;
}

std::string Controller::words_of(wire::Status status) { return status_words(status); }

Controller::Controller(Reactor& reactor, ControllerOwner& owner)
    : reactor_(reactor), owner_(owner) {
  request_.controller = this;
  request_.complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
    static_cast<AdminRequest&>(request).controller->on_answer(cqe);
  };
  for (EventRequest& event : events_) {
    event.controller = this;
    event.patient = true;
    event.complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
      auto& asked = static_cast<EventRequest&>(request);
      asked.controller->on_event(asked, cqe);
    };
  }
  timer_.controller = this;
  timer_.expired = [](Timer& timer) {
    static_cast<ControllerTimer&>(timer).controller->on_timer();
  };
}

Controller::~Controller() {
  ASSERT_MSG(state_ == State::Idle, "a controller destroyed while it is connected");
}

void Controller::begin(const ControllerOptions& options) {
  ASSERT(state_ == State::Idle);
  ASSERT(options.io_entries >= 2);
  options_ = options;
  reason_.clear();
  facts_ = {};
  namespaces_.clear();
  io_queue_count_ = 0;
  io_queue_next_ = 0;
  state_ = State::Opening;
  reactor_.start_timer(timer_, reactor_.now_ns() + kTickNs);
  if (const Result<void> made = make_page(); !made.ok()) {
    fail("there is no memory for its answers");
    return;
  }
  open();
}

Result<void> Controller::make_page() {
  if (page_ != nullptr) return {};
  auto page = reactor_.env().allocate(kPageBytes, env::HugePages::Never);
  if (!page.ok()) return page.error();
  page_ = std::move(page).value();
  return {};
}

void Controller::disconnect() { fail(""); }

void Controller::fail(std::string reason) {
  if (state_ == State::Idle || state_ == State::Closing) return;
  state_ = State::Closing;
  reason_ = std::move(reason);
  line_.close();
  close();
}

void Controller::closed_soon() {
  closed_soon_ = true;
  reactor_.start_timer(timer_, reactor_.now_ns());
}

void Controller::closed() {
  ASSERT(state_ == State::Closing);
  reactor_.cancel_timer(timer_);
  state_ = State::Idle;
  const std::string why = std::exchange(reason_, {});
  owner_.controller_closed(*this, why);
}

// ---- Coming up ---------------------------------------------------------------------------------

void Controller::submit(Qpair& qpair, uint8_t opcode, Transfer transfer, uint32_t bytes) {
  submit(qpair, opcode, transfer, iovec{page(), bytes});
}

void Controller::submit(Qpair& qpair, uint8_t opcode, Transfer transfer, iovec place) {
  request_.sqe.opcode = opcode;
  request_.transfer = transfer;
  request_.bytes = static_cast<uint32_t>(place.iov_len);
  request_iov_ = place;
  request_.iov = &request_iov_;
  if (!qpair.submit(request_)) fail("the queue takes no command");
}

const char* Controller::name_of_step() const {
  switch (state_) {
    case State::Identify: return "Identify Controller";
    case State::Limits: return "Identify Controller for the NVM Command Set";
    case State::QueueCount: return "Number of Queues";
    case State::Health: return "Get Log Page, SMART / Health Information";
    case State::IdentifyNamespace: return "Identify Namespace";
    case State::IdentifyIds: return "Namespace Identification Descriptor list";
    case State::Opening:
    case State::Enable:
    case State::Ready:
    case State::IoQueues: return step_name();
    case State::Idle:
    case State::Live:
    case State::Closing: break;
  }
  UNREACHABLE();
}

/// The one command of coming up was answered: the next step.
void Controller::on_answer(const wire::CompletionQueueEntry& cqe) {
  if (state_ == State::Closing || has_ended()) return;
  // What a namespace is not, others may be; and not every controller has all of it.
  if (state_ == State::Limits) return on_limits(cqe);
  if (state_ == State::IdentifyNamespace) return on_identify_namespace(cqe);
  if (state_ == State::IdentifyIds) return on_identify_ids(cqe);
  if (state_ == State::Health) return on_health(cqe);
  if (!status_of(cqe).is_success() && !may_be_refused()) {
    fail(name_of_step() + (": " + words_of(status_of(cqe))));
    return;
  }
  switch (state_) {
    case State::Identify: on_identify(); return;
    case State::QueueCount: on_queue_count(cqe); return;
    case State::Opening:
    case State::Enable:
    case State::Ready:
    case State::IoQueues: answered(cqe); return;
    case State::Idle:
    case State::Limits:
    case State::IdentifyNamespace:
    case State::IdentifyIds:
    case State::Health:
    case State::Live:
    case State::Closing: break;
  }
  UNREACHABLE();
}

void Controller::opened(uint64_t cap) {
  ASSERT(state_ == State::Opening);
  const auto entries_max = static_cast<uint32_t>(wire::Cap::Mqes::get(cap)) + 1;
  if (options_.io_entries > entries_max && (!options_.fewer_entries || entries_max < 2)) {
    fail("queues have at most " + std::to_string(entries_max) + " entries");
    return;
  }
  facts_.io_entries = static_cast<uint16_t>(std::min<uint32_t>(options_.io_entries, entries_max));
  cap_ = cap;
  ready_until_ns_ = reactor_.now_ns() + stated_ns(cap);
  state_ = State::Enable;
  uint32_t cc = wire::Cc::En::set(0u, 1u);
  cc = wire::Cc::Iosqes::set(cc, 6u);
  cc = wire::Cc::Iocqes::set(cc, 4u);
  set_configuration(cc);
}

void Controller::configured() {
  ASSERT(state_ == State::Enable);
  state_ = State::Ready;
  get_status();
}

void Controller::status_read(uint32_t csts) {
  ASSERT(state_ == State::Ready);
  if (wire::Csts::Cfs::get(csts) != 0) {
    fail("the controller has failed (CSTS.CFS)");
  } else if (wire::Csts::Rdy::get(csts) != 0) {
    state_ = State::Identify;
    send_identify(wire::Cns::kController, 0);
  } else if (reactor_.now_ns() >= ready_until_ns_) {
    fail("the controller did not become ready in the time it stated (CAP.TO)");
  } else {
    reactor_.start_timer(timer_, reactor_.now_ns() + kReadyPauseNs);
  }
}

void Controller::send_identify(wire::Cns cns, uint32_t nsid) {
  request_.sqe = {};
  request_.sqe.nsid.set(nsid);
  request_.sqe.cdw10.set(wire::IdentifyCdw10::Cns::set(0u, static_cast<uint32_t>(cns)));
  submit(admin_qpair(), static_cast<uint8_t>(wire::AdminOpcode::kIdentify),
         Transfer::FromController, kPageBytes);
}

void Controller::on_identify() {
  const auto& found =
      wire::view_as<wire::IdentifyController>(std::span<const std::byte>(page(), kPageBytes));
  // In minimum memory pages.
  const uint32_t shift = page_shift() + found.mdts;
  facts_.transfer_bytes_max = found.mdts == 0 || shift > 31 ? UINT32_MAX : 1u << shift;
  // What it says of no limit besides is carried out as slowly as what has data, as Linux takes it.
  facts_.zero_bytes_max = facts_.transfer_bytes_max;
  facts_.oacs = found.oacs.get();
  facts_.oncs = found.oncs.get();
  facts_.volatile_cache = wire::Vwc::Present::get(found.vwc) != 0;
  facts_.serial = found.sn.view();
  facts_.model = found.mn.view();
  facts_.firmware = found.fr.view();
  facts_.version = found.ver.get();
  facts_.reports_access = wire::Cmic::Anars::get(found.cmic) != 0;
  facts_.shutdown_us = found.rtd3e.get();
  facts_.quiesce_ms = found.cqt.get();
  facts_.alive_by_traffic = wire::Ctratt::Tbkas::get(found.ctratt.get()) != 0;
  oaes_ = found.oaes.get();
  event_requests_max_ = found.aerl + 1u;
  const uint64_t capsule_bytes = uint64_t{found.ioccsz.get()} * 16;
  constexpr uint64_t kSqeBytes = sizeof(wire::SubmissionQueueEntry);
  facts_.in_capsule_bytes = static_cast<uint32_t>(
      std::min<uint64_t>(std::max(capsule_bytes, kSqeBytes) - kSqeBytes, 1u << 20));
  if (std::string refusal = identified(found); !refusal.empty()) return fail(std::move(refusal));
  if (options_.io_queues == 0) return go_live();
  if (!has_limits(facts_)) return ask_for_queues();
  state_ = State::Limits;
  send_identify(wire::Cns::kIoCommandSetController, 0);
}

void Controller::on_limits(const wire::CompletionQueueEntry& cqe) {
  if (status_of(cqe).is_success()) {
    const std::span<const std::byte> found(page(), kPageBytes);
    facts_.take_limits(wire::view_as<wire::IdentifyNvmController>(found), page_shift());
  }
  ask_for_queues();
}

void Controller::ask_for_queues() {
  state_ = State::QueueCount;
  const uint32_t count = options_.io_queues - 1u;  // 0's based, as many of either kind
  request_.sqe = {};
  request_.sqe.cdw10.set(static_cast<uint32_t>(wire::Feature::kNumberOfQueues));
  using Bits = wire::NumberOfQueuesFeature;
  request_.sqe.cdw11.set(Bits::Ncq::set(Bits::Nsq::set(0u, count), count));
  submit(admin_qpair(), static_cast<uint8_t>(wire::AdminOpcode::kSetFeatures), Transfer::None, 0);
}

void Controller::on_queue_count(const wire::CompletionQueueEntry& cqe) {
  const uint32_t given = cqe.dw0.get();
  using Bits = wire::NumberOfQueuesFeature;
  const uint32_t granted = std::min(Bits::Nsq::get(given), Bits::Ncq::get(given)) + 1;
  io_queue_count_ = std::min<uint32_t>(granted, options_.io_queues);
  next_namespace();
}

void Controller::next_namespace() {
  if (namespaces_.size() < options_.nsids.size()) {
    const uint32_t nsid = options_.nsids[namespaces_.size()];
    namespaces_.push_back(facts_);
    namespaces_.back().nsid = nsid;
    state_ = State::IdentifyNamespace;
    send_identify(wire::Cns::kNamespace, nsid);
    return;
  }
  if (!options_.health) return all_identified();
  state_ = State::Health;
  request_.sqe = log_command(wire::LogPage::kSmartHealthInformation, sizeof(wire::SmartLog)).sqe;
  submit(admin_qpair(), static_cast<uint8_t>(wire::AdminOpcode::kGetLogPage),
         Transfer::FromController, sizeof(wire::SmartLog));
}

void Controller::on_health(const wire::CompletionQueueEntry& cqe) {
  if (status_of(cqe).is_success()) {
    const std::span<const std::byte> log(page(), sizeof(wire::SmartLog));
    owner_.health_changed(*this, wire::view_as<wire::SmartLog>(log));
  }
  all_identified();
}

void Controller::all_identified() {
  if (std::string refusal = owner_.controller_identified(*this); !refusal.empty()) {
    fail(std::move(refusal));
    return;
  }
  state_ = State::IoQueues;
  next_io_queue();
}

std::string ControllerOwner::controller_identified(Controller& controller) {
  for (const NamespaceFacts& facts : controller.namespaces()) {
    if (!facts.refusal.empty()) return facts.refusal;
  }
  return "";
}

void Controller::on_identify_namespace(const wire::CompletionQueueEntry& cqe) {
  NamespaceFacts& facts = namespaces_.back();
  // Which disk it is has to be known before anything is written there.
  if (!take_namespace(facts, cqe, {page(), kPageBytes})) return fail(facts.refusal);
  if (facts.refusal.empty() && has_id_list(facts)) {
    state_ = State::IdentifyIds;
    send_identify(wire::Cns::kNamespaceIdDescriptors, facts.nsid);
  } else {
    next_namespace();
  }
}

void Controller::on_identify_ids(const wire::CompletionQueueEntry& cqe) {
  if (!take_ids(namespaces_.back(), cqe, {page(), kPageBytes})) {
    return fail(name_of_step() + (": " + words_of(status_of(cqe))));
  }
  next_namespace();
}

void Controller::io_queue_opened() {
  ASSERT(state_ == State::IoQueues);
  ++io_queue_next_;
  next_io_queue();
}

void Controller::next_io_queue() {
  if (io_queue_next_ < io_queue_count_) {
    open_io_queue();
    return;
  }
  go_live();
}

// ---- Live --------------------------------------------------------------------------------------

void Controller::go_live() {
  state_ = State::Live;
  // Coming up has no more use for it.
  line_.open(admin_qpair(), page());
  if (options_.events) ask_for_events();
  owner_.controller_live(*this);
}

/// Asynchronous events: which, and then requests that lie there until there is one.
void Controller::ask_for_events() {
  using Bits = wire::AsyncEventConfiguration;
  constexpr uint32_t kNotices = Bits::Nsan::mask<uint32_t>() | Bits::Anacn::mask<uint32_t>();
  // A controller may know fewer warnings than there are, and refuse all because of one.
  configure_events(kHealthWarnings | (oaes_ & kNotices), oaes_ & kNotices);
}

/// `instead` if `events` are refused.
void Controller::configure_events(uint32_t events, uint32_t instead) {
  AdminCommand configure;
  configure.sqe.opcode = static_cast<uint8_t>(wire::AdminOpcode::kSetFeatures);
  configure.sqe.cdw10.set(static_cast<uint32_t>(wire::Feature::kAsynchronousEventConfiguration));
  configure.sqe.cdw11.set(events);
  configure.done = [this, events, instead](const AdminOutcome& outcome) {
    if (!outcome.answered || state_ != State::Live) return;
    if (!outcome.ok() && events != instead) return configure_events(instead, instead);
    const uint32_t count = std::min(kEventRequests, event_requests_max_);
    for (uint32_t index = 0; index < count; ++index) {
      events_[index].sqe = {};
      events_[index].sqe.opcode =
          static_cast<uint8_t>(wire::AdminOpcode::kAsynchronousEventRequest);
      // A queue that takes nothing is about to end.
      (void)admin_qpair().submit(events_[index]);
    }
  };
  line_.add(std::move(configure));
}

void Controller::on_event(EventRequest& asked, const wire::CompletionQueueEntry& cqe) {
  if (state_ != State::Live || !status_of(cqe).is_success()) return;
  using Bits = wire::AsyncEventResult;
  const uint32_t dw0 = cqe.dw0.get();
  switch (static_cast<wire::AsyncEventType>(Bits::Aet::get(dw0))) {
    case wire::AsyncEventType::kNotice:
      return on_notice(asked, static_cast<wire::AsyncEventNotice>(Bits::Aei::get(dw0)));
    case wire::AsyncEventType::kSmartHealth:
      return read_log_of(asked, wire::LogPage::kSmartHealthInformation, sizeof(wire::SmartLog),
                         [this](std::span<const std::byte> log) {
                           owner_.health_changed(*this, wire::view_as<wire::SmartLog>(log));
                         });
    case wire::AsyncEventType::kError:
      // Nobody is told of one of ours; but it hides the next ones until it was read.
      return read_log_of(asked, wire::LogPage::kErrorInformation, sizeof(wire::ErrorLogEntry),
                         [](std::span<const std::byte>) {});
    default: break;
  }
  (void)admin_qpair().submit(asked);
}

/// The event is over when its log page was read, and then the next one is asked for: however many a
/// controller has, no more is to be read than was asked for.
void Controller::read_log_of(EventRequest& asked, wire::LogPage page, uint32_t bytes,
                             std::function<void(std::span<const std::byte>)> read) {
  AdminCommand get = log_command(page, bytes);
  get.done = [this, &asked, read = std::move(read)](const AdminOutcome& outcome) {
    if (outcome.ok()) read(outcome.data);
    // Which may have ended it.
    if (outcome.answered && state_ == State::Live) (void)admin_qpair().submit(asked);
  };
  line_.add(std::move(get));
}

void Controller::on_notice(EventRequest& asked, wire::AsyncEventNotice notice) {
  if (notice == wire::AsyncEventNotice::kNamespaceAttributeChanged) {
    return read_log_of(asked, wire::LogPage::kChangedNamespaceList, sizeof(wire::NamespaceList),
                       [this](std::span<const std::byte> log) {
                         const auto& list = wire::view_as<wire::NamespaceList>(log);
                         std::vector<uint32_t> nsids;
                         for (const Le32& nsid : list.nsid) {
                           if (nsid.get() == 0) break;
                           nsids.push_back(nsid.get());
                         }
                         // More than the list can say (NVMe Base 2.1, 5.1.12.1.5).
                         if (nsids == std::vector{wire::kNsidBroadcast}) nsids.clear();
                         owner_.namespaces_changed(*this, nsids);
                       });
  }
  // Whose log its owner reads, once for however many of them.
  if (notice == wire::AsyncEventNotice::kAsymmetricNamespaceAccessChange) {
    owner_.access_changed(*this);
  }
  if (state_ == State::Live) (void)admin_qpair().submit(asked);
}

void Controller::identify_namespace(uint32_t nsid,
                                    std::function<void(const NamespaceFacts* facts)> done) {
  NamespaceFacts facts = facts_;
  facts.nsid = nsid;
  AdminCommand identify = identify_command(wire::Cns::kNamespace, nsid);
  identify.done = [this, facts, done = std::move(done)](const AdminOutcome& outcome) mutable {
    if (!outcome.answered) return done(nullptr);
    if (!take_namespace(facts, outcome.cqe, outcome.data)) return done(nullptr);
    if (!facts.refusal.empty() || !has_id_list(facts)) return done(&facts);
    AdminCommand ids = identify_command(wire::Cns::kNamespaceIdDescriptors, facts.nsid);
    ids.done = [facts, done = std::move(done)](const AdminOutcome& listed) mutable {
      const bool known = listed.answered && take_ids(facts, listed.cqe, listed.data);
      done(known ? &facts : nullptr);
    };
    line_.add(std::move(ids));
  };
  line_.add(std::move(identify));
}

/// Which also ends the event that made somebody read it.
void Controller::read_log(wire::LogPage page, uint32_t bytes,
                          std::function<void(std::span<const std::byte>)> read) {
  AdminCommand get = log_command(page, bytes);
  get.done = [read = std::move(read)](const AdminOutcome& outcome) {
    if (outcome.ok()) read(outcome.data);
  };
  line_.add(std::move(get));
}

// ---- Time --------------------------------------------------------------------------------------

void Controller::on_timer() {
  reactor_.start_timer(timer_, reactor_.now_ns() + kTickNs);
  if (std::exchange(closed_soon_, false)) {
    closed();
    return;
  }
  if (state_ == State::Closing) return;
  if (state_ == State::Ready) get_status();
  if (state_ != State::Closing && state_ != State::Idle) tick();
}

}  // namespace capsuled::nvme
