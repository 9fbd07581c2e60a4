// KeyFile: where the key of a disk is kept, and reading it there. A file that others may read is
// refused, as ssh does, and so is one that another user may change.
//
// Control or worker thread. Errors name the path and what was found, and never what is in the file.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "bdev/bdev_error.h"
#include "bdev/crypto/xts_key.h"
#include "env/env.h"

namespace capsuled {

struct KeyFile {
  std::string field;  ///< the key of the configuration that names it
  std::string path;
  /// From the service manager, which gives it to this process's user in a way of its own: its
  /// permissions show a mask, and the group has none.
  bool is_credential = false;
};

/// What is wrong with who may read or change it, as `found` says; nothing: it is well kept.
std::optional<BdevError> check_keeping(const KeyFile& file, const env::FileRead& found);

/// May block, as long as the file system does.
std::variant<XtsKey, BdevError> read_key(env::Env& env, const KeyFile& file);

}  // namespace capsuled
