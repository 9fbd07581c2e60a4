#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "env/linux/descriptor.h"
#include "env/linux/linux_parts.h"

namespace capsuled::env {
namespace {

ContentKind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return ContentKind::File;
  if (S_ISBLK(mode)) return ContentKind::BlockDevice;
  return S_ISDIR(mode) ? ContentKind::Directory : ContentKind::Other;
}

void read_identity(int fd, ContentFacts& facts) {
  std::string text(kIdentityBytesMax, '\0');
  const ssize_t length = ::fgetxattr(fd, kIdentityAttribute, text.data(), text.size());
  if (length >= 0) {
    text.resize(static_cast<size_t>(length));
    facts.identity = std::move(text);
  } else if (errno != ENODATA) {
    // EBADF: the descriptor is an O_PATH one, because we may not read the file.
    facts.identity_errnum = errno == EBADF ? EACCES : errno;
  }
}

/// `fd` may be opened with O_PATH.
Result<ContentFacts> inspect_file(int fd) {
  struct statx status = {};
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME;
  if (::statx(fd, "", AT_EMPTY_PATH, kWanted, &status) != 0) {
    return Error{errno, "cannot stat the file"};
  }
  ContentFacts facts;
  facts.kind = kind_of(status.stx_mode);
  facts.links = status.stx_nlink;
  if (facts.kind == ContentKind::BlockDevice) {
    facts.device = makedev(status.stx_rdev_major, status.stx_rdev_minor);
    linux_device_names(facts.device, facts);
    return facts;
  }
  facts.device = makedev(status.stx_dev_major, status.stx_dev_minor);
  facts.inode = status.stx_ino;
  facts.bytes = status.stx_size;
  if ((status.stx_mask & STATX_BTIME) != 0) {
    facts.born_ns =
        static_cast<uint64_t>(status.stx_btime.tv_sec) * 1'000'000'000u + status.stx_btime.tv_nsec;
  }
  facts.file_system = linux_file_system(fd);
  if (facts.kind == ContentKind::File) read_identity(fd, facts);
  return facts;
}

/// Opens what `path` points at, with no effect on it: open() of a FIFO would wait for the FIFO's
/// other end, and open() of a device may set the device in motion, so both are opened with O_PATH.
Result<Descriptor> open_quietly(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return Error{errno, "cannot stat the file"};
  const bool readable = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
  int fd = readable ? ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
  if (fd < 0) fd = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return Error{errno, "cannot open the file"};
  return Descriptor(fd);
}

}  // namespace

Result<ContentFacts> linux_inspect(const std::string& path) {
  const Result<Descriptor> opened = open_quietly(path);
  if (!opened.ok()) return opened.error();
  return inspect_file(opened.value().get());
}

Result<ContentFacts> linux_inspect_open(int fd) { return inspect_file(fd); }

Result<void> linux_record_identity(const std::string& path, uint64_t device, uint64_t inode,
                                   const std::string& identity) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0) return Error{errno, "cannot open the file"};
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return Error{errno, "cannot stat the file"};
  if (!S_ISREG(status.st_mode) || status.st_dev != device || status.st_ino != inode) {
    return Error{ESTALE, "the path names another file now"};
  }
  const int written = identity.empty() ? ::fremovexattr(file.get(), kIdentityAttribute)
                                       : ::fsetxattr(file.get(), kIdentityAttribute,
                                                     identity.data(), identity.size(), 0);
  if (written != 0 && !(identity.empty() && errno == ENODATA)) {
    return Error{errno, "cannot write the extended attribute"};
  }
  if (::fsync(file.get()) != 0) return Error{errno, "cannot sync the extended attribute"};
  return {};
}

}  // namespace capsuled::env
