#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>

#include "env/linux/descriptor.h"
#include "env/linux/linux_parts.h"

namespace capsuled::env {
namespace {

// How often, and how long apart, the process asks for a file that someone else holds: for two
// seconds in all.
constexpr int kClaimAttemptsMax = 40;
constexpr long kClaimPauseNs = 50'000'000;

/// Calls `claim`, which returns an errno value or 0, until it returns something else than `busy`,
/// but gives up after a while. A daemon that was killed and started again needs this: the kernel
/// holds the files of an io_uring for a moment after the ring's process was killed, or after the
/// ring's last operation ended.
template <typename Claim>
int claim_patiently(int busy, Claim claim) {
  for (int attempt = 1;; ++attempt) {
    const int errnum = claim();
    if (errnum != busy || attempt == kClaimAttemptsMax) return errnum;
    const timespec pause{0, kClaimPauseNs};
    ::nanosleep(&pause, nullptr);
  }
}

/// Locks a regular file as a whole: for one writer, or for any number of readers.
///
/// The lock is an open file description lock, because of what the other two kinds lack. A classic
/// POSIX lock belongs to the process: a second open in the same process would not meet that lock,
/// and closing any descriptor of the file would drop it. A lock of flock(2) does not meet the
/// record locks that others, such as QEMU, put on disk images. An open file description lock has
/// neither fault; network file systems that have locks have this kind; and the kernel drops the
/// lock with the last descriptor of this open, however the process ends.
Result<void> lock_file(int fd, bool read_only) {
  struct flock range = {};  // from 0 with length 0 is all of the file, however long the file gets
  range.l_type = read_only ? F_RDLCK : F_WRLCK;
  range.l_whence = SEEK_SET;
  const int errnum = claim_patiently(EAGAIN, [&] {
    if (::fcntl(fd, F_OFD_SETLK, &range) == 0) return 0;
    return errno == EACCES ? EAGAIN : errno;  // POSIX lets a kernel say either for "locked"
  });
  if (errnum == EAGAIN) return Error{EAGAIN, "the file is locked"};
  if (errnum != 0) return Error{errnum, "cannot lock the file"};
  return {};
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Removes the file by its own name, because the path that was asked for may be a symbolic link to
/// the file, and the link has to stay.
void remove_file(int fd) {
  char name[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(link.c_str(), name, sizeof(name));
  if (length > 0) ::unlink(std::string(name, static_cast<size_t>(length)).c_str());
}

/// Gives an empty file its size. On return the size is durable, and so is the file's name.
Result<void> size_file(int fd, const FileOpen& request) {
  if (::ftruncate(fd, static_cast<off_t>(request.create_bytes)) != 0) {
    return Error{errno, "cannot size the new file"};
  }
  if (::fsync(fd) != 0) return Error{errno, "cannot sync the new file"};
  const Descriptor directory(
      ::open(directory_of(request.path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return Error{errno, "cannot open the new file's directory"};
  if (::fsync(directory.get()) != 0) return Error{errno, "cannot sync the new file's directory"};
  return {};
}

enum class Creation : uint8_t { None, Sized, Made };

/// Gives a missing or empty regular file its size. An empty file counts as a missing one, because a
/// crash between creating a file and sizing it leaves an empty file, and an empty file has nothing
/// to lose. If this fails, a file that was missing is missing again, and an empty file is empty.
Result<Creation> create_if_missing(const FileOpen& request) {
  // Without O_DIRECT, because a file system that refuses O_DIRECT may have made the file all the
  // same. With O_EXCL first, because only a file that we made may be removed again, and somebody
  // else may make the file at the same moment.
  const char* const path = request.path.c_str();
  int fd = ::open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool made = fd >= 0;
  if (!made && errno == EEXIST) fd = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const Descriptor file(fd);
  if (fd < 0) return Error{errno, "cannot create the file"};
  // The lock is for this function alone: if two processes find the file empty, one of them gives
  // the file its size. open_existing() locks the file again, by its own descriptor.
  const Result<void> locked = lock_file(fd, false);
  if (!locked.ok()) {
    // EAGAIN: somebody has opened and locked our new file meanwhile, and uses it.
    if (made && locked.error().errnum != EAGAIN) remove_file(fd);
    return locked.error();
  }
  struct stat facts;
  if (::fstat(fd, &facts) != 0) return Error{errno, "cannot stat the file"};
  if (!S_ISREG(facts.st_mode) || facts.st_size != 0 || request.create_bytes == 0) {
    return Creation::None;
  }
  const Result<void> sized = size_file(fd, request);
  if (sized.ok()) return made ? Creation::Made : Creation::Sized;
  // The file is still locked, so nobody else has begun to use the file.
  if (made) {
    remove_file(fd);
  } else if (::ftruncate(fd, 0) != 0) {
    return Error{errno, "cannot empty the file again"};
  }
  return sized.error();
}

/// Opens the file, with `claim` so that nobody else can write it meanwhile; with O_DIRECT if the
/// file system has O_DIRECT.
Result<Descriptor> open_existing(const FileOpen& request, bool block_device, bool& direct) {
  int flags = O_CLOEXEC | O_DIRECT | (request.read_only ? O_RDONLY : O_RDWR);
  // O_EXCL without O_CREAT claims a block device. The kernel refuses the claim if the device is
  // mounted or claimed by others; and since those others would not look for a lock, a block device
  // is claimed and not locked.
  if (block_device && !request.read_only && request.claim) flags |= O_EXCL;
  int fd = -1;
  const int errnum = claim_patiently(EBUSY, [&] {
    fd = ::open(request.path.c_str(), flags);
    direct = fd >= 0;
    if (fd < 0 && errno == EINVAL) fd = ::open(request.path.c_str(), flags & ~O_DIRECT);
    return fd >= 0 ? 0 : errno;
  });
  if (errnum == EBUSY) return Error{EBUSY, "the block device is mounted or claimed already"};
  if (errnum != 0) return Error{errnum, "cannot open the file"};
  Descriptor opened(fd);
  if (!block_device && request.claim) {
    const Result<void> locked = lock_file(fd, request.read_only);
    if (!locked.ok()) return locked.error();
  }
  return opened;
}

/// The unit that O_DIRECT demands for offsets and lengths in a regular file.
uint32_t file_direct_alignment(int fd) {
  constexpr uint32_t kSafe = 4096;  // enough for every file system that does not name its unit
  struct statx facts = {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) != 0) return kSafe;
  if ((facts.stx_mask & STATX_DIOALIGN) == 0 || facts.stx_dio_offset_align == 0) return kSafe;
  return facts.stx_dio_offset_align;
}

Error not_a_disk() { return Error{EINVAL, "expected a regular file or a block device"}; }

Result<void> measure(int fd, FileFacts& facts) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return Error{errno, "cannot stat the file"};
  if (S_ISBLK(status.st_mode)) {
    int sector_bytes = 0;
    if (::ioctl(fd, BLKGETSIZE64, &facts.bytes) != 0 || ::ioctl(fd, BLKSSZGET, &sector_bytes) != 0)
      return Error{errno, "cannot read the size of the block device"};
    facts.block_device = true;
    facts.direct_alignment = static_cast<uint32_t>(sector_bytes);
    return {};
  }
  if (!S_ISREG(status.st_mode)) {
    return not_a_disk();  // the path named another file when linux_open_file() looked
  }
  facts.bytes = static_cast<uint64_t>(status.st_size);
  if (facts.direct) facts.direct_alignment = file_direct_alignment(fd);
  return {};
}

}  // namespace

Result<int> linux_lock_file(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0) return Error{errno, "cannot create the lock file"};
  const Result<void> locked = lock_file(file.get(), false);
  if (!locked.ok()) return locked.error();
  return file.release();
}

Result<FileFacts> linux_open_file(const FileOpen& request) {
  FileFacts facts;
  struct stat status = {};
  const bool exists = ::stat(request.path.c_str(), &status) == 0;
  const bool block_device = exists && S_ISBLK(status.st_mode);
  // The kind of the file is checked before the file is opened, because opening a FIFO would wait
  // for the FIFO's other end, and opening some devices sets them in motion.
  if (exists && S_ISDIR(status.st_mode)) return Error{EISDIR, "the path is a directory"};
  if (exists && !block_device && !S_ISREG(status.st_mode)) return not_a_disk();
  if (request.create && !request.read_only && !block_device) {
    const Result<Creation> created = create_if_missing(request);
    if (!created.ok()) return created.error();
    facts.created = created.value() != Creation::None;
    facts.made = created.value() == Creation::Made;
  }
  Result<Descriptor> opened = open_existing(request, block_device, facts.direct);
  if (!opened.ok()) return opened.error();
  facts.fd = opened.value().release();
  const Result<void> measured = measure(facts.fd, facts);
  if (measured.ok()) return facts;
  linux_discard_file(facts);
  return measured.error();
}

void linux_discard_file(const FileFacts& file) {
  // Closing the file unlocks it. So the file is removed first, while nobody else can use it.
  if (file.made) remove_file(file.fd);
  ::close(file.fd);
}

}  // namespace capsuled::env
