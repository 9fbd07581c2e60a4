#include "bdev/bdev_kinds.h"

#include <cerrno>

#include "bdev/malloc/malloc_bdev.h"
#include "bdev/null/null_bdev.h"
#include "bdev/uring/uring_bdev.h"

namespace capsuled {

namespace {

constexpr uint32_t kBlockSizeDefault = 512;

uint32_t block_size_or_default(const BdevParameters& parameters) {
  return parameters.block_size == 0 ? kBlockSizeDefault : parameters.block_size;
}

BdevResult make_malloc(env::Env& env, const BdevParameters& parameters) {
  return make_malloc_bdev(env, {.name = parameters.name,
                                .bytes = parameters.bytes,
                                .block_size = block_size_or_default(parameters),
                                .reactor_count = parameters.reactor_count});
}

BdevResult make_null(env::Env&, const BdevParameters& parameters) {
  return make_null_bdev({.name = parameters.name,
                         .bytes = parameters.bytes,
                         .block_size = block_size_or_default(parameters)});
}

BdevResult make_uring(env::Env& env, const BdevParameters& parameters) {
  return make_uring_bdev(env, {.name = parameters.name,
                               .path = parameters.path,
                               .bytes = parameters.bytes,
                               .block_size = parameters.block_size,
                               .create = parameters.create,
                               .read_only = parameters.read_only,
                               .claim = parameters.claim});
}

struct Kind {
  const char* name;
  bool has_file;  ///< uses path, create, read_only
  BdevResult (*make)(env::Env& env, const BdevParameters& parameters);
};

constexpr Kind kKinds[] = {
    {"malloc", false, make_malloc},
    {"null", false, make_null},
    {"uring", true, make_uring},
};

BdevError not_used(const char* key, const std::string& kind) {
  return {EINVAL, key, "expected no `" + std::string(key) + "` for a bdev of kind " + kind};
}

}  // namespace

BdevResult make_bdev(env::Env& env, const BdevParameters& parameters) {
  if (parameters.name.empty()) return BdevError{EINVAL, "name", "expected a name for `name`"};
  std::string known;
  for (const Kind& kind : kKinds) {
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
    if (parameters.kind != kind.name) continue;
    if (!kind.has_file) {
      if (!parameters.path.empty()) return not_used("path", parameters.kind);
      if (parameters.create) return not_used("create", parameters.kind);
      if (parameters.read_only) return not_used("read_only", parameters.kind);
    }
    return kind.make(env, parameters);
  }
  return BdevError{EINVAL, "kind",
                   "expected one of " + known + " for `kind`, got \"" + parameters.kind + "\""};
}

}  // namespace capsuled
