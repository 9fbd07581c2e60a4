#include "bdev/nvme/nvme_namespace.h"

#include <array>
#include <cstdio>
#include <string>

#include "bdev/nvme/nvme_names.h"

namespace capsuled {

NvmeNamespace::~NvmeNamespace() {
  if (added_) device_->remove(*this);
}

std::string NvmeNamespace::open() {
  const nvme::NamespaceFacts facts = device_->add(*this);
  added_ = facts.refusal.empty();
  return facts.refusal;
}

void NvmeNamespace::watch(BdevHealth& health) {
  // Whoever finds something meanwhile raises it, or has left it here; it does no harm twice.
  health_.store(&health);
  if (const uint32_t faults = faults_.load(); faults != 0) health.raise(faults);
}

void NvmeNamespace::namespace_found(const nvme::NamespaceFacts& said) {
  nvme::NamespaceFacts facts = said;
  if (device_->quirks().bogus_identifiers) facts.forget_ids();
  if (!known_) {
    // It has gone while it was looked at; what it was is on its way.
    if (!facts.refusal.empty()) return found(kGone);
    facts_ = facts;
    known_ = true;
    blocks_found_.store(facts.block_count);
    blocks_used_.store(facts.block_count);
  } else if (!facts.is_same_disk(facts_)) {
    found(kGone);
  } else if (facts.block_count < blocks_used_.load()) {
    found(kLostData);
  } else {
    found(0);
    blocks_found_.store(facts.block_count);
  }
}

void NvmeNamespace::found(uint32_t faults) {
  faults_.store(faults);
  lost(faults);
}

void NvmeNamespace::lost(uint32_t faults) {
  BdevHealth* const health = health_.load();
  if (faults != 0 && health != nullptr) health->raise(faults);
}

env::ContentFacts NvmeNamespace::content() const {
  std::array<char, 16> vendor{};
  std::array<char, 16> number{};
  std::snprintf(vendor.data(), vendor.size(), "nvme.%04x-", device_->pci().vendor_id);
  std::snprintf(number.data(), number.size(), "-%08x", nsid_);
  env::ContentFacts content;
  content.kind = env::ContentKind::BlockDevice;
  content.bytes = facts_.block_count * facts_.block_bytes;
  content.names = nvme_names(facts_, vendor.data() + nvme_hex(facts_.serial) + "-" +
                                         nvme_hex(facts_.model) + number.data());
  content.names.emplace_back("pci_address", device_->options().address);
  return content;
}

}  // namespace capsuled
