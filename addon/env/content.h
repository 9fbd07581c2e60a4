// Content: what a path points at, and what the machine says of it. Enough to tell one disk from
// another, from a copy of it, and from an empty folder where a file system should be mounted.
//
// Filled at set-up time and by worker threads, never by a reactor. What a fact means for the
// identity of a bdev is the admin plane's to decide (src/identity/).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace capsuled::env {

enum class ContentKind : uint8_t { File, BlockDevice, Directory, Other };

/// Where a file lies.
struct FileSystemFacts {
  /// The same for as long as the file system exists, over mounts and restarts: its type's magic
  /// number and its own identifier, or what it is mounted from where it has none. Empty: it cannot
  /// be told now.
  std::string id;
  std::string type;         ///< "ext4"; empty: not found
  std::string source;       ///< "/dev/sda1", "server:/export"
  std::string mount_point;  ///< "/var/lib/capsuled"
};

struct ContentFacts;

/// A loop device's file, and the part of it that the device shows.
struct BackingFile {
  std::string path;
  uint64_t offset = 0;
  uint64_t limit = 0;                         ///< bytes; 0: up to the end
  std::shared_ptr<const ContentFacts> facts;  ///< null: we find no file at `path`
};

/// What a block device says of itself, by the names that Linux gives it in sysfs: "wwid", "serial",
/// "dm_uuid", "partition_uuid", … Only what it says is there.
using DeviceNames = std::vector<std::pair<std::string, std::string>>;

struct ContentFacts {
  ContentKind kind = ContentKind::Other;
  uint64_t device = 0;  ///< of the file system; of a block device, its own
  uint64_t inode = 0;   ///< of a file or folder; 0 of a block device
  uint64_t bytes = 0;
  uint64_t links = 0;           ///< names of a file; 0: it is deleted
  uint64_t born_ns = 0;         ///< since 1970; 0: the file system does not say
  FileSystemFacts file_system;  ///< of a file or folder
  /// The extended attribute `kIdentityAttribute` of a file; empty: none.
  std::string identity;
  /// Why the attribute cannot be read, an errno value; 0: it can, or there is none. ENOTSUP: the
  /// file system has no extended attributes.
  int identity_errnum = 0;
  /// Why it is not known what a block device says of itself, an errno value; 0: it is. What is
  /// missing in `names`, `disk_names` and `backing` may be there then.
  int names_errnum = 0;
  DeviceNames names;                           ///< of a block device
  DeviceNames disk_names;                      ///< of a partition: what the whole disk says
  std::shared_ptr<const BackingFile> backing;  ///< of a loop device
};

/// Where a file carries its identity.
inline constexpr const char* kIdentityAttribute = "user.capsuled.identity";
/// Longer ones are not ours.
inline constexpr size_t kIdentityBytesMax = 4096;

}  // namespace capsuled::env
