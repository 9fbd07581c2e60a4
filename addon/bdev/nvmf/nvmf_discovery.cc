// What an NvmfDevice does about paths that are missing.
#include <algorithm>

#include "bdev/nvmf/nvmf_device.h"

namespace capsuled {
namespace {

bool is_at(const NvmfPath& path, const env::Endpoint& endpoint) {
  return path.state() != NvmfPath::State::Unused && path.endpoint().port == endpoint.port &&
         path.endpoint().address == endpoint.address;
}

bool is_away(const NvmfPath& path) {
  return path.state() == NvmfPath::State::Reconnecting || path.state() == NvmfPath::State::Lost;
}

bool is_listed(const NvmfPath& path, const nvme::DiscoveryFindings& findings) {
  return std::ranges::any_of(findings.endpoints,
                             [&](const env::Endpoint& endpoint) { return is_at(path, endpoint); });
}

}  // namespace

void NvmfDevice::discover() {
  if (!discovery_->idle()) return;
  discovery_->read({.addresses = options_.discovery,
                    .subnqn = options_.subnqn,
                    .hostnqn = options_.hostnqn,
                    .hostid = options_.hostid,
                    .endpoints_max = kPathsMax},
                   [this](const nvme::DiscoveryFindings& findings) { discovered(findings); });
}

void NvmfDevice::discovered(const nvme::DiscoveryFindings& findings) {
  if (state() == State::Closing) return judge();
  discovered_ = true;
  discovery_failures_ = findings.failures;
  // From here on: what ends is not the end of all.
  opens_paths_ = true;
  // What leads nowhere, and is not listed any more, makes room, if all of the list is there.
  const bool whole = findings.failures.empty() && !findings.more && !findings.endpoints.empty();
  for (const auto& path : paths_) {
    if (whole && is_away(*path) && !is_listed(*path, findings)) path->close();
  }
  for (const env::Endpoint& endpoint : findings.endpoints) {
    if (NvmfPath* const path = path_for(endpoint, findings)) path->open(endpoint);
  }
  opens_paths_ = false;
  judge();
  if (state() != State::Closing && state() != State::Closed) look_further();
}

/// Unused, for an endpoint that was found; null: it has one, which is tried again if it was lost,
/// or there are too many.
NvmfPath* NvmfDevice::path_for(const env::Endpoint& endpoint,
                               const nvme::DiscoveryFindings& findings) {
  for (const auto& path : paths_) {
    if (!is_at(*path, endpoint)) continue;
    path->revive();
    return nullptr;
  }
  for (const auto& path : paths_) {
    if (path->state() == NvmfPath::State::Unused) return path.get();
  }
  for (const auto& path : paths_) {
    if (path->state() != NvmfPath::State::Lost || is_listed(*path, findings)) continue;
    path->close();
    return path.get();
  }
  return nullptr;
}

/// No path is tried any more.
bool NvmfDevice::is_gone() const {
  return state() != State::Starting && std::ranges::all_of(paths_, [](const auto& path) {
           return path->state() == NvmfPath::State::Lost ||
                  path->state() == NvmfPath::State::Unused;
         });
}

/// Discovery is asked again, if anything is missing; soon, if a path is being looked for. If none
/// is looked for any more, it is over.
void NvmfDevice::look_further() {
  // What is to be opened is not known yet.
  if (opens_paths_ || (discovery_ != nullptr && !discovery_->idle())) return;
  if (is_gone()) {
    home().cancel_timer(discovery_timer_);
    // Acquire: it is there, if it is.
    BdevHealth* const health = health_.load(std::memory_order_acquire);
    if (health != nullptr) health->raise(kGone);
    return;
  }
  if (discovery_ == nullptr) return;
  const auto is = [this](NvmfPath::State which) {
    return std::ranges::any_of(paths_, [&](const auto& path) { return path->state() == which; });
  };
  const bool soon = is(NvmfPath::State::Reconnecting);
  if (!soon && !is(NvmfPath::State::Lost) && discovery_failures_.empty()) return;
  const uint64_t delay_ns =
      soon ? options_.reconnect_delay_ns : std::max(kAskAgainNs, options_.reconnect_delay_ns);
  const uint64_t at_ns = home().now_ns() + delay_ns;
  if (discovery_timer_.started() && discovery_timer_.deadline_ns <= at_ns) return;
  home().start_timer(discovery_timer_, at_ns);
}

}  // namespace capsuled
