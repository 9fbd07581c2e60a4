#include "bdev/nvmf/nvmf_device.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <initializer_list>
#include <utility>

#include "base/assert.h"
#include "bdev/nvme/nvme_names.h"
#include "bdev/nvme/reported_writes.h"
#include "reactor/buffer_pool.h"
#include "reactor/run_on.h"

namespace capsuled {
namespace {

/// Controllers of one subsystem may be of several machines, which have serial numbers of their own;
/// these count only where the namespace has no identifier.
bool is_same_disk(const nvme::NamespaceFacts& one, const nvme::NamespaceFacts& other) {
  if (one.uuid != other.uuid || one.nguid != other.nguid || one.eui64 != other.eui64) return false;
  return nvme_has_identifier(one) || (one.serial == other.serial && one.model == other.model);
}

/// What a controller has not that hosts were told of, because the first one had it; empty: nothing.
std::string lacks(const nvme::NamespaceFacts& first, const nvme::NamespaceFacts& found) {
  const struct {
    uint16_t bit;
    const char* name;
  } commands[] = {{wire::Oncs::Nvmcmps::mask<uint16_t>(), "Compare"},
                  {wire::Oncs::Nvmdsmsv::mask<uint16_t>(), "Dataset Management"},
                  {wire::Oncs::Nvmwzsv::mask<uint16_t>(), "Write Zeroes"}};
  for (const auto& command : commands) {
    if ((first.oncs & ~found.oncs & command.bit) == 0) continue;
    return std::string("the controller has no ") + command.name + ", as the first one had";
  }
  if (found.volatile_cache && !first.volatile_cache) {
    return "the controller has a volatile write cache, and the first one had none";
  }
  return "";
}

}  // namespace

NvmfDevice::NvmfDevice(env::Env& env, const std::vector<Reactor*>& reactors,
                       const NvmfOptions& options)
    : env_(env), reactors_(reactors), options_(options) {
  PathHome& owner = *this;
  for (Reactor* const reactor : reactors_) {
    choosers_.push_back(std::make_unique<PathChooser>(*reactor, home(), owner, options_.policy));
  }
  timer_.device = this;
  timer_.expired = [](Timer& timer) { static_cast<DeviceTimer&>(timer).device->on_time(); };
  show_timer_.device = this;
  show_timer_.expired = [](Timer& timer) { static_cast<DeviceTimer&>(timer).device->show(); };
  discovery_timer_.device = this;
  discovery_timer_.expired = [](Timer& timer) {
    static_cast<DeviceTimer&>(timer).device->discover();
  };
}

// ---- From the outside --------------------------------------------------------------------------

std::unique_ptr<NvmfDevice> NvmfDevice::open(env::Env& env, const std::vector<Reactor*>& reactors,
                                             const NvmfOptions& options, BdevError& error) {
  std::unique_ptr<NvmfDevice> device(new NvmfDevice(env, reactors, options));
  device->make();
  run_on(device->home(), [&] { device->start(); });
  while (device->state() == State::Starting || device->state() == State::Closing) env.rest();
  if (device->state() != State::Closed) return device;
  error = {EIO, options.paths.empty() ? "discovery" : "paths", device->failure_};
  return nullptr;
}

NvmfDevice::~NvmfDevice() {
  run_on(home(), [this] { close(); });
  while (state() != State::Closed) env_.rest();
  unmake();
}

void NvmfDevice::make() {
  const size_t count = options_.paths.empty() ? kPathsMax : options_.paths.size();
  NvmfPathOwner& owner = *this;
  run_on(home(), [&] {
    for (size_t index = 0; index < count; ++index) {
      paths_.push_back(std::make_unique<NvmfPath>(home(), reactors_, options_, owner));
    }
    if (options_.paths.empty()) discovery_ = std::make_unique<nvme::DiscoveryReader>(home());
  });
  for (Reactor* const reactor : reactors_) {
    run_on(*reactor, [&] {
      for (const auto& path : paths_) {
        path->io_queue(reactor->index()).attach(chooser(*reactor).add_way(path->access()));
      }
    });
  }
}

void NvmfDevice::unmake() {
  for (const auto& chooser : choosers_) {
    while (!chooser->all_heard()) env_.rest();
  }
  for (Reactor* const reactor : reactors_) {
    run_on(*reactor, [&] {
      for (const auto& path : paths_) path->io_queue(reactor->index()).detach();
      chooser(*reactor).end();
    });
  }
  // What home has in hand ends before this.
  run_on(home(), [this] {
    paths_.clear();
    discovery_.reset();
  });
}

std::vector<BdevPath> NvmfDevice::paths() const {
  const std::lock_guard lock(shown_mutex_);
  return shown_;
}

// ---- Its life ----------------------------------------------------------------------------------

void NvmfDevice::set_state(State next) {
  const State from = state();
  const auto is = [next](std::initializer_list<State> states) {
    return std::ranges::find(states, next) != states.end();
  };
  bool allowed = false;
  switch (from) {
    case State::Starting: allowed = is({State::Live, State::Closing}); break;
    case State::Live: allowed = is({State::Waiting, State::Closing}); break;
    case State::Waiting: allowed = is({State::Live, State::Failed, State::Closing}); break;
    case State::Failed: allowed = is({State::Live, State::Waiting, State::Closing}); break;
    case State::Closing: allowed = is({State::Closed}); break;
    case State::Closed: break;
  }
  ASSERT_MSG(allowed, "a transition that devices do not have");
  // Release: whoever waits for it reads what was written before.
  state_.store(next, std::memory_order_release);
}

void NvmfDevice::start() {
  home().start_timer(timer_, home().now_ns() + kOpenNs);
  if (discovery_ != nullptr) return discover();
  opens_paths_ = true;
  for (size_t index = 0; index < paths_.size(); ++index) {
    paths_[index]->open(options_.paths[index]);
  }
  opens_paths_ = false;
  judge();
}

/// Nothing if it is Closing or Closed.
void NvmfDevice::close() {
  if (state() == State::Closing || state() == State::Closed) return;
  set_state(State::Closing);
  for (DeviceTimer* const timer : {&timer_, &show_timer_, &discovery_timer_}) {
    home().cancel_timer(*timer);
  }
  if (discovery_ != nullptr) discovery_->stop();
  for (const auto& path : paths_) path->close();
  judge();
}

/// What is the case now.
void NvmfDevice::judge() {
  const bool usable = std::ranges::any_of(paths_, [](const auto& path) { return path->usable(); });
  switch (state()) {
    case State::Starting:
      if (!usable && has_failed()) return fail_start("");
      [[fallthrough]];
    case State::Waiting:
    case State::Failed:
      if (!usable) return;
      home().cancel_timer(timer_);
      set_state(State::Live);
      return;
    case State::Live:
      if (usable) return;
      wait_for_paths();
      return;
    case State::Closing: {
      const bool over = std::ranges::all_of(
          paths_, [](const auto& path) { return path->state() == NvmfPath::State::Unused; });
      if (over && (discovery_ == nullptr || discovery_->idle())) set_state(State::Closed);
      return;
    }
    case State::Closed: return;
  }
}

void NvmfDevice::wait_for_paths() {
  set_state(State::Waiting);
  if (options_.fast_io_fail_ns == UINT64_MAX) return;
  home().start_timer(timer_, home().now_ns() + options_.fast_io_fail_ns);
}

/// Of Starting: nothing is left to hope for.
bool NvmfDevice::has_failed() const {
  if (opens_paths_) return false;
  if (discovery_ != nullptr && (!discovered_ || !discovery_->idle())) return false;
  return std::ranges::none_of(paths_, [](const auto& path) {
    return path->state() == NvmfPath::State::Connecting || path->state() == NvmfPath::State::Live;
  });
}

void NvmfDevice::on_time() {
  if (state() == State::Starting) {
    fail_start("it takes longer than " + std::to_string(kOpenNs / 1'000'000'000) + " s: ");
  } else if (state() == State::Waiting) {
    set_state(State::Failed);
    tell_choosers();
  }
}

void NvmfDevice::fail_start(const std::string& prefix) {
  // It may have to be allowed there.
  failure_ = prefix + path_reasons() + "; this host is " + options_.hostnqn;
  close();
}

std::string NvmfDevice::path_reasons() const {
  std::string reasons;
  const auto add = [&](const std::string& reason) {
    reasons += (reasons.empty() ? "" : "; ") + reason;
  };
  for (const auto& path : paths_) {
    if (path->state() == NvmfPath::State::Unused) continue;
    const std::string& reason = path->reason();
    add(path_name(path->endpoint()) + ": " +
        (reason.empty() ? path_state_name(path->state()) : reason));
  }
  for (const std::string& failure : discovery_failures_) add("discovery at " + failure);
  if (reasons.empty() && discovered_) add("no discovery controller knows " + options_.subnqn);
  return reasons;
}

// ---- What paths say ----------------------------------------------------------------------------

std::string NvmfDevice::refuses(const nvme::NamespaceFacts& facts) {
  if (!facts_.has_value()) {
    facts_ = facts;
    blocks_found_.store(facts.block_count, std::memory_order_relaxed);
    blocks_used_.store(facts.block_count, std::memory_order_relaxed);
    return "";
  }
  if (!is_same_disk(*facts_, facts)) {
    return "it leads to another disk: expected " + nvme_identity_text(*facts_) + ", got " +
           nvme_identity_text(facts);
  }
  if (facts.block_bytes != facts_->block_bytes) {
    return "the namespace has another format: expected blocks of " +
           std::to_string(facts_->block_bytes) + " bytes, got " + std::to_string(facts.block_bytes);
  }
  const uint64_t used = blocks_used_.load(std::memory_order_relaxed);
  if (facts.block_count < used) {
    return "the namespace has become smaller: expected " + std::to_string(used) +
           " blocks or more, got " + std::to_string(facts.block_count);
  }
  const uint32_t at_once = std::min(facts_->transfer_bytes_max, kTransferBytesMax);
  if (facts.transfer_bytes_max < at_once) {
    return "the controller takes fewer bytes at once (MDTS): expected " + std::to_string(at_once) +
           ", got " + std::to_string(facts.transfer_bytes_max);
  }
  if (facts.zero_blocks_max() < facts_->zero_blocks_max()) {
    return "the controller takes fewer blocks in a Write Zeroes (WZSL): expected " +
           std::to_string(facts_->zero_blocks_max()) + ", got " +
           std::to_string(facts.zero_blocks_max());
  }
  const uint64_t range = std::min(facts_->deallocate_blocks_max, ReportedWrites::kBlocksMax);
  if (facts.deallocate_blocks_max < range) {
    return "the controller takes fewer blocks in a range of Dataset Management (DMRSL): expected " +
           std::to_string(range) + ", got " + std::to_string(facts.deallocate_blocks_max);
  }
  return lacks(*facts_, facts);
}

void NvmfDevice::namespace_found(const nvme::NamespaceFacts& facts) {
  blocks_found_.store(facts.block_count, std::memory_order_relaxed);
  if (facts.quiesce_ms == 0) return;
  // If nothing tells it, a controller misses its host when that is not heard of for so long (NVMe
  // Base 2.1, section 9.6). The longest of what any of them says is that of all.
  const uint64_t quiesce_ns = uint64_t{facts.quiesce_ms} * 1'000'000;
  const uint64_t late_ns = quiesce_ns + (facts.alive_by_traffic ? 3 : 2) * options_.keep_alive_ns;
  const auto raise = [](std::atomic<uint64_t>& to, uint64_t ns) {
    if (ns > to.load(std::memory_order_relaxed)) to.store(ns, std::memory_order_relaxed);
  };
  raise(quiesce_ns_, quiesce_ns);
  raise(quiesce_late_ns_, late_ns);
}

uint64_t NvmfDevice::quiesce_ns(bool knows) const {
  return (knows ? quiesce_ns_ : quiesce_late_ns_).load(std::memory_order_relaxed);
}

void NvmfDevice::path_changed() {
  show();
  judge();
  // Whoever waits for its end waits for no more messages than are under way by then.
  if (state() == State::Closing || state() == State::Closed) return;
  tell_choosers();
  look_further();
}

void NvmfDevice::access_doubted(uint32_t paths) {
  for (; paths != 0; paths &= paths - 1) {
    paths_[static_cast<size_t>(std::countr_zero(paths))]->look_at_access();
  }
}

void NvmfDevice::revive_paths() {
  if (state() == State::Closing || state() == State::Closed) return;
  for (const auto& path : paths_) path->revive();
  if (state() == State::Failed) wait_for_paths();
  tell_choosers();
}

void NvmfDevice::tell_choosers() {
  for (const auto& chooser : choosers_) chooser->look_again();
}

/// For paths().
void NvmfDevice::show() {
  if (state() == State::Closing || state() == State::Closed) return;
  const std::unique_lock lock(shown_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    home().start_timer(show_timer_, home().now_ns() + kShowAgainNs);
    return;
  }
  shown_.clear();
  for (const auto& path : paths_) {
    if (path->state() == NvmfPath::State::Unused) continue;
    shown_.push_back({path_name(path->endpoint()), path_state_name(path->state()),
                      path->access_name(), path->reason()});
  }
}

}  // namespace capsuled
