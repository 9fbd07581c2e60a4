// VfioGroups: the IOMMU groups that this process has open, and the space that their devices share.
//
// The kernel lets a group be opened once, so the devices of a group have it together; and it takes
// the IOMMU away from a container whose last group is closed, so the space goes before that, and
// the next group makes another. Both happen under one lock.
//
// Owner: an Env, which outlives all memberships. Thread: any; calls may block.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "env/linux/descriptor.h"
#include "env/linux/vfio_space.h"

namespace capsuled::env {

class VfioGroups {
  struct Group {
    explicit Group(Descriptor opened) : fd(std::move(opened)) {}
    Descriptor fd;
    std::set<std::string> members{};  ///< addresses of devices
  };

 public:
  /// A device's part of its group: while it lives, nobody else has the device.
  class Membership {
   public:
    Membership(VfioGroups& groups, std::string number, std::string address, int group_fd,
               VfioSpace& space)
        : groups_(groups),
          number_(std::move(number)),
          address_(std::move(address)),
          group_fd_(group_fd),
          space_(space) {}
    ~Membership() { groups_.leave(number_, address_); }
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

    const std::string& address() const { return address_; }
    int group_fd() const { return group_fd_; }
    const DmaMap& map() const { return space_.map(); }

   private:
    VfioGroups& groups_;
    const std::string number_;
    const std::string address_;
    const int group_fd_;
    VfioSpace& space_;
  };
  struct Joined {
    std::unique_ptr<Membership> membership{};  ///< null: it was refused
    int errnum = 0;
    std::string refusal{};  ///< for the operator
  };

  explicit VfioGroups(MemoryRegistry& registry) : registry_(registry) {}
  ~VfioGroups() { ASSERT_MSG(groups_.empty(), "a device that outlives its machine"); }
  VfioGroups(const VfioGroups&) = delete;
  VfioGroups& operator=(const VfioGroups&) = delete;

  /// The device at `address` is of group `number`. With the first one of all, all memory is mapped.
  Joined join(const std::string& number, const std::string& address);

 private:
  /// With errnum 0: the group is open. Else why not.
  Joined open(const std::string& number);
  Joined set_up_space(const Group& group, const std::string& number);
  void leave(const std::string& number, const std::string& address);
  void close(const std::string& number);

  MemoryRegistry& registry_;
  std::mutex mutex_;  ///< guards the rest
  std::map<std::string, Group> groups_;
  std::unique_ptr<VfioSpace> space_;  ///< there is one while there is a group
};

}  // namespace capsuled::env
