#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "env/linux/descriptor.h"
#include "env/linux/linux_parts.h"

namespace capsuled::env {
namespace {

constexpr long kXfsMagic = 0x58465342;
constexpr long kNfsMagic = 0x6969;
// For these file systems, the identifier that statfs() returns is the number of the device below,
// which depends on the order in which the kernel finds disks.
constexpr long kMsdosMagic = 0x4d44;
constexpr long kExfatMagic = 0x2011bab0;
constexpr long kNtfs3Magic = 0x7366746e;

/// What the ioctl XFS_IOC_FSGEOMETRY_V1 fills. It is written down here because xfs/xfs_fs.h, which
/// declares it, belongs to a package that is not installed everywhere.
struct XfsGeometry {
  std::array<uint32_t, 8> before_uuid;
  std::array<uint64_t, 4> blocks;
  std::array<unsigned char, 16> uuid;
  std::array<uint32_t, 7> behind_uuid;
};
static_assert(sizeof(XfsGeometry) == 112);

std::string hex(const unsigned char* bytes, size_t count) {
  std::string text;
  for (size_t index = 0; index < count; ++index) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", bytes[index]);
    text += two;
  }
  return text;
}

/// Undoes the octal escapes by which /proc/self/mountinfo writes blanks inside a word.
std::string unescaped(const std::string& text) {
  std::string result;
  for (size_t index = 0; index < text.size(); ++index) {
    if (text[index] == '\\' && index + 3 < text.size()) {
      const int code =
          (text[index + 1] - '0') * 64 + (text[index + 2] - '0') * 8 + (text[index + 3] - '0');
      result += static_cast<char>(code);
      index += 3;
    } else {
      result += text[index];
    }
  }
  return result;
}

/// Finds type, source and mount point of the mount through which `fd` was opened (proc(5),
/// mountinfo). False: it may be there, but cannot be looked up now.
bool find_mount(int fd, FileSystemFacts& facts) {
  struct statx status = {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0) return false;
  if ((status.stx_mask & STATX_MNT_ID) == 0) return true;
  const Descriptor file(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return errno == ENOENT;
  std::string text;
  std::array<char, 4096> part;
  ssize_t length = 0;
  while ((length = ::read(file.get(), part.data(), part.size())) > 0) {
    text.append(part.data(), static_cast<size_t>(length));
  }
  if (length < 0) return false;
  std::istringstream mounts(text);
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    uint64_t id = 0;
    std::string skipped;
    std::string mount_point;
    words >> id >> skipped >> skipped >> skipped >> mount_point;
    if (id != status.stx_mnt_id) continue;
    facts.mount_point = unescaped(mount_point);
    while (words >> skipped && skipped != "-") {
    }
    std::string source;
    words >> facts.type >> source;
    facts.source = unescaped(source);
    return true;
  }
  return true;
}

/// The file system's own identifier; empty if the file system has none that lasts.
std::string own_identifier(int fd, const struct statfs& status) {
  if (status.f_type == kXfsMagic) {
    XfsGeometry geometry = {};
    if (::ioctl(fd, _IOR('X', 100, XfsGeometry), &geometry) == 0) {
      return hex(geometry.uuid.data(), geometry.uuid.size());
    }
    return "";
  }
  const bool by_device = status.f_type == kMsdosMagic || status.f_type == kExfatMagic ||
                         status.f_type == kNtfs3Magic || status.f_type == kNfsMagic;
  std::array<unsigned char, sizeof(status.f_fsid)> id;
  std::memcpy(id.data(), &status.f_fsid, id.size());
  const bool empty = id == std::array<unsigned char, sizeof(status.f_fsid)>{};
  return by_device || empty ? "" : hex(id.data(), id.size());
}

}  // namespace

FileSystemFacts linux_file_system(int fd) {
  FileSystemFacts facts;
  const bool looked = find_mount(fd, facts);
  struct statfs status = {};
  if (::fstatfs(fd, &status) != 0) return facts;
  char magic[20];
  std::snprintf(magic, sizeof magic, "%lx", static_cast<unsigned long>(status.f_type));
  const std::string own = own_identifier(fd, status);
  if (own.empty() && !looked) return facts;
  facts.id = std::string(magic) + ":" + (own.empty() ? facts.source : own);
  return facts;
}

}  // namespace capsuled::env
