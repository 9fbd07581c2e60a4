// PciDevice: a function of a PCI device that this process has for itself: its registers, its
// interrupts, and what it may reach of our memory.
//
// `env/linux` has it from VFIO; a controller made of software (nvme/testing) shows the same.
//
// Owner: a driver. The registers are for whoever the driver lets at them; all else is for one
// thread at a time, which may block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "env/dma_map.h"

namespace capsuled::env {

struct PciFacts {
  std::string address;  ///< "0000:01:00.0"
  uint16_t vendor_id = 0;
  uint16_t device_id = 0;
  uint32_t class_code = 0;  ///< 010802h: NVM Express I/O controller
};

class PciDevice {
 public:
  /// Gives the device back: it reaches no memory any more, and is as after a reset.
  virtual ~PciDevice() = default;
  virtual const PciFacts& facts() const = 0;
  /// BAR 0, mapped. Of a device that is gone they read as all ones, and what is written is lost.
  virtual volatile std::byte* registers() = 0;
  virtual size_t register_bytes() const = 0;
  /// What it may reach of the memory that MemoryRegistry knows.
  virtual const DmaMap& dma() const = 0;

  /// Whether it may reach memory at all (Bus Master Enable). When it may not any more, nothing of
  /// what it was about to do reaches memory later.
  virtual Result<void> set_bus_master(bool may) = 0;

  /// Whether the machine wants it back: it is to be taken out, or to be given to another driver.
  /// That waits until this is destroyed. Never false again.
  virtual bool wanted_back() = 0;

  /// MSI-X vectors.
  virtual uint32_t interrupt_count() const = 0;
  /// Vector `n` signals `event_fds[n]`, until this is called again; none: interrupts are off.
  virtual Result<void> set_interrupts(std::span<const int> event_fds) = 0;
  /// A vector that is masked signals nothing, and makes up for it when it is not any more. Any
  /// thread, one for each vector. Without effect where the machine does not let us.
  virtual void mask_interrupt(uint32_t vector, bool masked) = 0;
};

/// For the operator: why a device cannot be shown the memory that it needs (ENOMEM).
inline constexpr const char* kNotPinnedWords =
    "the memory for I/O cannot be pinned: the limit of locked memory is too low; "
    "`ulimit -l unlimited`, or LimitMEMLOCK=infinity of the service, raises it";

/// A device, or why there is none.
struct PciOpened {
  std::unique_ptr<PciDevice> device{};  ///< null: it was refused
  int errnum = 0;
  std::string refusal{};  ///< for the operator: what is in the way, and what helps
};

}  // namespace capsuled::env
