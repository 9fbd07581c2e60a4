#include "bdev/nvmf/path_chooser.h"

#include <algorithm>

#include "base/assert.h"
#include "bdev/nvme/nvme_status.h"

namespace capsuled {

static_assert(kPathsMax < 31, "numbers of paths are bits beside kRevive");

void PathChooser::Way::queue_live(nvme::Qpair& qpair) {
  qpair_ = &qpair;
  // It is another connection: what was the matter with the one before is over.
  access_doubted_ = false;
  doubted_until_ns_ = 0;
  chooser_.look();
}

void PathChooser::Way::queue_stopped() {
  goes_on_until_ns_ =
      chooser_.reactor_.now_ns() + chooser_.owner_.quiesce_ns(qpair_->ended_by_controller());
  qpair_ = nullptr;
  chooser_.look();
}

PathChooser::PathChooser(Reactor& reactor, Reactor& home, PathHome& owner, PathPolicy policy)
    : reactor_(reactor),
      owner_(owner),
      policy_(policy),
      orders_(
          home, reactor, [](uint32_t, void* self) { static_cast<PathChooser*>(self)->told(); },
          this),
      news_(
          reactor, home,
          [](uint32_t news, void* self) {
            PathHome& home_of = static_cast<PathChooser*>(self)->owner_;
            if ((news & kRevive) != 0) home_of.revive_paths();
            if (const uint32_t paths = news & ~kRevive; paths != 0) home_of.access_doubted(paths);
          },
          this) {
  doubt_timer_.chooser = this;
  doubt_timer_.expired = [](Timer& timer) { static_cast<DoubtTimer&>(timer).chooser->look(); };
}

PathChooser::~PathChooser() { ASSERT_MSG(!doubt_timer_.started(), "end() was not called"); }

PathChooser::Way& PathChooser::add_way(const PathAccess& access) {
  ASSERT(ways_.size() < kPathsMax);
  ways_.push_back(std::make_unique<Way>(*this, access));
  return *ways_.back();
}

void PathChooser::told() {
  look();
  const bool gives_up = owner_.gives_up();
  if (!gives_up) revives_ = false;
  if (is_live() || revives_) return;
  if (gives_up) {
    give_up();
  } else {
    hope();
  }
}

// ---- Which path --------------------------------------------------------------------------------

/// As it is now. `look_at_ns`: when it may be another one, if that is sooner.
PathClass PathChooser::class_of(Way& way, uint64_t now_ns, uint64_t& look_at_ns) const {
  const PathAccess::Seen access = way.access_.seen();
  if (way.qpair_ == nullptr || access.path_class == PathClass::Unusable) return PathClass::Unusable;
  if (access.version != way.doubted_version_) way.access_doubted_ = false;
  if (way.access_doubted_) return PathClass::Unusable;
  if (way.doubted_until_ns_ > now_ns) {
    look_at_ns = std::min(look_at_ns, way.doubted_until_ns_);
    return PathClass::Unusable;
  }
  return access.path_class;
}

/// Anything about paths is not as it was.
void PathChooser::look() {
  const uint64_t now_ns = reactor_.now_ns();
  uint64_t look_at_ns = UINT64_MAX;
  PathClass best = PathClass::Unusable;
  choice_.clear();
  for (uint32_t number = 0; number < ways_.size(); ++number) {
    const PathClass path_class = class_of(*ways_[number], now_ns, look_at_ns);
    if (path_class == PathClass::Unusable || path_class > best) continue;
    if (path_class < best) choice_.clear();
    best = path_class;
    choice_.push_back(number);
  }
  if (look_at_ns == UINT64_MAX) {
    reactor_.cancel_timer(doubt_timer_);
  } else {
    reactor_.start_timer(doubt_timer_, look_at_ns);
  }
  if (choice_.empty() && is_live()) {
    queue_stopped();
  } else if (!choice_.empty()) {
    // Also if there were others before: what waits may go on.
    queue_live(*this);
  }
}

/// By its place in `choice_`.
size_t PathChooser::first_choice() {
  switch (policy_) {
    case PathPolicy::ActivePassive: return 0;
    case PathPolicy::RoundRobin: return next_++ % choice_.size();
    case PathPolicy::QueueDepth: {
      const auto depth = [this](uint32_t number) { return ways_[number]->qpair_->outstanding(); };
      return static_cast<size_t>(std::ranges::min_element(choice_, {}, depth) - choice_.begin());
    }
  }
  UNREACHABLE();
}

bool PathChooser::submit(nvme::Request& request) {
  if (choice_.empty()) return false;
  const size_t first = first_choice();
  for (size_t index = 0; index < choice_.size(); ++index) {
    const uint32_t number = choice_[(first + index) % choice_.size()];
    // One that ends may not have said so yet.
    if (!ways_[number]->qpair_->submit(request)) continue;
    request.way_taken = number;
    return true;
  }
  return false;
}

// ---- Paths that fail ---------------------------------------------------------------------------

bool PathChooser::path_failed(const nvme::Request& request, wire::Status status) {
  Way& way = *ways_[request.way_taken];
  const uint64_t now_ns = reactor_.now_ns();
  way.doubted_until_ns_ = now_ns + kDoubtNs;
  if (!nvme_is_denied(status)) {
    way.goes_on_until_ns_ = std::max(way.goes_on_until_ns_, now_ns + owner_.quiesce_ns(true));
  } else {
    way.access_doubted_ = true;
    way.doubted_version_ = way.access_.seen().version;
    news_.raise(1u << request.way_taken);
  }
  look();
  return !status.dnr();
}

uint64_t PathChooser::quiesce_ns() const {
  uint64_t until_ns = reactor_.now_ns();
  for (const auto& way : ways_) until_ns = std::max(until_ns, way->goes_on_until_ns_);
  return until_ns - reactor_.now_ns();
}

void PathChooser::revive() {
  if (!is_live()) {
    revives_ = true;
    hope();
  }
  news_.raise(kRevive);
}

}  // namespace capsuled
