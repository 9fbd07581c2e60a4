// NvmeNamespace: a namespace of a device, of which a bdev is made: what it was when the bdev was
// made, and what has become of it since. What is not the same disk any more, or has lost blocks, is
// raised as a fault of the bdev before anything is read or written there.
//
// Owner: a bdev. Thread: open(), watch() and the destructor the control thread's or a worker's; the
// device's calls its home reactor's; the rest any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "bdev/bdev_health.h"
#include "bdev/nvme/nvme_device.h"
#include "bdev/nvme/nvme_disk.h"
#include "env/content.h"

namespace capsuled {

class NvmeNamespace final : public NvmeDisk, private NvmeDeviceUser {
 public:
  NvmeNamespace(std::shared_ptr<NvmeDevice> device, uint32_t nsid)
      : device_(std::move(device)), nsid_(nsid) {}
  ~NvmeNamespace();
  NvmeNamespace(const NvmeNamespace&) = delete;
  NvmeNamespace& operator=(const NvmeNamespace&) = delete;

  /// Empty: it is there. Else why not.
  std::string open();
  /// As it was then, without identifiers that its controller makes up.
  const nvme::NamespaceFacts& facts() const { return facts_; }
  /// What the machine would say of it if its own driver had it.
  env::ContentFacts content() const;
  NvmeDevice& device() { return *device_; }

  /// What becomes of it is a fault of this one from here on.
  void watch(BdevHealth& health);
  uint64_t blocks_found() const { return blocks_found_.load(std::memory_order_relaxed); }
  /// The bdev has so many now.
  void use(uint64_t blocks) { blocks_used_.store(blocks, std::memory_order_relaxed); }
  bool is_whole() const override {
    return (faults_.load(std::memory_order_acquire) & kLatched) == 0;
  }

 private:
  static constexpr uint32_t kLatched = kGone | kLostData;

  uint32_t nsid() const override { return nsid_; }
  void namespace_found(const nvme::NamespaceFacts& said) override;
  void device_gone() override { found(kGone); }
  void cache_lost() override { lost(kLostFlush); }
  void found(uint32_t faults);
  void lost(uint32_t faults);

  const std::shared_ptr<NvmeDevice> device_;
  const uint32_t nsid_;
  bool added_ = false;
  bool known_ = false;  ///< home's: `facts_` are there
  nvme::NamespaceFacts facts_;
  std::atomic<BdevHealth*> health_ = nullptr;
  std::atomic<uint32_t> faults_ = 0;  ///< as it was found last
  std::atomic<uint64_t> blocks_found_ = 0;
  std::atomic<uint64_t> blocks_used_ = 0;
};

}  // namespace capsuled
