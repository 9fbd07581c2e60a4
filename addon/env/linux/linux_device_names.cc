#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <sstream>

#include "env/linux/descriptor.h"
#include "env/linux/linux_parts.h"

namespace capsuled::env {
namespace {

/// A line that is longer than this is not a name.
constexpr size_t kNameBytesMax = 512;
/// As much as sysfs gives of any file.
constexpr size_t kTextBytesMax = 4096;

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

/// Whether a file that could not be read may have something to say another time. The other errors
/// are how the kernel says that a device has no such name, or that we may not know it.
bool may_pass(int errnum) {
  switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case EINVAL:
    case ENODATA:
    case ENXIO:
    case ENOTSUP:
    case EACCES:
    case EPERM: return false;
    default: return true;
  }
}

/// Reads what sysfs says of a device, and keeps in mind whether it could.
class NameReader {
 public:
  /// Why something could not be read that may be there, an errno value; 0: all could.
  int errnum() const { return errnum_; }

  void failed(int errnum) {
    if (errnum_ == 0 && may_pass(errnum)) errnum_ = errnum;
  }

  /// The whole of a short file; empty if there is none.
  std::string text_of(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text(kTextBytesMax, '\0');
    const ssize_t length = file.get() < 0 ? -1 : ::read(file.get(), text.data(), text.size());
    if (length < 0) failed(errno);
    text.resize(length < 0 ? 0 : static_cast<size_t>(length));
    return text;
  }

  /// The first line of a file; empty if there is none.
  std::string line_of(const std::string& path) {
    const std::string text = text_of(path);
    const std::string line = text.substr(0, text.find('\n'));
    return line.size() > kNameBytesMax ? "" : trimmed(line);
  }

  uint64_t number_of(const std::string& path) {
    return std::strtoull(line_of(path).c_str(), nullptr, 10);
  }

  std::string real_path(const std::string& path) {
    std::array<char, PATH_MAX> buffer;
    if (::realpath(path.c_str(), buffer.data()) != nullptr) return buffer.data();
    failed(errno);
    return "";
  }

  /// The name of the link in `folder` that leads to a block device; empty if there is none.
  std::string link_to(uint64_t device, const std::string& folder) {
    DIR* const links = ::opendir(folder.c_str());
    if (links == nullptr) {
      failed(errno);
      return "";
    }
    std::string found;
    while (const dirent* const link = ::readdir(links)) {
      struct stat status = {};
      if (link->d_name[0] == '.') continue;
      if (::stat((folder + "/" + link->d_name).c_str(), &status) != 0) continue;
      if (S_ISBLK(status.st_mode) && status.st_rdev == device) found = link->d_name;
    }
    ::closedir(links);
    return found;
  }

 private:
  int errnum_ = 0;
};

void add(DeviceNames& names, const char* name, const std::string& value) {
  if (!value.empty()) names.emplace_back(name, value);
}

/// The PARTUUID: for a GPT, the UUID of the partition; for an MBR, the signature of the disk and
/// the number of the partition. Newer kernels name it in sysfs; with older ones, udev makes a link
/// whose name it is.
std::string partition_uuid(NameReader& reader, const std::string& folder, uint64_t device) {
  std::istringstream uevent(reader.text_of(folder + "/uevent"));
  for (std::string line; std::getline(uevent, line);) {
    if (line.starts_with("PARTUUID=")) return trimmed(line.substr(sizeof("PARTUUID=") - 1));
  }
  return reader.link_to(device, "/dev/disk/by-partuuid");
}

/// `folder`: the folder of a whole disk in sysfs.
DeviceNames disk_names(NameReader& reader, const std::string& folder) {
  const auto line_of = [&reader](const std::string& path) { return reader.line_of(path); };
  DeviceNames names;
  add(names, "uuid", line_of(folder + "/uuid"));
  add(names, "nguid", line_of(folder + "/nguid"));
  const std::string wwid = line_of(folder + "/wwid");
  add(names, "wwid", wwid.empty() ? line_of(folder + "/device/wwid") : wwid);
  add(names, "dm_uuid", line_of(folder + "/dm/uuid"));
  add(names, "md_uuid", line_of(folder + "/md/uuid"));
  const std::string serial = line_of(folder + "/serial");
  add(names, "serial", serial.empty() ? line_of(folder + "/device/serial") : serial);
  add(names, "model", line_of(folder + "/device/model"));
  add(names, "cid", line_of(folder + "/device/cid"));
  add(names, "sysfs_path", folder);
  return names;
}

std::shared_ptr<const BackingFile> backing_file(NameReader& reader, const std::string& folder) {
  const std::string path = reader.line_of(folder + "/loop/backing_file");
  if (path.empty()) return nullptr;
  auto backing = std::make_shared<BackingFile>();
  backing->path = path;
  backing->offset = reader.number_of(folder + "/loop/offset");
  backing->limit = reader.number_of(folder + "/loop/sizelimit");
  Result<ContentFacts> facts = linux_inspect(path);
  if (facts.ok()) {
    backing->facts = std::make_shared<ContentFacts>(std::move(facts).value());
  } else {
    reader.failed(facts.error().errnum);
  }
  return backing;
}

void read_names(NameReader& reader, uint64_t device, ContentFacts& facts) {
  const std::string folder = reader.real_path("/sys/dev/block/" + std::to_string(major(device)) +
                                              ":" + std::to_string(minor(device)));
  if (folder.empty()) return;
  // sysfs counts in sectors of 512 bytes, however large the sectors of the device are.
  facts.bytes = reader.number_of(folder + "/size") * 512;
  const std::string number = reader.line_of(folder + "/partition");
  if (number.empty()) {
    facts.names = disk_names(reader, folder);
    facts.backing = backing_file(reader, folder);
    return;
  }
  add(facts.names, "partition", number);
  add(facts.names, "partition_uuid", partition_uuid(reader, folder, device));
  add(facts.names, "sysfs_path", folder);
  facts.disk_names = disk_names(reader, folder.substr(0, folder.rfind('/')));
}

}  // namespace

void linux_device_names(uint64_t device, ContentFacts& facts) {
  NameReader reader;
  read_names(reader, device, facts);
  facts.names_errnum = reader.errnum();
}

}  // namespace capsuled::env
