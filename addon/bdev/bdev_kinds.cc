#include "bdev/bdev_kinds.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>

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

}  // namespace

BdevResult make_bdev(const BdevContext& context, BdevParameters parameters) {
  if (parameters.name().empty()) return BdevError{EINVAL, "name", "expected a name for `name`"};
  std::string known;
  for (const BdevKind* const kind : kKinds) {
    if (parameters.kind() == kind->name) return kind->make(context, parameters);
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
  if ((*kind)->change == nullptr) return std::nullopt;
  return (*kind)->change(bdev, parameters);
}

}  // namespace capsuled
