#include "env/linux/vfio_device.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "env/linux/descriptor.h"

namespace capsuled::env {
namespace {

constexpr uint32_t kNvmeClass = 0x010802;

class VfioDevice final : public PciDevice {
 public:
  VfioDevice(PciFacts facts, std::unique_ptr<VfioGroups::Membership> membership, Descriptor fd)
      : facts_(std::move(facts)), membership_(std::move(membership)), fd_(std::move(fd)) {}
  ~VfioDevice() override {
    (void)set_interrupts({});
    (void)set_bus_master(false);
    if (bar_ != MAP_FAILED) ASSERT(::munmap(bar_, bar_bytes_) == 0);
    // Closing it resets it (vfio-pci), as far as it can be.
  }
  VfioDevice(const VfioDevice&) = delete;
  VfioDevice& operator=(const VfioDevice&) = delete;

  /// Errors: an errno value, and what was tried.
  Result<void> set_up();

  const PciFacts& facts() const override { return facts_; }
  volatile std::byte* registers() override { return static_cast<volatile std::byte*>(bar_); }
  size_t register_bytes() const override { return bar_bytes_; }
  const DmaMap& dma() const override { return membership_->map(); }
  Result<void> set_bus_master(bool may) override;
  bool wanted_back() override;
  uint32_t interrupt_count() const override { return vectors_; }
  Result<void> set_interrupts(std::span<const int> event_fds) override;
  void mask_interrupt(uint32_t vector, bool masked) override;

 private:
  Result<uint64_t> region_offset(uint32_t index, uint64_t& bytes) const;
  Result<void> set_events(uint32_t index, std::span<const int> event_fds);
  Result<void> await_request();
  void find_vector_table();

  const PciFacts facts_;
  // The device is closed before it leaves its group.
  const std::unique_ptr<VfioGroups::Membership> membership_;
  const Descriptor fd_;
  uint64_t config_offset_ = 0;
  void* bar_ = MAP_FAILED;
  size_t bar_bytes_ = 0;
  uint32_t vectors_ = 0;
  size_t vector_table_ = 0;  // in BAR 0; 0: it is not there, or not mapped
  std::optional<Descriptor> request_fd_;
  bool wanted_back_ = false;
};

Result<uint64_t> VfioDevice::region_offset(uint32_t index, uint64_t& bytes) const {
  vfio_region_info info = {};
  info.argsz = sizeof(info);
  info.index = index;
  if (::ioctl(fd_.get(), VFIO_DEVICE_GET_REGION_INFO, &info) != 0) {
    return Error{errno, "the device does not say where its registers are"};
  }
  bytes = info.size;
  return info.offset;
}

Result<void> VfioDevice::set_up() {
  uint64_t bytes = 0;
  const Result<uint64_t> config = region_offset(VFIO_PCI_CONFIG_REGION_INDEX, bytes);
  if (!config.ok()) return config.error();
  config_offset_ = config.value();
  const Result<uint64_t> bar = region_offset(VFIO_PCI_BAR0_REGION_INDEX, bytes);
  if (!bar.ok()) return bar.error();
  bar_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(),
                static_cast<off_t>(bar.value()));
  if (bar_ == MAP_FAILED) return Error{errno, "the registers cannot be mapped"};
  bar_bytes_ = bytes;
  // Whoever had it before may have left it with addresses of theirs.
  (void)::ioctl(fd_.get(), VFIO_DEVICE_RESET);
  vfio_irq_info irq = {};
  irq.argsz = sizeof(irq);
  irq.index = VFIO_PCI_MSIX_IRQ_INDEX;
  if (::ioctl(fd_.get(), VFIO_DEVICE_GET_IRQ_INFO, &irq) == 0 &&
      (irq.flags & VFIO_IRQ_INFO_EVENTFD) != 0) {
    vectors_ = irq.count;
  }
  find_vector_table();
  return await_request();
}

/// The kernel asks for a device that is to leave by an interrupt of its own.
Result<void> VfioDevice::await_request() {
  request_fd_.emplace(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (request_fd_->get() < 0) return Error{errno, "there is no event for the device's removal"};
  return set_events(VFIO_PCI_REQ_IRQ_INDEX, std::array{request_fd_->get()});
}

bool VfioDevice::wanted_back() {
  uint64_t count = 0;
  if (!wanted_back_) {
    wanted_back_ = ::read(request_fd_->get(), &count, sizeof(count)) == sizeof(count);
  }
  return wanted_back_;
}

/// The vectors' table lies in BAR 0 with most controllers, and may be mapped with it.
void VfioDevice::find_vector_table() {
  const auto read = [this](uint64_t at, void* into, size_t count) {
    return ::pread(fd_.get(), into, count, static_cast<off_t>(config_offset_ + at)) ==
           static_cast<ssize_t>(count);
  };
  uint8_t at = 0;
  if (!read(PCI_CAPABILITY_LIST, &at, 1)) return;
  for (int left = 48; at != 0 && left > 0; --left) {
    std::array<uint8_t, 2> head{};
    if (!read(at, head.data(), head.size())) return;
    uint32_t table = 0;
    if (head[0] == PCI_CAP_ID_MSIX && read(at + PCI_MSIX_TABLE, &table, sizeof(table))) {
      const size_t offset = table & PCI_MSIX_TABLE_OFFSET;
      const bool in_bar0 = (table & PCI_MSIX_TABLE_BIR) == 0;
      if (in_bar0 && offset > 0 && offset + size_t{vectors_} * PCI_MSIX_ENTRY_SIZE <= bar_bytes_) {
        vector_table_ = offset;
      }
      return;
    }
    at = head[1];
  }
}

Result<void> VfioDevice::set_bus_master(bool may) {
  const auto at = static_cast<off_t>(config_offset_ + PCI_COMMAND);
  uint16_t command = 0;
  if (::pread(fd_.get(), &command, sizeof(command), at) != sizeof(command)) {
    return Error{errno, "the device's configuration cannot be read"};
  }
  constexpr uint16_t kMemory = PCI_COMMAND_MEMORY;
  constexpr uint16_t kMaster = PCI_COMMAND_MASTER;
  command = static_cast<uint16_t>(may ? command | kMemory | kMaster : command & ~kMaster);
  if (::pwrite(fd_.get(), &command, sizeof(command), at) != sizeof(command)) {
    return Error{errno, "the device's configuration cannot be written"};
  }
  // Reading it back comes behind whatever the device had on its way to memory.
  if (::pread(fd_.get(), &command, sizeof(command), at) != sizeof(command)) {
    return Error{errno, "the device's configuration cannot be read"};
  }
  return {};
}

Result<void> VfioDevice::set_interrupts(std::span<const int> event_fds) {
  return set_events(VFIO_PCI_MSIX_IRQ_INDEX, event_fds);
}

Result<void> VfioDevice::set_events(uint32_t index, std::span<const int> event_fds) {
  std::vector<std::byte> memory(sizeof(vfio_irq_set) + event_fds.size_bytes());
  auto* const request = reinterpret_cast<vfio_irq_set*>(memory.data());
  request->argsz = static_cast<uint32_t>(memory.size());
  request->index = index;
  request->start = 0;
  request->count = static_cast<uint32_t>(event_fds.size());
  request->flags = VFIO_IRQ_SET_ACTION_TRIGGER |
                   (event_fds.empty() ? VFIO_IRQ_SET_DATA_NONE : VFIO_IRQ_SET_DATA_EVENTFD);
  if (!event_fds.empty()) std::memcpy(request->data, event_fds.data(), event_fds.size_bytes());
  if (::ioctl(fd_.get(), VFIO_DEVICE_SET_IRQS, request) != 0) {
    return Error{errno, "the device's interrupts cannot be set"};
  }
  return {};
}

void VfioDevice::mask_interrupt(uint32_t vector, bool masked) {
  if (vector_table_ == 0 || vector >= vectors_) return;
  auto* const control = reinterpret_cast<volatile uint32_t*>(registers() + vector_table_ +
                                                             size_t{vector} * PCI_MSIX_ENTRY_SIZE +
                                                             PCI_MSIX_ENTRY_VECTOR_CTRL);
  __atomic_store_n(control, masked ? uint32_t{PCI_MSIX_ENTRY_CTRL_MASKBIT} : 0u, __ATOMIC_RELEASE);
  // The device has taken it when it answers: only then may who sleeps rely on it.
  if (!masked) (void)__atomic_load_n(control, __ATOMIC_ACQUIRE);
}

// ---- Opening -----------------------------------------------------------------------------------

std::string text_of(const std::filesystem::path& file) {
  std::array<char, 64> text{};
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return "";
  const ssize_t count = ::read(fd.get(), text.data(), text.size() - 1);
  return count > 0 ? std::string(text.data(), static_cast<size_t>(count)) : "";
}

uint32_t number_of(const std::filesystem::path& file) {
  return static_cast<uint32_t>(std::strtoul(text_of(file).c_str(), nullptr, 16));
}

/// The last part of where a link points; empty: it is none.
std::string target_of(const std::filesystem::path& link) {
  std::error_code error;
  return std::filesystem::read_symlink(link, error).filename().string();
}

PciOpened refused(int errnum, std::string why) { return {nullptr, errnum, std::move(why)}; }

std::string bind_line(const std::string& address) {
  return "`capsuled device bind " + address + "` gives it to vfio-pci";
}

PciOpened open_in_group(VfioGroups& groups, const std::string& number, PciFacts facts) {
  const std::string address = facts.address;
  VfioGroups::Joined joined = groups.join(number, address);
  if (joined.membership == nullptr) return refused(joined.errnum, std::move(joined.refusal));
  Descriptor fd(::ioctl(joined.membership->group_fd(), VFIO_GROUP_GET_DEVICE_FD, address.c_str()));
  if (fd.get() < 0) {
    return refused(errno, "the device " + address + " cannot be opened: " + std::strerror(errno));
  }
  auto device =
      std::make_unique<VfioDevice>(std::move(facts), std::move(joined.membership), std::move(fd));
  if (const Result<void> ready = device->set_up(); !ready.ok()) {
    return refused(ready.error().errnum,
                   std::string(ready.error().what) + ": " + ready.error().message());
  }
  return {std::move(device), 0, ""};
}

}  // namespace

PciOpened open_vfio_device(VfioGroups& groups, const std::string& address) {
  const std::filesystem::path folder = std::filesystem::path("/sys/bus/pci/devices") / address;
  std::error_code error;
  if (!std::filesystem::exists("/sys/bus/pci/devices", error)) {
    return refused(ENODEV, "this machine shows no PCI devices (/sys/bus/pci)");
  }
  if (!std::filesystem::exists(folder, error)) {
    return refused(ENODEV, "there is no PCI device " + address +
                               "; `capsuled device list` shows those that there are");
  }
  PciFacts facts{address, static_cast<uint16_t>(number_of(folder / "vendor")),
                 static_cast<uint16_t>(number_of(folder / "device")), number_of(folder / "class")};
  if (facts.class_code != kNvmeClass) {
    return refused(EINVAL, "the PCI device " + address + " is no NVMe controller");
  }
  const std::string driver = target_of(folder / "driver");
  if (driver != "vfio-pci") {
    return refused(EBUSY, "the device " + address + " has " +
                              (driver.empty() ? "no driver" : "the kernel's driver " + driver) +
                              "; " + bind_line(address));
  }
  const std::string group = target_of(folder / "iommu_group");
  if (group.empty()) {
    return refused(ENOTSUP, "the device " + address +
                                " is behind no IOMMU; one has to be turned on in the firmware and "
                                "by the kernel's intel_iommu=on or amd_iommu=on");
  }
  return open_in_group(groups, group, std::move(facts));
}

}  // namespace capsuled::env
