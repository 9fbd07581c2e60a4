#include "nvme/fabrics_controller.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace capsuled::nvme {
namespace {

constexpr uint16_t kAdminEntries = 32;

std::string silence(uint64_t timeout_ns) {
  return "no answer in " + std::to_string(timeout_ns / 1'000'000) + " ms";
}

}  // namespace

FabricsController::FabricsController(Reactor& home, ControllerOwner& its_owner,
                                     std::vector<Reactor*> io_reactors)
    : Controller(home, its_owner), io_reactors_(std::move(io_reactors)) {
  for (Reactor* const on : io_reactors_) add_queue(*on);
  keep_alive_.controller = this;
  keep_alive_.complete = [](Request& request, const wire::CompletionQueueEntry& cqe) {
    FabricsController& self = *static_cast<KeepAlive&>(request).controller;
    self.keep_alive_pending_ = false;
    // If the queue has ended, qpair_closed() follows and knows why.
    if (!self.admin_->live()) return;
    if (!status_of(cqe).is_success()) self.fail("Keep Alive: " + words_of(status_of(cqe)));
  };
}

void FabricsController::add_queue(Reactor& on) {
  const auto qid = static_cast<uint16_t>(queues_.size() + 1);
  queues_.push_back(std::make_unique<FabricsIoQueue>(*this, reactor(), on, options_, qid));
}

void FabricsController::connect(const FabricsControllerOptions& options) {
  options_ = options;
  if (!io_reactors_.empty()) options_.io_queues = static_cast<uint16_t>(io_reactors_.size());
  begin(options_);
}

void FabricsController::open() {
  opening_ = OpeningState::AdminQueue;
  ended_by_controller_ = false;
  if (admin_ == nullptr) admin_ = std::make_unique<TcpQpair>(reactor(), *this);
  keep_alive_ns_ = now_ns();
  admin_->connect(
      {.address = options_.address, .digests = options_.digests, .entries = kAdminEntries});
}

void FabricsController::close() {
  awaited_ = begun_;
  if (admin_ != nullptr && !admin_->idle()) {
    ++awaited_;
    admin_->terminate("disconnected");
  }
  for (uint32_t index = 0; index < begun_; ++index) queues_[index]->close(ended_by_controller_);
  begun_ = 0;
  if (awaited_ > 0) return;
  opening_ = OpeningState::Idle;
  closed_soon();
}

void FabricsController::arrive() {
  if (--awaited_ > 0) return;
  opening_ = OpeningState::Idle;
  closed();
}

void FabricsController::qpair_closed(TcpQpair&, const char* reason) {
  if (closing()) return arrive();
  ended_by_controller_ = admin_->ended_by_controller();
  fail(std::string("the admin queue ended: ") + reason);
}

// ---- Coming up ---------------------------------------------------------------------------------

void FabricsController::qpair_live(TcpQpair& qpair) {
  if (closing()) return;
  opening_ = OpeningState::Connect;
  auto& connect = *reinterpret_cast<wire::ConnectData*>(page());
  fill_connect(options_, {.qid = 0, .entries = kAdminEntries}, request(), connect);
  submit(qpair, wire::kFabricsOpcode, Transfer::ToController, sizeof(connect));
}

void FabricsController::send_property_get(wire::Property property, wire::PropertySize size) {
  property_ = property == wire::Property::kCap ? "Property Get of CAP" : "Property Get of CSTS";
  wire::PropertyGetCommand command = {};
  command.fctype = static_cast<uint8_t>(wire::FabricsCommandType::kPropertyGet);
  command.attrib = static_cast<uint8_t>(size);
  command.ofst.set(static_cast<uint32_t>(property));
  put_command(command);
  submit(*admin_, wire::kFabricsOpcode, Transfer::None, 0);
}

void FabricsController::set_configuration(uint32_t cc) {
  property_ = "Property Set of CC";
  wire::PropertySetCommand command = {};
  command.fctype = static_cast<uint8_t>(wire::FabricsCommandType::kPropertySet);
  command.ofst.set(static_cast<uint32_t>(wire::Property::kCc));
  command.value.set(cc);
  put_command(command);
  submit(*admin_, wire::kFabricsOpcode, Transfer::None, 0);
}

void FabricsController::get_status() {
  if (admin_->outstanding() > 0) return;
  send_property_get(wire::Property::kCsts, wire::PropertySize::k4Bytes);
}

const char* FabricsController::step_name() const {
  return opening_ == OpeningState::Connect ? "Connect" : property_;
}

void FabricsController::answered(const wire::CompletionQueueEntry& cqe) {
  switch (opening_) {
    case OpeningState::Connect: on_connected(cqe); return;
    case OpeningState::Capabilities:
      opening_ = OpeningState::Open;
      opened(uint64_t{cqe.dw1.get()} << 32 | cqe.dw0.get());
      return;
    case OpeningState::Open:
      if (is_enabling()) {
        configured();
      } else {
        status_read(cqe.dw0.get());
      }
      return;
    case OpeningState::Idle:
    case OpeningState::AdminQueue: break;
  }
  UNREACHABLE();
}

void FabricsController::on_connected(const wire::CompletionQueueEntry& cqe) {
  facts_found().cntlid = static_cast<uint16_t>(wire::ConnectResult::Cntlid::get(cqe.dw0.get()));
  if (wire::ConnectResult::Atr::get(cqe.dw0.get()) != 0) {
    fail("Connect: the controller asks for authentication");
    return;
  }
  opening_ = OpeningState::Capabilities;
  send_property_get(wire::Property::kCap, wire::PropertySize::k8Bytes);
}

std::string FabricsController::identified(const wire::IdentifyController& found) {
  if (options_.io_queues == 0) return "";
  if (options_.keep_alive_timeout_ms != 0 && found.kas.get() == 0) {
    return "the controller cannot be kept alive (KAS is 0)";
  }
  if (found.icdoff.get() != 0) {
    return "the controller wants the data of capsules elsewhere: expected 0 for ICDOFF, got " +
           std::to_string(found.icdoff.get());
  }
  // As other hosts do, it counts as the size of a queue. 0 is of those that do not say.
  const uint32_t commands_max = found.maxcmd.get();
  if (commands_max == 0 || commands_max >= facts_found().io_entries) return "";
  if (!options_.fewer_entries) {
    return "queues have at most " + std::to_string(commands_max) + " entries (MAXCMD)";
  }
  facts_found().io_entries = static_cast<uint16_t>(std::max(commands_max, 2u));
  return "";
}

// ---- I/O queues --------------------------------------------------------------------------------

void FabricsController::open_io_queue() {
  if (queues_.size() == io_queue_next()) add_queue(reactor());
  ++begun_;
  queues_[io_queue_next()]->open(facts());
}

void FabricsController::queue_opened(FabricsIoQueue&) {
  if (!closing()) io_queue_opened();
}

void FabricsController::queue_broken(FabricsIoQueue& queue, const std::string& reason) {
  // What comes first is what ends it.
  if (!closing()) ended_by_controller_ = queue.ended_by_controller();
  fail(reason);
}

void FabricsController::queue_closed(FabricsIoQueue&) { arrive(); }

// ---- Time --------------------------------------------------------------------------------------

void FabricsController::tick() {
  const uint64_t timeout_ns = admin_->live()
                                  ? options_.timeout_ns
                                  : std::min(options_.timeout_ns, options_.connect_timeout_ns);
  if (admin_->is_overdue(timeout_ns)) {
    fail(silence(timeout_ns));
  } else if (live()) {
    keep_alive();
  }
}

void FabricsController::keep_alive() {
  const uint64_t timeout_ns = uint64_t{options_.keep_alive_timeout_ms} * 1'000'000;
  const uint64_t since_ns = now_ns() - keep_alive_ns_;
  if (timeout_ns == 0) return;
  if (keep_alive_pending_) {
    if (since_ns > timeout_ns) fail("Keep Alive: " + silence(timeout_ns));
    return;
  }
  if (since_ns < timeout_ns / 2) return;
  keep_alive_ns_ = now_ns();
  keep_alive_.sqe = {};
  keep_alive_.sqe.opcode = static_cast<uint8_t>(wire::AdminOpcode::kKeepAlive);
  keep_alive_pending_ = admin_->submit(keep_alive_);
}

}  // namespace capsuled::nvme
