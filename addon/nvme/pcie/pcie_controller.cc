#include "nvme/pcie/pcie_controller.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace capsuled::nvme {
namespace {

constexpr uint16_t kAdminEntries = 32;
constexpr uint64_t kPollNs = 1'000'000;
constexpr uint64_t kShutdownMinNs = 5'000'000'000;
constexpr uint64_t kShutdownMaxNs = 60'000'000'000;
constexpr const char* kGoneWords = "the device is gone: its registers read as all ones";

/// Of a queue. Never fewer than the least that a queue may have.
uint16_t entries_max(uint64_t cap) {
  return static_cast<uint16_t>(std::clamp<uint64_t>(wire::Cap::Mqes::get(cap) + 1, 2, UINT16_MAX));
}

uint32_t doorbell_stride(uint64_t cap) { return static_cast<uint32_t>(wire::Cap::Dstrd::get(cap)); }

/// Whether the registers are those of a controller with so many I/O queues: a device that has
/// vanished, or is broken, says anything.
Result<void> check_registers(env::PciDevice& device, size_t io_queues) {
  constexpr size_t kBytesMin = wire::kDoorbellsOffset;
  const Registers registers(device.registers(), device.register_bytes());
  if (registers.bytes() < kBytesMin) return Error{ENODEV, "the device has too few registers"};
  const uint64_t cap = registers.get64(wire::Property::kCap);
  if (cap == UINT64_MAX || registers.get32(wire::Property::kCsts) == UINT32_MAX) {
    return Error{ENODEV, kGoneWords};
  }
  const auto last = static_cast<uint32_t>(io_queues);
  if (wire::completion_doorbell(last, doorbell_stride(cap)) + 4 > registers.bytes()) {
    return Error{ENODEV, "the doorbells of its queues are behind its registers (CAP.DSTRD)"};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<PcieController>> PcieController::create(
    std::unique_ptr<env::PciDevice> device, Reactor& home, ControllerOwner& owner,
    const PcieControllerOptions& options) {
  ASSERT(!options.io_reactors.empty());
  const Result<void> sound = check_registers(*device, options.io_reactors.size());
  if (!sound.ok()) return sound.error();
  std::unique_ptr<PcieController> controller(
      new PcieController(std::move(device), home, owner, options));
  if (const Result<void> made = controller->make_queues(); !made.ok()) return made.error();
  return controller;
}

PcieController::PcieController(std::unique_ptr<env::PciDevice> device, Reactor& home,
                               ControllerOwner& its_owner, const PcieControllerOptions& options)
    : Controller(home, its_owner),
      queue_options_(options),
      device_(std::move(device)),
      quirks_(quirks_of(device_->facts())),
      registers_(device_->registers(), device_->register_bytes()),
      cap_at_first_(registers_.get64(wire::Property::kCap)),
      io_entries_(std::min(options.io_entries, entries_max(cap_at_first_))) {
  timer_.controller = this;
  timer_.expired = [](Timer& timer) { static_cast<PollTimer&>(timer).controller->poll(); };
}

PcieController::~PcieController() {
  ASSERT_MSG(opening_ == OpeningState::Off, "a controller destroyed while it is on");
  (void)device_->set_interrupts({});
  queues_.clear();
  admin_.reset();
  admin_interrupt_.reset();
  for (const int fd : event_fds_) reactor().env().close(fd);
}

Result<void> PcieController::make_queues() {
  env::Env& env = reactor().env();
  const auto count = static_cast<uint32_t>(queue_options_.io_reactors.size());
  // A vector for each queue, or else none at all: then reactors do not sleep while they wait.
  const bool signals = device_->interrupt_count() > count;
  for (uint32_t vector = 0; signals && vector <= count; ++vector) {
    const Result<int> fd = env.make_event();
    if (!fd.ok()) return fd.error();
    event_fds_.push_back(fd.value());
  }
  if (signals) {
    if (const Result<void> set = device_->set_interrupts(event_fds_); !set.ok()) return set.error();
  }
  const auto interrupt = [&](uint32_t vector) {
    return signals ? std::make_unique<Interrupt>(*device_, vector, event_fds_[vector]) : nullptr;
  };
  const uint32_t stride = doorbell_stride(cap_at_first_);
  const auto qpair = [&](uint32_t qid, uint16_t entries) {
    return PcieQpair::create(
        env, device_->dma(), registers_,
        {.qid = static_cast<uint16_t>(qid), .entries = entries, .doorbell_stride = stride});
  };
  auto shadows = ShadowDoorbells::create(env, stride);
  if (!shadows.ok()) return shadows.error();
  shadows_ = std::move(shadows).value();
  auto admin = qpair(0, kAdminEntries);
  if (!admin.ok()) return admin.error();
  admin_ = std::move(admin).value();
  admin_interrupt_ = interrupt(0);
  for (uint32_t index = 0; index < count; ++index) {
    auto io = qpair(index + 1, io_entries_);
    if (!io.ok()) return io.error();
    queues_.push_back(std::make_unique<PcieIoQueue>(*this, reactor(),
                                                    *queue_options_.io_reactors[index],
                                                    std::move(io).value(), interrupt(index + 1)));
  }
  return show_memory();
}

/// All that the controller has to reach, whatever is done with it.
Result<void> PcieController::show_memory() {
  if (const Result<void> made = make_page(); !made.ok()) return made.error();
  page_reachable_ = std::make_unique<env::ReachableMemory>(reactor().env().memory(),
                                                           env::MemoryRange{page(), kPageBytes});
  env::DmaTranslator dma(device_->dma());
  const auto is_shown = [&dma](const iovec& memory) {
    return dma.translate(memory.iov_base, memory.iov_len) != env::kNoDmaAddress;
  };
  constexpr env::DmaAddress kNone = env::kNoDmaAddress;
  const bool all = is_shown({page(), kPageBytes}) && is_shown(shadows_->memory()) &&
                   admin_->submission_queue() != kNone &&
                   std::ranges::all_of(queues_, [](const auto& queue) {
                     return std::as_const(*queue).qpair().submission_queue() != kNone;
                   });
  if (!all) return Error{ENOMEM, env::kNotPinnedWords};
  return {};
}

void PcieController::connect(std::vector<uint32_t> nsids, uint64_t timeout_ns) {
  ControllerOptions options;
  options.nsids = std::move(nsids);
  options.io_queues = static_cast<uint16_t>(queues_.size());
  options.io_entries = io_entries_;
  options.timeout_ns = timeout_ns;
  options.events = true;
  options.health = true;
  begin(options);
}

Qpair& PcieController::io_qpair(uint32_t index) { return queues_[index]->qpair(); }

bool PcieController::gone() const { return registers_.get32(wire::Property::kCsts) == UINT32_MAX; }

// ---- Coming up ---------------------------------------------------------------------------------

void PcieController::open() {
  started_ = 0;
  awaited_ = 0;
  creates_submission_ = false;
  has_shadows_ = false;
  configures_shadows_ = false;
  const uint64_t cap = registers_.get64(wire::Property::kCap);
  if (gone()) return fail(kGoneWords);
  if (cap != cap_at_first_) return fail("the device is another one now: its capabilities differ");
  if (wire::Cap::Mpsmin::get(cap) != 0) {
    return fail("the controller has no memory pages of 4 KiB (CAP.MPSMIN)");
  }
  if (wire::CapCss::Nvm::get(wire::Cap::Css::get(cap)) == 0) {
    return fail("the controller does not have the NVM Command Set (CAP.CSS)");
  }
  // Whoever had it before may have left it enabled, with queues in memory that is ours now. It may
  // not reach any before it has forgotten them.
  opening_ = OpeningState::Disabling;
  disable();
  poll();
}

/// It has the time it stated, from when it may be asked.
void PcieController::disable() {
  const uint32_t cc = registers_.get32(wire::Property::kCc);
  uint32_t disabled = wire::Cc::En::set(cc, 0u);
  disabled = wire::Cc::Shn::set(disabled, 0u);
  registers_.set32(wire::Property::kCc, disabled);
  quiet_until_ns_ = now_ns() + quirks_.ready_delay_ns;
  until_ns_ = quiet_until_ns_ + stated_ns(cap_at_first_);
}

void PcieController::start_admin() {
  if (const Result<void> on = device_->set_bus_master(true); !on.ok()) {
    opening_ = OpeningState::Off;
    return fail("the device cannot be let at memory");
  }
  const uint32_t aqa = wire::Aqa::Asqs::set(0u, kAdminEntries - 1u);
  registers_.set32(wire::Property::kAqa, wire::Aqa::Acqs::set(aqa, kAdminEntries - 1u));
  registers_.set64(wire::Property::kAsq, admin_->submission_queue());
  registers_.set64(wire::Property::kAcq, admin_->completion_queue());
  admin_->start(reactor(), *this, admin_interrupt_.get());
  opening_ = OpeningState::On;
  opened(cap_at_first_);
}

void PcieController::set_configuration(uint32_t cc) {
  // Release: the queues are empty before the controller looks at them.
  store_release(registers_.at32(static_cast<uint32_t>(wire::Property::kCc)), cc);
  configured();
}

void PcieController::get_status() {
  if (gone()) return fail(kGoneWords);
  status_read(registers_.get32(wire::Property::kCsts));
}

void PcieController::open_io_queue() {
  constexpr uint16_t kShadows = wire::Oacs::Dbcs::mask<uint16_t>();
  if (io_queue_next() == 0 && (facts_found().oacs & kShadows) != 0) {
    configures_shadows_ = true;
    shadows_->clear();
    request().sqe = {};
    // The two pages are the two entries of the data pointer.
    submit(*admin_, static_cast<uint8_t>(wire::AdminOpcode::kDoorbellBufferConfig),
           Transfer::ToController, shadows_->memory());
    return;
  }
  creates_submission_ = false;
  create_queue(false);
}

void PcieController::create_queue(bool submission) {
  const uint32_t index = io_queue_next();
  const PcieQpair& qpair = std::as_const(*queues_[index]).qpair();
  const uint32_t qid = index + 1;
  Request& command = request();
  command.sqe = {};
  const uint32_t cdw10 = wire::CreateQueueCdw10::Qid::set(0u, qid);
  command.sqe.cdw10.set(
      wire::CreateQueueCdw10::Qsize::set(cdw10, uint32_t{qpair.options().entries} - 1));
  if (submission) {
    using Cdw11 = wire::CreateSubmissionQueueCdw11;
    command.sqe.cdw11.set(Cdw11::Cqid::set(Cdw11::Pc::set(0u, 1u), qid));
  } else {
    using Cdw11 = wire::CreateCompletionQueueCdw11;
    uint32_t cdw11 = Cdw11::Pc::set(0u, 1u);
    if (!event_fds_.empty()) cdw11 = Cdw11::Iv::set(Cdw11::Ien::set(cdw11, 1u), qid);
    command.sqe.cdw11.set(cdw11);
  }
  // The data pointer is where the queue is.
  const auto opcode = submission ? wire::AdminOpcode::kCreateIoSubmissionQueue
                                 : wire::AdminOpcode::kCreateIoCompletionQueue;
  submit(*admin_, static_cast<uint8_t>(opcode), Transfer::ToController,
         submission ? qpair.submission_memory() : qpair.completion_memory());
}

void PcieController::answered(const wire::CompletionQueueEntry& cqe) {
  ASSERT(opening_io_queues());
  if (std::exchange(configures_shadows_, false)) {
    // Without them each doorbell is written, which is all that they would have saved.
    has_shadows_ = status_of(cqe).is_success();
    creates_submission_ = false;
    create_queue(false);
    return;
  }
  if (!std::exchange(creates_submission_, true)) {
    create_queue(true);
    return;
  }
  ++started_;
  awaited_ = 1;
  queues_[io_queue_next()]->start(options().timeout_ns, has_shadows_ ? shadows_.get() : nullptr);
}

void PcieController::queue_started(PcieIoQueue&) {
  awaited_ = 0;
  if (closing()) {
    stop_queues();
  } else {
    io_queue_opened();
  }
}

const char* PcieController::step_name() const {
  if (configures_shadows_) return "Doorbell Buffer Config";
  return creates_submission_ ? "Create I/O Submission Queue" : "Create I/O Completion Queue";
}

// ---- Going down --------------------------------------------------------------------------------

void PcieController::qpair_broken(PcieQpair&, const char* reason) {
  fail(std::string("the controller broke the rules of the admin queue: ") + reason);
}

void PcieController::queue_broken(PcieIoQueue&, const char* reason) {
  fail(std::string("the controller broke the rules of an I/O queue: ") + reason);
}

void PcieController::close() {
  switch (opening_) {
    case OpeningState::Off: closed_soon(); return;
    case OpeningState::Disabling: shut_down(); return;
    case OpeningState::On:
      opening_ = OpeningState::Stopping;
      admin_->stop();
      if (awaited_ == 0) stop_queues();
      return;
    case OpeningState::Stopping:
    case OpeningState::ShuttingDown:
    case OpeningState::Disabled: break;
  }
  UNREACHABLE();
}

void PcieController::stop_queues() {
  awaited_ = started_;
  for (uint32_t index = 0; index < started_; ++index) queues_[index]->stop();
  if (started_ == 0) shut_down();
}

void PcieController::queue_stopped(PcieIoQueue&) {
  if (--awaited_ == 0) shut_down();
}

/// Of an end that somebody asked for the controller is told, so that it can make its cache durable.
void PcieController::shut_down() {
  is_notified_ = opening_ == OpeningState::Stopping && is_wanted();
  opening_ = OpeningState::ShuttingDown;
  if (is_notified_) {
    until_ns_ = now_ns() + shutdown_ns();
    const uint32_t cc = registers_.get32(wire::Property::kCc);
    registers_.set32(
        wire::Property::kCc,
        wire::Cc::Shn::set(cc, static_cast<uint32_t>(wire::ShutdownNotification::kNormal)));
  } else {
    disable();
  }
  poll();
}

/// CAP.TO says nothing of it; RTD3E does, of controllers that have it.
uint64_t PcieController::shutdown_ns() {
  const uint64_t entry_ns = uint64_t{facts_found().shutdown_us} * 1'000;
  const uint64_t least_ns = std::max(kShutdownMinNs, stated_ns(cap_at_first_));
  return std::min(std::max(entry_ns, least_ns), kShutdownMaxNs);
}

bool PcieController::has_gone_out() const {
  const uint32_t csts = registers_.get32(wire::Property::kCsts);
  return csts == UINT32_MAX || wire::Csts::Rdy::get(csts) == 0;
}

/// From time to time while the controller goes out.
void PcieController::poll() {
  reactor().cancel_timer(timer_);
  if (now_ns() < quiet_until_ns_) return reactor().start_timer(timer_, quiet_until_ns_);
  const bool in_time = now_ns() < until_ns_;
  if (is_notified_ && !gone()) {
    const uint32_t csts = registers_.get32(wire::Property::kCsts);
    const bool complete =
        wire::Csts::Shst::get(csts) == static_cast<uint32_t>(wire::ShutdownStatus::kComplete);
    if (complete || !in_time) {
      is_notified_ = false;
      disable();
    }
    reactor().start_timer(timer_, now_ns() + kPollNs);
    return;
  }
  if (!has_gone_out() && in_time) {
    reactor().start_timer(timer_, now_ns() + kPollNs);
    return;
  }
  if (opening_ == OpeningState::ShuttingDown) {
    disabled();
  } else if (gone()) {
    opening_ = OpeningState::Off;
    fail(kGoneWords);
  } else if (has_gone_out()) {
    start_admin();
  } else {
    opening_ = OpeningState::Off;
    fail("the controller did not go out in the time it stated (CAP.TO)");
  }
}

void PcieController::disabled() {
  opening_ = OpeningState::Disabled;
  is_notified_ = false;
  // One that has not gone out may be about to write somewhere. If even this fails it is no device
  // any more, and the machine has taken it from the bus.
  (void)device_->set_bus_master(false);
  awaited_ = started_;
  for (uint32_t index = 0; index < started_; ++index) queues_[index]->release();
  if (started_ == 0) finish();
}

void PcieController::queue_released(PcieIoQueue&) {
  if (--awaited_ == 0) finish();
}

void PcieController::finish() {
  admin_->release();
  opening_ = OpeningState::Off;
  closed_soon();
}

void PcieController::tick() {
  if (now_ns() < quiet_until_ns_) return;
  const uint32_t csts = registers_.get32(wire::Property::kCsts);
  if (csts == UINT32_MAX) {
    fail(kGoneWords);
  } else if (device_->wanted_back()) {
    disconnect();
  } else if (opening_ == OpeningState::On && wire::Csts::Cfs::get(csts) != 0) {
    fail("the controller has failed (CSTS.CFS)");
  } else if (live() && wire::Csts::Rdy::get(csts) == 0) {
    fail("somebody else has reset the controller (CSTS.RDY)");
  } else if (opening_ == OpeningState::On && is_overdue(admin_->oldest().submitted_ns)) {
    fail("no answer of the admin queue in " + std::to_string(options().timeout_ns / 1'000'000) +
         " ms");
  }
}

bool PcieController::is_overdue(uint64_t submitted_ns) const {
  return submitted_ns < now_ns() && now_ns() - submitted_ns > options().timeout_ns;
}

/// In the line of admin commands, one after the other: a controller need not take more at once.
void PcieController::queue_overdue(PcieIoQueue& queue, uint16_t cid) {
  AdminCommand command;
  command.sqe.opcode = static_cast<uint8_t>(wire::AdminOpcode::kAbort);
  const uint32_t qid = std::as_const(queue).qpair().options().qid;
  command.sqe.cdw10.set(
      wire::AbortCdw10::Cid::set(wire::AbortCdw10::Sqid::set(0u, qid), uint32_t{cid}));
  // Whether it worked is seen by the command itself.
  command.done = [&queue](const AdminOutcome&) { queue.abort_ended(); };
  add_command(std::move(command));
}

}  // namespace capsuled::nvme
