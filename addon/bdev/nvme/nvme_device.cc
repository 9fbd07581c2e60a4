#include "bdev/nvme/nvme_device.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "reactor/run_on.h"

namespace capsuled {
namespace {

constexpr uint64_t kPauseMinNs = 10'000'000;
constexpr uint64_t kPauseMaxNs = 5'000'000'000;
constexpr uint64_t kHealthPauseNs = 60'000'000'000;
constexpr uint64_t kIdentifyPauseNs = 1'000'000'000;
/// What fails sooner after it has come up has not come back.
constexpr uint64_t kSoundNs = 5'000'000'000;

/// What is left of 128 bits in 64: counters that have had no time to grow so far.
uint64_t lower_half(const wire::Le128& value) { return value.low.get(); }

DriveHealth health_of(const wire::SmartLog& log) {
  return {
      .critical_warning = log.critical_warning,
      .composite_temperature = log.composite_temperature.get(),
      .available_spare = log.available_spare,
      .available_spare_threshold = log.available_spare_threshold,
      .percentage_used = log.percentage_used,
      .data_units_read = lower_half(log.data_units_read),
      .data_units_written = lower_half(log.data_units_written),
      .power_cycles = lower_half(log.power_cycles),
      .power_on_hours = lower_half(log.power_on_hours),
      .unsafe_shutdowns = lower_half(log.unsafe_shutdowns),
      .media_errors = lower_half(log.media_errors),
  };
}

}  // namespace

NvmeDevice::NvmeDevice(env::Env& env, const std::vector<Reactor*>& reactors,
                       const NvmeDeviceOptions& options)
    : env_(env), reactors_(reactors), options_(options) {
  for (size_t index = 0; index < reactors.size(); ++index) {
    queue_users_.push_back(std::make_unique<NvmeQueueUsers>());
    give_up_calls_.push_back(std::make_unique<ReactorCall>());
  }
  retry_timer_.device = this;
  retry_timer_.expired = [](Timer& timer) { static_cast<DeviceTimer&>(timer).device->connect(); };
  health_timer_.device = this;
  health_timer_.expired = [](Timer& timer) {
    static_cast<DeviceTimer&>(timer).device->read_health();
  };
  identify_timer_.device = this;
  identify_timer_.expired = [](Timer& timer) {
    NvmeDevice& device = *static_cast<DeviceTimer&>(timer).device;
    if (device.state() == State::Live) device.namespaces_changed(*device.controller_, {});
  };
}

std::shared_ptr<NvmeDevice> NvmeDevice::open(env::Env& env, const std::vector<Reactor*>& reactors,
                                             const NvmeDeviceOptions& options, BdevError& error) {
  env::PciOpened opened = env.open_pci_device(options.address);
  if (opened.device == nullptr) {
    error = {opened.errnum, "address", opened.refusal};
    return nullptr;
  }
  std::shared_ptr<NvmeDevice> device(new NvmeDevice(env, reactors, options));
  auto controller = nvme::PcieController::create(std::move(opened.device), *reactors[0], *device,
                                                 {reactors, options.queue_entries});
  if (!controller.ok()) {
    error = {controller.error().errnum, "address",
             std::string(controller.error().what) + ": " + controller.error().message()};
    return nullptr;
  }
  device->controller_ = std::move(controller).value();
  for (Reactor* const reactor : reactors) {
    run_on(*reactor, [&] {
      device->controller_->io_queue(reactor->index()).attach(device->queue_users(*reactor));
    });
  }
  run_on(device->home(), [&] { device->connect(); });
  while (device->state() == State::Starting) env.rest();
  if (device->state() == State::Closed) {
    error = {EIO, "address", options.address + ": " + device->reason_};
    return nullptr;
  }
  return device;
}

NvmeDevice::~NvmeDevice() {
  if (controller_ == nullptr) return;
  ASSERT_MSG(users_.empty(), "a device whose namespaces are used");
  run_on(home(), [this] {
    if (state() == State::Closed) return;
    for (DeviceTimer* const timer : {&retry_timer_, &health_timer_, &identify_timer_}) {
      home().cancel_timer(*timer);
    }
    for (const auto& call : give_up_calls_) call->cancel();
    set_state(State::Closing);
    if (controller_->idle()) {
      set_state(State::Closed);
    } else {
      controller_->disconnect();
    }
  });
  while (state() != State::Closed) env_.rest();
  for (Reactor* const reactor : reactors_) {
    run_on(*reactor, [&] { controller_->io_queue(reactor->index()).detach(); });
  }
}

void NvmeDevice::set_state(State next) {
  const State from = state();
  const bool is_open = from == State::Live || from == State::Resetting || from == State::Failed;
  const bool ends = next == State::Closing && from != State::Closed;
  const bool allowed =
      ends || (from == State::Closing && next == State::Closed) ||
      (from == State::Starting && (next == State::Live || next == State::Closed)) ||
      (is_open && next == State::Gone) || (from == State::Live && next == State::Resetting) ||
      (from == State::Resetting && (next == State::Live || next == State::Failed)) ||
      (from == State::Failed && next == State::Live);
  ASSERT_MSG(allowed, "a transition that devices do not have");
  // Release: whoever waits for it reads what was written before.
  state_.store(next, std::memory_order_release);
}

bool NvmeDevice::reaches(const env::MemoryRange& range) const {
  env::DmaTranslator translator(controller_->device().dma());
  return translator.translate(range.base, range.bytes) != env::kNoDmaAddress;
}

// ---- Namespaces --------------------------------------------------------------------------------

struct NvmeDevice::Adding {
  NvmeDeviceUser& user;
  nvme::NamespaceFacts facts{};
  std::atomic<bool> done = false;
};

nvme::NamespaceFacts NvmeDevice::add(NvmeDeviceUser& user) {
  Adding adding{user};
  run_on(home(), [&] { add_here(adding); });
  while (!adding.done.load(std::memory_order_acquire)) env_.rest();
  return std::move(adding.facts);
}

void NvmeDevice::add_here(Adding& adding) {
  const uint32_t nsid = adding.user.nsid();
  const auto refuse = [](Adding& refused, std::string why) {
    refused.facts.refusal = std::move(why);
    refused.done.store(true, std::memory_order_release);
  };
  if (user_of(nsid) != nullptr) {
    return refuse(adding, "namespace " + std::to_string(nsid) + " of it is open as another bdev");
  }
  if (state() != State::Live) {
    return refuse(adding,
                  options_.address + (state() == State::Gone ? " is gone" : " is being reset"));
  }
  users_.push_back(&adding.user);
  controller_->identify_namespace(nsid, [this, &adding, refuse](const nvme::NamespaceFacts* facts) {
    if (facts != nullptr) adding.facts = *facts;
    if (facts == nullptr || !facts->refusal.empty()) {
      std::erase(users_, &adding.user);
      return refuse(adding, facts == nullptr ? "it does not say now what namespace " +
                                                   std::to_string(adding.user.nsid()) + " is"
                                             : facts->refusal);
    }
    adding.user.namespace_found(adding.facts);
    adding.done.store(true, std::memory_order_release);
  });
}

void NvmeDevice::remove(NvmeDeviceUser& user) {
  run_on(home(), [&] { std::erase(users_, &user); });
}

NvmeDeviceUser* NvmeDevice::user_of(uint32_t nsid) {
  const auto found = std::ranges::find(users_, nsid, &NvmeDeviceUser::nsid);
  return found == users_.end() ? nullptr : *found;
}

void NvmeDevice::found(uint32_t nsid, const nvme::NamespaceFacts& facts) {
  if (NvmeDeviceUser* const user = user_of(nsid)) user->namespace_found(facts);
}

void NvmeDevice::namespaces_changed(nvme::Controller&, std::span<const uint32_t> nsids) {
  for (const NvmeDeviceUser* const user : users_) {
    const uint32_t nsid = user->nsid();
    if (!nsids.empty() && std::ranges::find(nsids, nsid) == nsids.end()) continue;
    controller_->identify_namespace(nsid, [this, nsid](const nvme::NamespaceFacts* facts) {
      if (facts != nullptr) return found(nsid, *facts);
      if (state() == State::Live) ask_again();
    });
  }
}

void NvmeDevice::ask_again() {
  home().start_timer(identify_timer_, home().now_ns() + kIdentifyPauseNs);
}

// ---- Its life ----------------------------------------------------------------------------------

void NvmeDevice::connect() {
  if (state() != State::Starting && controller_->device().wanted_back()) return leave();
  std::vector<uint32_t> nsids;
  for (const NvmeDeviceUser* const user : users_) nsids.push_back(user->nsid());
  controller_->connect(std::move(nsids), options_.timeout_ns);
}

std::string NvmeDevice::controller_identified(nvme::Controller& controller) {
  if (controller.io_queue_count() < reactors_.size()) {
    return "it has " + std::to_string(controller.io_queue_count()) + " I/O queues, and each of " +
           std::to_string(reactors_.size()) + " reactors needs one; lower engine.reactors";
  }
  for (const nvme::NamespaceFacts& facts : controller.namespaces()) found(facts.nsid, facts);
  if (std::exchange(lost_cache_, false)) {
    for (NvmeDeviceUser* const user : users_) user->cache_lost();
  }
  return "";
}

void NvmeDevice::controller_live(nvme::Controller&) {
  if (state() == State::Closing) return;
  set_state(State::Live);
  live_since_ns_ = home().now_ns();
  home().start_timer(health_timer_, home().now_ns() + kHealthPauseNs);
}

void NvmeDevice::controller_closed(nvme::Controller&, const std::string& reason) {
  const bool is_wanted_back = controller_->device().wanted_back();
  reason_ = is_wanted_back ? "the machine wants it back" : reason;
  home().cancel_timer(health_timer_);
  home().cancel_timer(identify_timer_);
  switch (state()) {
    case State::Starting:
    case State::Closing: set_state(State::Closed); return;
    case State::Live:
      if (is_wanted_back) return leave();
      set_state(State::Resetting);
      // Relaxed: a number that is only shown.
      resets_.fetch_add(1, std::memory_order_relaxed);
      if (home().now_ns() - live_since_ns_ >= kSoundNs) {
        failed_ns_ = home().now_ns();
        pause_ns_ = 0;
      }
      break;
    case State::Resetting:
      if (is_wanted_back) return leave();
      if (home().now_ns() - failed_ns_ < options_.reset_timeout_ns) break;
      if (controller_->gone()) return leave();
      set_state(State::Failed);
      give_up();
      break;
    case State::Failed:
      if (is_wanted_back || controller_->gone()) return leave();
      break;
    case State::Gone:
    case State::Closed: UNREACHABLE();
  }
  try_later();
}

/// At once, and then with pauses that grow.
void NvmeDevice::try_later() {
  home().start_timer(retry_timer_, home().now_ns() + pause_ns_);
  pause_ns_ = std::clamp(2 * pause_ns_, kPauseMinNs, kPauseMaxNs);
}

/// It is let go, so that the machine can do with its slot what it wants.
void NvmeDevice::leave() {
  set_state(State::Gone);
  for (NvmeDeviceUser* const user : users_) user->device_gone();
  give_up();
}

void NvmeDevice::give_up() {
  for (Reactor* const reactor : reactors_) {
    ReactorCall& call = *give_up_calls_[reactor->index()];
    if (call.is_waiting()) continue;
    call.start(
        home(), *reactor,
        [](Reactor& there, void* argument) {
          static_cast<NvmeDevice*>(argument)->queue_users(there).give_up();
        },
        this);
  }
}

// ---- Its health --------------------------------------------------------------------------------

void NvmeDevice::read_health() {
  if (state() != State::Live) return;
  controller_->read_log(wire::LogPage::kSmartHealthInformation, sizeof(wire::SmartLog),
                        [this](std::span<const std::byte> log) {
                          health_changed(*controller_, wire::view_as<wire::SmartLog>(log));
                        });
  home().start_timer(health_timer_, home().now_ns() + kHealthPauseNs);
}

void NvmeDevice::health_changed(nvme::Controller& controller, const wire::SmartLog& log) {
  const DriveHealth health = health_of(log);
  // While it comes up, what was only in its cache is there no more if it was without power.
  const bool had_power =
      !last_health_.has_value() || (health.power_cycles == last_health_->power_cycles &&
                                    health.unsafe_shutdowns == last_health_->unsafe_shutdowns);
  if (!had_power && !controller.live() && controller.facts().volatile_cache) lost_cache_ = true;
  last_health_ = health;
  // A reactor waits for nobody: who reads now is shown the last one.
  const std::unique_lock lock(health_mutex_, std::try_to_lock);
  if (lock.owns_lock()) health_ = health;
}

std::optional<DriveHealth> NvmeDevice::health() const {
  const std::lock_guard lock(health_mutex_);
  return health_;
}

}  // namespace capsuled
