#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <fstream>

#include "env/linux/linux_parts.h"

namespace capsuled::env {
namespace {

/// A line that is longer than this is not a name.
constexpr size_t kNameBytesMax = 512;

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

/// The first line of a file of sysfs; empty if there is no such file.
std::string line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line) || line.size() > kNameBytesMax) return "";
  return trimmed(line);
}

std::string real_path(const std::string& path) {
  std::array<char, PATH_MAX> buffer;
  return ::realpath(path.c_str(), buffer.data()) == nullptr ? "" : buffer.data();
}

void add(DeviceNames& names, const char* name, const std::string& value) {
  if (!value.empty()) names.emplace_back(name, value);
}

/// The PARTUUID: for a GPT, the UUID of the partition; for an MBR, the signature of the disk and
/// the number of the partition. Newer kernels name it in sysfs; with older ones, udev makes a link
/// whose name it is.
std::string partition_uuid(const std::string& folder, uint64_t device) {
  std::ifstream uevent(folder + "/uevent");
  for (std::string line; std::getline(uevent, line);) {
    if (line.starts_with("PARTUUID=")) return trimmed(line.substr(sizeof("PARTUUID=") - 1));
  }
  const std::string by_uuid = "/dev/disk/by-partuuid";
  DIR* const links = ::opendir(by_uuid.c_str());
  if (links == nullptr) return "";
  std::string found;
  while (const dirent* const link = ::readdir(links)) {
    struct stat status = {};
    if (link->d_name[0] == '.') continue;
    if (::stat((by_uuid + "/" + link->d_name).c_str(), &status) != 0) continue;
    if (S_ISBLK(status.st_mode) && status.st_rdev == device) found = link->d_name;
  }
  ::closedir(links);
  return found;
}

/// `folder`: the folder of a whole disk in sysfs.
DeviceNames disk_names(const std::string& folder) {
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

uint64_t number_of(const std::string& path) {
  return std::strtoull(line_of(path).c_str(), nullptr, 10);
}

std::shared_ptr<const BackingFile> backing_file(const std::string& folder) {
  const std::string path = line_of(folder + "/loop/backing_file");
  if (path.empty()) return nullptr;
  auto backing = std::make_shared<BackingFile>();
  backing->path = path;
  backing->offset = number_of(folder + "/loop/offset");
  backing->limit = number_of(folder + "/loop/sizelimit");
  Result<ContentFacts> facts = linux_inspect(path);
  if (facts.ok()) backing->facts = std::make_shared<ContentFacts>(std::move(facts).value());
  return backing;
}

}  // namespace

void linux_device_names(uint64_t device, ContentFacts& facts) {
  const std::string folder = real_path("/sys/dev/block/" + std::to_string(major(device)) + ":" +
                                       std::to_string(minor(device)));
  if (folder.empty()) return;
  // sysfs counts in sectors of 512 bytes, however large the sectors of the device are.
  facts.bytes = number_of(folder + "/size") * 512;
  const std::string number = line_of(folder + "/partition");
  if (number.empty()) {
    facts.names = disk_names(folder);
    facts.backing = backing_file(folder);
    return;
  }
  add(facts.names, "partition", number);
  add(facts.names, "partition_uuid", partition_uuid(folder, device));
  add(facts.names, "sysfs_path", folder);
  facts.disk_names = disk_names(folder.substr(0, folder.rfind('/')));
}

}  // namespace capsuled::env
