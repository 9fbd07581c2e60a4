#include "bdev/bdev_kinds.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <utility>

#include "bdev/qos_limits.h"

namespace capsuled {

// Each folder below this one is a kind: build/bdev_kinds.inc has KIND(Malloc) for malloc, and so
// on.
#define KIND(name) extern const BdevKind k##name##Kind;
#include <bdev_kinds.inc>
#undef KIND

namespace {

constexpr const BdevKind* kKinds[] = {
#define KIND(name) &k##name##Kind,
#include <bdev_kinds.inc>
#undef KIND
};

/// What every kind has: `qos`.
BdevResult make_limited(const BdevKind& kind, const BdevContext& context,
                        BdevParameters& parameters) {
  const QosLimits limits = read_qos_limits(parameters);
  BdevResult made = kind.make(context, parameters);
  if (made.ok()) made.value()->set_limits(limits);
  return made;
}

}  // namespace

BdevResult make_bdev(const BdevContext& context, BdevParameters parameters) {
  if (parameters.name().empty()) return BdevError{EINVAL, "name", "expected a name for `name`"};
  std::string known;
  for (const BdevKind* const kind : kKinds) {
    if (parameters.kind() == kind->name) return make_limited(*kind, context, parameters);
    known += (known.empty() ? "" : ", ") + std::string(kind->name);
  }
  return BdevError{EINVAL, "kind",
                   "expected one of " + known + " for `kind`, got \"" + parameters.kind() + "\""};
}

std::optional<BdevError> change_bdev(Bdev& bdev, BdevParameters parameters) {
  const std::string& name = bdev.facts().kind;
  const auto* const kind =
      std::ranges::find_if(kKinds, [&](const BdevKind* each) { return name == each->name; });
  ASSERT(kind != std::end(kKinds));
  const QosLimits limits = read_qos_limits(parameters);
  auto error = (*kind)->change == nullptr ? parameters.error() : (*kind)->change(bdev, parameters);
  if (!error.has_value()) bdev.set_limits(limits);
  return error;
}

}  // namespace capsuled
