#include "bdev/nvmf/nvmf_path.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/assert.h"

namespace capsuled {
namespace {

PathClass class_of(wire::AnaState state) {
  switch (state) {
    case wire::AnaState::kOptimized: return PathClass::Optimized;
    case wire::AnaState::kNonOptimized: return PathClass::NonOptimized;
    case wire::AnaState::kInaccessible:
    case wire::AnaState::kPersistentLoss:
    case wire::AnaState::kChange: break;
  }
  return PathClass::Unusable;
}

const char* name_of(wire::AnaState state) {
  switch (state) {
    case wire::AnaState::kOptimized: return "optimized";
    case wire::AnaState::kNonOptimized: return "non_optimized";
    case wire::AnaState::kInaccessible: return "inaccessible";
    case wire::AnaState::kPersistentLoss: return "persistent_loss";
    case wire::AnaState::kChange: return "change";
  }
  return "unknown";
}

}  // namespace

const char* path_state_name(NvmfPath::State state) {
  switch (state) {
    case NvmfPath::State::Unused: return "unused";
    case NvmfPath::State::Connecting: return "connecting";
    case NvmfPath::State::Live: return "live";
    case NvmfPath::State::Reconnecting: return "reconnecting";
    case NvmfPath::State::Lost: return "lost";
    case NvmfPath::State::Closing: return "closing";
  }
  UNREACHABLE();
}

std::string path_name(const env::Endpoint& endpoint) {
  const bool ipv6 = endpoint.address.find(':') != std::string::npos;
  const std::string address = ipv6 ? "[" + endpoint.address + "]" : endpoint.address;
  return address + ":" + std::to_string(endpoint.port);
}

NvmfPath::NvmfPath(Reactor& home, const std::vector<Reactor*>& reactors, const NvmfOptions& options,
                   NvmfPathOwner& owner)
    : home_(home),
      reactor_count_(reactors.size()),
      options_(options),
      owner_(owner),
      controller_(home, *this, reactors) {
  timer_.path = this;
  timer_.expired = [](Timer& timer) { static_cast<PathTimer&>(timer).path->on_timer(); };
  identify_timer_.path = this;
  identify_timer_.expired = [](Timer& timer) {
    NvmfPath& path = *static_cast<PathTimer&>(timer).path;
    path.namespaces_changed(path.controller_, {});
  };
}

NvmfPath::~NvmfPath() { ASSERT_MSG(state_ == State::Unused, "a path destroyed while it is used"); }

void NvmfPath::set_state(State state) {
  const auto is = [state](std::initializer_list<State> states) {
    return std::ranges::find(states, state) != states.end();
  };
  bool allowed = false;
  switch (state_) {
    case State::Unused: allowed = is({State::Connecting}); break;
    case State::Connecting:
      allowed = is({State::Live, State::Reconnecting, State::Lost, State::Closing});
      break;
    case State::Live: allowed = is({State::Reconnecting, State::Lost, State::Closing}); break;
    case State::Reconnecting:
      allowed = is({State::Live, State::Lost, State::Closing, State::Unused});
      break;
    case State::Lost: allowed = is({State::Reconnecting, State::Unused}); break;
    case State::Closing: allowed = is({State::Unused}); break;
  }
  ASSERT_MSG(allowed, "a transition that paths do not have");
  state_ = state;
}

// ---- Its life ----------------------------------------------------------------------------------

void NvmfPath::open(const env::Endpoint& endpoint) {
  endpoint_ = endpoint;
  reason_.clear();
  away_since_ns_ = home_.now_ns();
  set_state(State::Connecting);
  connect();
}

void NvmfPath::connect() {
  const Result<env::SocketAddress> address = home_.env().resolve(endpoint_);
  if (!address.ok()) return away(address.error().what);
  nvme::FabricsControllerOptions options;
  options.nsids = {options_.nsid};
  options.io_entries = options_.queue_entries;
  options.fewer_entries = true;
  options.timeout_ns = options_.timeout_ns;
  options.events = true;
  options.address = address.value();
  options.subnqn = options_.subnqn;
  options.hostnqn = options_.hostnqn;
  options.hostid = options_.hostid;
  options.digests = options_.digests;
  options.keep_alive_timeout_ms = static_cast<uint32_t>(options_.keep_alive_ns / 1'000'000);
  controller_.connect(options);
  owner_.path_changed();
}

void NvmfPath::close() {
  if (state_ == State::Unused || state_ == State::Closing) return;
  home_.cancel_timer(timer_);
  if (controller_.idle()) {
    set_state(State::Unused);
  } else {
    set_state(State::Closing);
    controller_.disconnect();
  }
  owner_.path_changed();
}

void NvmfPath::revive() {
  if (state_ != State::Lost) return;
  away_since_ns_ = home_.now_ns();
  set_state(State::Reconnecting);
  connect();
}

std::string NvmfPath::controller_identified(nvme::Controller& controller) {
  if (controller.io_queue_count() < reactor_count_) {
    return "it has " + std::to_string(controller.io_queue_count()) +
           " I/O queues for a host, and " + std::to_string(reactor_count_) +
           " reactors need one each; lower engine.reactors";
  }
  const nvme::NamespaceFacts& facts = controller.namespaces().front();
  return facts.refusal.empty() ? owner_.refuses(facts) : facts.refusal;
}

void NvmfPath::controller_live(nvme::Controller& controller) {
  // It is ended already, and has not heard of that.
  if (state_ == State::Closing) return;
  set_state(State::Live);
  reason_.clear();
  live_since_ns_ = home_.now_ns();
  reads_access_ = false;
  reads_access_again_ = false;
  access_group_ = controller.namespaces().front().access_group;
  owner_.namespace_found(controller.namespaces().front());
  owner_.path_changed();
  // What it is, it has just said.
  read_access();
}

void NvmfPath::controller_closed(nvme::Controller&, const std::string& reason) {
  home_.cancel_timer(timer_);
  home_.cancel_timer(identify_timer_);
  const std::string why = reason.empty() ? std::exchange(drop_reason_, {}) : reason;
  drop_reason_.clear();
  access_.publish(PathClass::Unusable);
  access_name_ = "";
  if (state_ != State::Closing) return away(why);
  set_state(State::Unused);
  owner_.path_changed();
}

/// It is not connected.
void NvmfPath::away(const std::string& reason) {
  reason_ = reason;
  const uint64_t now_ns = home_.now_ns();
  const bool was_live = state_ == State::Live;
  if (was_live) away_since_ns_ = now_ns;
  if (now_ns - away_since_ns_ >= options_.controller_loss_ns) {
    set_state(State::Lost);
  } else {
    if (state_ != State::Reconnecting) set_state(State::Reconnecting);
    // At once, unless it comes and goes.
    const bool lasted = was_live && now_ns - live_since_ns_ >= options_.reconnect_delay_ns;
    home_.start_timer(timer_, now_ns + (lasted ? 0 : options_.reconnect_delay_ns));
  }
  owner_.path_changed();
}

void NvmfPath::on_timer() {
  if (state_ == State::Reconnecting) {
    connect();
  } else if (state_ == State::Live) {
    look_at_access();
  }
}

/// What is there is not to be used any more.
void NvmfPath::drop(const std::string& reason) {
  drop_reason_ = reason;
  set_access(PathClass::Unusable, "", reason);
  controller_.disconnect();
}

// ---- The namespace -----------------------------------------------------------------------------

void NvmfPath::namespaces_changed(nvme::Controller&, std::span<const uint32_t> nsids) {
  const bool ours = nsids.empty() || std::ranges::find(nsids, options_.nsid) != nsids.end();
  if (state_ != State::Live || !ours) return;
  controller_.identify_namespace(options_.nsid,
                                 [this](const nvme::NamespaceFacts* facts) { identified(facts); });
}

void NvmfPath::identified(const nvme::NamespaceFacts* facts) {
  if (state_ != State::Live || !controller_.live()) return;
  if (facts == nullptr) {
    // It may have become another disk: that has to be known.
    home_.start_timer(identify_timer_, home_.now_ns() + kAccessNs);
    return;
  }
  const std::string refusal = facts->refusal.empty() ? owner_.refuses(*facts) : facts->refusal;
  if (!refusal.empty()) return drop(refusal);
  access_group_ = facts->access_group;
  owner_.namespace_found(*facts);
}

void NvmfPath::access_changed(nvme::Controller&) { look_at_access(); }

/// The namespace may be of another group than it was, which nothing says but itself.
void NvmfPath::look_at_access() {
  if (state_ != State::Live || !controller_.live()) return;
  if (!controller_.facts().reports_access) return read_access();
  if (reads_access_) {
    reads_access_again_ = true;
    return;
  }
  reads_access_ = true;
  controller_.identify_namespace(options_.nsid, [this](const nvme::NamespaceFacts* facts) {
    // Of one that it does not show, where it cannot be reached, the group is as it was.
    if (facts != nullptr && facts->refusal.empty()) identified(facts);
    read_access();
  });
}

void NvmfPath::read_access() {
  if (state_ != State::Live || !controller_.live()) return;
  if (!controller_.facts().reports_access) {
    return set_access(PathClass::Optimized, "optimized", "");
  }
  reads_access_ = true;
  nvme::read_access(controller_, access_group_,
                    [this](const nvme::AccessAnswer& answer) { access_read(answer); });
}

void NvmfPath::access_read(const nvme::AccessAnswer& answer) {
  reads_access_ = false;
  // If the controller has ended, its end follows.
  if (state_ != State::Live || !answer.answered) return;
  const PathClass found = answer.state.has_value() ? class_of(*answer.state) : PathClass::Unusable;
  const char* const name = answer.state.has_value() ? name_of(*answer.state) : "unknown";
  const bool usable = found != PathClass::Unusable;
  set_access(found, name, usable ? "" : std::string("its access is ") + name);
  if (std::exchange(reads_access_again_, false)) look_at_access();
}

void NvmfPath::set_access(PathClass path_class, const char* name, const std::string& reason) {
  access_.publish(path_class);
  access_name_ = name;
  reason_ = reason;
  if (path_class == PathClass::Unusable) {
    home_.start_timer(timer_, home_.now_ns() + kAccessNs);
  } else {
    home_.cancel_timer(timer_);
  }
  owner_.path_changed();
}

}  // namespace capsuled
