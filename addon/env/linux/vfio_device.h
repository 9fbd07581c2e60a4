// VfioDevice: a PCI device that the kernel's vfio-pci gives to this process. Only env/linux
// includes this header.
#pragma once

#include <string>

#include "env/linux/vfio_groups.h"
#include "env/pci_device.h"

namespace capsuled::env {

/// As Env::open_pci_device(). `groups` outlives the device.
PciOpened open_vfio_device(VfioGroups& groups, const std::string& address);

}  // namespace capsuled::env
