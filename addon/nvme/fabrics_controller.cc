#include "nvme/fabrics_controller.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "wire/identify.h"

namespace capsuled::nvme {
namespace {

constexpr uint16_t kAdminEntries = 32;
constexpr uint32_t kPageBytes = 4096;
constexpr uint64_t kReadyPauseNs = 2'000'000;
constexpr uint64_t kTimerNs = 250'000'000;
constexpr uint64_t kReadyUnitNs = 500'000'000;  // CAP.TO

std::string words_of(wire::Status status) {
  char code[32];
  std::snprintf(code, sizeof(code), " (SCT %xh, SC %02xh)", static_cast<unsigned>(status.type()),
                static_cast<unsigned>(status.code()));
  return wire::fabrics_status_name(status) + std::string(code);
}

/// A command of 64 bytes as the entry that it is.
template <typename Command>
void put_command(Request& request, const Command& command) {
  static_assert(sizeof(Command) == sizeof(request.sqe));
  std::memcpy(static_cast<void*>(&request.sqe), static_cast<const void*>(&command),
              sizeof(command));
}

}  // namespace

FabricsController::FabricsController(Reactor& reactor, FabricsControllerOwner& owner)
    : reactor_(reactor),
      owner_(owner),
      admin_(std::make_unique<TcpQpair>(reactor, *this)),
      page_(std::make_unique<std::byte[]>(kPageBytes)) {
  request_.controller = this;
  request_.complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
    static_cast<AdminRequest&>(request).controller->on_answer(cqe);
  };
  keep_alive_.controller = this;
  keep_alive_.complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
    FabricsController& self = *static_cast<AdminRequest&>(request).controller;
    self.keep_alive_pending_ = false;
    // If the queue has ended, qpair_closed() follows and knows why.
    if (!self.admin_->live()) return;
    if (!status_of(cqe).is_success()) self.fail("Keep Alive: " + words_of(status_of(cqe)));
  };
  timer_.controller = this;
  timer_.expired = [](Timer& timer) {
    static_cast<ControllerTimer&>(timer).controller->on_timer();
  };
}

FabricsController::~FabricsController() {
  ASSERT_MSG(state_ == State::Idle, "a controller destroyed while it is connected");
}

void FabricsController::connect(const FabricsControllerOptions& options) {
  ASSERT(state_ == State::Idle);
  ASSERT(options.io_queues > 0 && options.io_entries >= 2);
  options_ = options;
  reason_.clear();
  facts_ = {};
  io_queue_count_ = 0;
  io_queue_next_ = 0;
  state_ = State::AdminQueue;
  open(*admin_, kAdminEntries);
  reactor_.start_timer(timer_, reactor_.now_ns() + kTimerNs);
}

void FabricsController::open(TcpQpair& qpair, uint16_t entries) {
  ++open_qpairs_;
  qpair.connect({.address = options_.address, .digests = options_.digests, .entries = entries});
}

void FabricsController::disconnect() { fail(""); }

void FabricsController::fail(std::string reason) {
  if (state_ == State::Idle || state_ == State::Closing) return;
  state_ = State::Closing;
  reason_ = std::move(reason);
  admin_->terminate("disconnected");
  for (const auto& qpair : io_qpairs_) qpair->terminate("disconnected");
}

void FabricsController::qpair_closed(TcpQpair& qpair, const char* reason) {
  --open_qpairs_;
  if (state_ != State::Closing) {
    const std::string which = &qpair == admin_.get() ? "the admin queue" : "an I/O queue";
    fail(which + " ended: " + reason);
  }
  if (open_qpairs_ > 0) return;
  reactor_.cancel_timer(timer_);
  state_ = State::Idle;
  const std::string why = std::exchange(reason_, {});
  owner_.controller_closed(*this, why);
}

// ---- Coming up ---------------------------------------------------------------------------------

void FabricsController::qpair_live(TcpQpair& qpair) {
  if (state_ == State::Closing) return;
  if (&qpair == admin_.get()) {
    state_ = State::Connect;
    send_connect(qpair, 0, kAdminEntries);
  } else {
    send_connect(qpair, static_cast<uint16_t>(io_queue_next_ + 1), options_.io_entries);
  }
}

void FabricsController::submit(TcpQpair& qpair, uint8_t opcode, Transfer transfer, uint32_t bytes) {
  request_.sqe.opcode = opcode;
  request_.transfer = transfer;
  request_.bytes = bytes;
  request_iov_ = {page_.get(), bytes};
  request_.iov = &request_iov_;
  if (!qpair.submit(request_)) fail("the queue takes no command");
}

void FabricsController::send_connect(TcpQpair& qpair, uint16_t qid, uint16_t entries) {
  wire::ConnectCommand command = {};
  command.fctype = static_cast<uint8_t>(wire::FabricsCommandType::kConnect);
  command.qid.set(qid);
  command.sqsize.set(static_cast<uint16_t>(entries - 1));
  command.cattr = wire::ConnectAttributes::DisableSqFlowControl::set(command.cattr, uint8_t{1});
  if (qid == 0) command.kato.set(options_.keep_alive_timeout_ms);
  put_command(request_, command);
  wire::ConnectData connect = {};
  std::copy(options_.hostid.begin(), options_.hostid.end(),
            reinterpret_cast<std::byte*>(&connect.hostid));
  connect.cntlid.set(qid == 0 ? wire::kCntlidDynamic : facts_.cntlid);
  connect.subnqn.set(options_.subnqn);
  connect.hostnqn.set(options_.hostnqn);
  std::memcpy(page_.get(), &connect, sizeof(connect));
  submit(qpair, wire::kFabricsOpcode, Transfer::ToController, sizeof(connect));
}

void FabricsController::send_property_get(wire::Property property, wire::PropertySize size) {
  wire::PropertyGetCommand command = {};
  command.fctype = static_cast<uint8_t>(wire::FabricsCommandType::kPropertyGet);
  command.attrib = static_cast<uint8_t>(size);
  command.ofst.set(static_cast<uint32_t>(property));
  put_command(request_, command);
  submit(*admin_, wire::kFabricsOpcode, Transfer::None, 0);
}

void FabricsController::send_enable() {
  uint32_t cc = wire::Cc::En::set(0u, 1u);
  cc = wire::Cc::Iosqes::set(cc, 6u);
  cc = wire::Cc::Iocqes::set(cc, 4u);
  wire::PropertySetCommand command = {};
  command.fctype = static_cast<uint8_t>(wire::FabricsCommandType::kPropertySet);
  command.ofst.set(static_cast<uint32_t>(wire::Property::kCc));
  command.value.set(cc);
  put_command(request_, command);
  submit(*admin_, wire::kFabricsOpcode, Transfer::None, 0);
}

void FabricsController::send_identify(wire::Cns cns, uint32_t nsid) {
  request_.sqe = {};
  request_.sqe.nsid.set(nsid);
  request_.sqe.cdw10.set(wire::IdentifyCdw10::Cns::set(0u, static_cast<uint32_t>(cns)));
  submit(*admin_, static_cast<uint8_t>(wire::AdminOpcode::kIdentify), Transfer::FromController,
         kPageBytes);
}

void FabricsController::send_queue_count() {
  const uint32_t count = options_.io_queues - 1u;  // 0's based, as many of either kind
  request_.sqe = {};
  request_.sqe.cdw10.set(static_cast<uint32_t>(wire::Feature::kNumberOfQueues));
  request_.sqe.cdw11.set(count << 16 | count);
  submit(*admin_, static_cast<uint8_t>(wire::AdminOpcode::kSetFeatures), Transfer::None, 0);
}

/// The one command of coming up was answered: the next step.
void FabricsController::on_answer(const wire::CompletionQueueEntry& cqe) {
  static constexpr std::array kSteps = {"",
                                        "",
                                        "Connect",
                                        "Property Get of CAP",
                                        "Property Set of CC",
                                        "Property Get of CSTS",
                                        "Identify Controller",
                                        "Number of Queues",
                                        "Identify Namespace",
                                        "Connect of an I/O queue",
                                        "",
                                        ""};
  static_assert(kSteps.size() == static_cast<size_t>(State::Closing) + 1);
  if (state_ == State::Closing) return;
  const TcpQpair& qpair = state_ == State::IoQueues ? *io_qpairs_[io_queue_next_] : *admin_;
  // The queue has ended: qpair_closed() follows and knows why.
  if (!qpair.live()) return;
  if (!status_of(cqe).is_success()) {
    fail(kSteps[static_cast<size_t>(state_)] + (": " + words_of(status_of(cqe))));
    return;
  }
  switch (state_) {
    case State::Connect:
      facts_.cntlid = static_cast<uint16_t>(wire::ConnectResult::Cntlid::get(cqe.dw0.get()));
      if (wire::ConnectResult::Atr::get(cqe.dw0.get()) != 0) {
        fail("Connect: the controller asks for authentication");
        return;
      }
      state_ = State::Capabilities;
      send_property_get(wire::Property::kCap, wire::PropertySize::k8Bytes);
      return;
    case State::Capabilities: on_capabilities(cqe); return;
    case State::Enable:
      state_ = State::Ready;
      send_property_get(wire::Property::kCsts, wire::PropertySize::k4Bytes);
      return;
    case State::Ready: on_status(cqe); return;
    case State::Identify: on_identify(); return;
    case State::QueueCount: on_queue_count(cqe); return;
    case State::IdentifyNamespace: on_identify_namespace(); return;
    case State::IoQueues:
      io_qpairs_[io_queue_next_]->set_in_capsule_bytes(facts_.in_capsule_bytes);
      ++io_queue_next_;
      next_io_queue();
      return;
    case State::Idle:
    case State::AdminQueue:
    case State::Live:
    case State::Closing: break;
  }
  UNREACHABLE();
}

void FabricsController::on_capabilities(const wire::CompletionQueueEntry& cqe) {
  const uint64_t cap = uint64_t{cqe.dw1.get()} << 32 | cqe.dw0.get();
  const auto entries_max = static_cast<uint32_t>(wire::Cap::Mqes::get(cap)) + 1;
  if (options_.io_entries > entries_max) {
    fail("queues have at most " + std::to_string(entries_max) + " entries");
    return;
  }
  ready_until_ns_ =
      reactor_.now_ns() + std::max<uint64_t>(wire::Cap::To::get(cap), 1) * kReadyUnitNs;
  state_ = State::Enable;
  send_enable();
}

void FabricsController::on_status(const wire::CompletionQueueEntry& cqe) {
  const uint32_t csts = cqe.dw0.get();
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

void FabricsController::on_identify() {
  const auto& page =
      wire::view_as<wire::IdentifyController>(std::span<const std::byte>(page_.get(), kPageBytes));
  // In minimum memory pages, of 4 KiB with MPSMIN 0, which is all that fabrics controllers have.
  constexpr uint32_t kMdtsMax = 19;
  facts_.transfer_bytes_max =
      page.mdts == 0 || page.mdts > kMdtsMax ? UINT32_MAX : kPageBytes << page.mdts;
  const uint64_t capsule_bytes = uint64_t{page.ioccsz.get()} * 16;
  constexpr uint64_t kSqeBytes = sizeof(wire::SubmissionQueueEntry);
  facts_.in_capsule_bytes = static_cast<uint32_t>(
      std::min<uint64_t>(std::max(capsule_bytes, kSqeBytes) - kSqeBytes, 1u << 20));
  state_ = State::QueueCount;
  send_queue_count();
}

void FabricsController::on_queue_count(const wire::CompletionQueueEntry& cqe) {
  const uint32_t granted = (cqe.dw0.get() & 0xffff) + 1;
  io_queue_count_ = std::min<uint32_t>(granted, options_.io_queues);
  state_ = State::IdentifyNamespace;
  send_identify(wire::Cns::kNamespace, options_.nsid);
}

void FabricsController::on_identify_namespace() {
  const auto& page =
      wire::view_as<wire::IdentifyNamespace>(std::span<const std::byte>(page_.get(), kPageBytes));
  const uint32_t format = wire::Flbas::Fidxl::get(page.flbas) |
                          static_cast<uint32_t>(wire::Flbas::Fidxu::get(page.flbas)) << 4;
  const wire::LbaFormat& lba_format = page.lbaf[format];
  if (page.nsze.get() == 0) {
    fail("there is no namespace " + std::to_string(options_.nsid));
    return;
  }
  if (lba_format.lbads < 9 || lba_format.lbads > 20 || lba_format.ms.get() != 0) {
    fail("the namespace has blocks that this host cannot use (LBADS, MS)");
    return;
  }
  facts_.block_bytes = 1u << lba_format.lbads;
  facts_.block_count = page.nsze.get();
  state_ = State::IoQueues;
  next_io_queue();
}

void FabricsController::next_io_queue() {
  if (io_queue_next_ == io_queue_count_) {
    state_ = State::Live;
    keep_alive_ns_ = reactor_.now_ns();
    owner_.controller_live(*this);
    return;
  }
  if (io_qpairs_.size() == io_queue_next_) {
    io_qpairs_.push_back(std::make_unique<TcpQpair>(reactor_, *this));
  }
  TcpQpair& qpair = *io_qpairs_[io_queue_next_];
  open(qpair, options_.io_entries);
}

// ---- Time --------------------------------------------------------------------------------------

bool FabricsController::overdue(const TcpQpair& qpair) const {
  return !qpair.idle() && (qpair.outstanding() > 0 || !qpair.live()) &&
         reactor_.now_ns() - qpair.progress_ns() > options_.timeout_ns;
}

void FabricsController::on_timer() {
  reactor_.start_timer(timer_, reactor_.now_ns() + kTimerNs);
  if (state_ == State::Closing) return;
  if (state_ == State::Ready && admin_->outstanding() == 0) {
    send_property_get(wire::Property::kCsts, wire::PropertySize::k4Bytes);
    return;
  }
  bool late = overdue(*admin_);
  for (const auto& qpair : io_qpairs_) late = late || overdue(*qpair);
  if (late) {
    fail("no answer in " + std::to_string(options_.timeout_ns / 1'000'000) + " ms");
    return;
  }
  const uint64_t period_ns = uint64_t{options_.keep_alive_timeout_ms} * 500'000;
  if (state_ != State::Live || keep_alive_pending_ || period_ns == 0 ||
      reactor_.now_ns() - keep_alive_ns_ < period_ns) {
    return;
  }
  keep_alive_ns_ = reactor_.now_ns();
  keep_alive_.sqe = {};
  keep_alive_.sqe.opcode = static_cast<uint8_t>(wire::AdminOpcode::kKeepAlive);
  keep_alive_pending_ = admin_->submit(keep_alive_);
}

}  // namespace capsuled::nvme
