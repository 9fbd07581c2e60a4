#include "env/linux/vfio_groups.h"

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "env/pci_device.h"

namespace capsuled::env {
namespace {

VfioGroups::Joined refused(int errnum, std::string why) {
  return {nullptr, errnum, std::move(why)};
}

VfioGroups::Joined refused(const Error& error) {
  return refused(error.errnum, std::string(error.what) + ": " + error.message());
}

}  // namespace

VfioGroups::Joined VfioGroups::join(const std::string& number, const std::string& address) {
  const std::lock_guard lock(mutex_);
  if (!groups_.contains(number)) {
    if (Joined opened = open(number); opened.errnum != 0) return opened;
  }
  Group& group = groups_.at(number);
  if (!group.members.insert(address).second) {
    return refused(
        EBUSY, "the device " + address + " is in use by this process, or is not given back yet");
  }
  return {std::make_unique<Membership>(*this, number, address, group.fd.get(), *space_), 0, ""};
}

VfioGroups::Joined VfioGroups::open(const std::string& number) {
  const std::string path = "/dev/vfio/" + number;
  Descriptor fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.get() < 0) {
    const int errnum = errno;
    if (errnum == EBUSY) return refused(errnum, path + " is in use by another process");
    if (errnum == EACCES || errnum == EPERM) {
      return refused(errnum, path + " may not be opened by this user; the operator's udev rule " +
                                 "can allow it (docs/operating/devices.md)");
    }
    return refused(errnum, path + " cannot be opened: " + std::strerror(errnum));
  }
  vfio_group_status status = {};
  status.argsz = sizeof(status);
  if (::ioctl(fd.get(), VFIO_GROUP_GET_STATUS, &status) != 0) {
    return refused(errno, path + " does not say how it is: " + std::strerror(errno));
  }
  if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0) {
    return refused(EBUSY,
                   "IOMMU group " + number +
                       " has another device that a driver of the kernel has; all of a "
                       "group go to one process, or none: `capsuled device list` shows them");
  }
  const Group& group = groups_.emplace(number, std::move(fd)).first->second;
  Joined ready = set_up_space(group, number);
  if (ready.errnum != 0) close(number);
  return ready;
}

VfioGroups::Joined VfioGroups::set_up_space(const Group& group, const std::string& number) {
  if (space_ == nullptr) {
    Result<std::unique_ptr<VfioSpace>> opened = VfioSpace::open(registry_);
    if (!opened.ok()) {
      Joined failed = refused(opened.error());
      failed.refusal += "; `modprobe vfio-pci` loads what it needs";
      return failed;
    }
    space_ = std::move(opened).value();
  }
  const int container = space_->fd();
  if (::ioctl(group.fd.get(), VFIO_GROUP_SET_CONTAINER, &container) != 0) {
    return refused(errno, "IOMMU group " + number + " cannot be used: " + std::strerror(errno));
  }
  if (const Result<void> ready = space_->set_up(); !ready.ok()) return refused(ready.error());
  switch (const int errnum = space_->refused()) {
    case 0: return {};
    case ENOMEM: return refused(errnum, kNotPinnedWords);
    default:
      return refused(errnum, std::string("memory for I/O cannot be shown to devices: ") +
                                 std::strerror(errnum));
  }
}

void VfioGroups::leave(const std::string& number, const std::string& address) {
  const std::lock_guard lock(mutex_);
  Group& group = groups_.at(number);
  ASSERT_MSG(group.members.erase(address) == 1, "a device that is no member");
  if (group.members.empty()) close(number);
}

void VfioGroups::close(const std::string& number) {
  // The group holds the container in the kernel, so closing the container unmaps nothing yet; but
  // from here on nobody asks it to any more.
  if (groups_.size() == 1) space_.reset();
  groups_.erase(number);
}

}  // namespace capsuled::env
