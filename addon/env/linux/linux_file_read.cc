#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "env/linux/descriptor.h"
#include "env/linux/linux_parts.h"

namespace capsuled::env {
namespace {

Result<void> check_regular(const struct stat& status) {
  if (S_ISDIR(status.st_mode)) return Error{EISDIR, "the path is a directory"};
  if (!S_ISREG(status.st_mode)) return Error{EINVAL, "expected a regular file"};
  return {};
}

}  // namespace

Result<FileRead> linux_read_file(const std::string& path, std::span<std::byte> into) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return Error{errno, "cannot stat the file"};
  // Before the file is opened, because opening a FIFO waits for the FIFO's other end, and opening
  // some devices sets them in motion.
  if (const Result<void> regular = check_regular(status); !regular.ok()) return regular.error();
  // O_NONBLOCK: the path may name something else by now.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (file.get() < 0) return Error{errno, "cannot open the file"};
  if (::fstat(file.get(), &status) != 0) return Error{errno, "cannot stat the file"};
  if (const Result<void> regular = check_regular(status); !regular.ok()) return regular.error();
  FileRead found;
  found.mode = status.st_mode & 07777;
  found.owner = status.st_uid;
  found.user = ::geteuid();
  while (found.bytes < into.size()) {
    const ssize_t length = ::read(file.get(), into.data() + found.bytes, into.size() - found.bytes);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Error{errno, "cannot read the file"};
    if (length == 0) break;
    found.bytes += static_cast<size_t>(length);
  }
  return found;
}

}  // namespace capsuled::env
