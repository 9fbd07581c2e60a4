#include "bdev/nvme/nvme_bdev.h"

#include <cerrno>
#include <optional>
#include <utility>

#include "bdev/nvme/nvme_channel.h"
#include "bdev/nvme/nvme_facts.h"
#include "bdev/nvme/nvme_namespace.h"
#include "env/memory_registry.h"
#include "env/pci_device.h"
#include "reactor/buffer_pool.h"

namespace capsuled {
namespace {

/// Memory of one channel that the controller reaches: room for the data of one operation, and a
/// range for each command.
size_t channel_bytes(const NvmeDevice& device) {
  constexpr size_t kPageBytes = 4096;
  const size_t ranges = device.depth() * sizeof(wire::DsmRange);
  return kTransferBytesMax + (ranges + kPageBytes - 1) / kPageBytes * kPageBytes;
}

class NvmeBdev final : public Bdev {
 public:
  NvmeBdev(BdevFacts facts, env::Env& env, std::unique_ptr<NvmeNamespace> on,
           std::unique_ptr<env::Region> memory, size_t reactor_count)
      : Bdev(std::move(facts)),
        memory_(std::move(memory)),
        memory_reachable_(env.memory(), {memory_->base(), memory_->bytes()}),
        namespace_(std::move(on)) {
    for (size_t index = 0; index < reactor_count; ++index) {
      parts_.push_back(std::make_unique<NvmeReactorPart>());
    }
    namespace_->watch(health());
  }

  /// Of its own memory.
  bool device_reaches() const {
    return namespace_->device().reaches({memory_->base(), memory_->bytes()});
  }

  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override {
    NvmeDevice& device = namespace_->device();
    std::byte* const own = memory_->base() + channel_bytes(device) * reactor.index();
    return std::make_unique<NvmeChannel>(
        reactor,
        NvmeChannelOptions{.nsid = namespace_->facts().nsid,
                           .block_bytes = facts().block_size,
                           .depth = device.depth(),
                           .timeout_ns = device.options().reset_timeout_ns,
                           .ranges = reinterpret_cast<wire::DsmRange*>(own + kTransferBytesMax),
                           .bounce = own},
        device.queue_users(reactor), parts_, *namespace_, health());
  }
  uint64_t bytes_found() const override { return namespace_->blocks_found() * facts().block_size; }
  std::optional<DriveReport> drive_report() const override {
    DriveReport report;
    report.resets = namespace_->device().resets();
    for (const auto& part : parts_) {
      report.bounce_copies += part->bounce_copies.load(std::memory_order_relaxed);
    }
    report.health = namespace_->device().health();
    return report;
  }

 protected:
  void grown(uint64_t block_count) override { namespace_->use(block_count); }

 private:
  NvmeReactorParts parts_;
  const std::unique_ptr<env::Region> memory_;
  const env::ReachableMemory memory_reachable_;
  const std::unique_ptr<NvmeNamespace> namespace_;
};

/// What is said of a controller that another bdev has is the same there.
std::optional<BdevError> check_shared(const NvmeDeviceOptions& wanted,
                                      const NvmeDeviceOptions& is) {
  const auto differs = [&](const char* key, const std::string& other) {
    return BdevError{EINVAL, key,
                     std::string("expected the same `") + key + "` as the bdevs of " + is.address +
                         " that are open have (" + other +
                         "), which share its controller; to change it, remove them all and "
                         "reload, then add them again"};
  };
  const auto milliseconds = [](uint64_t ns) { return std::to_string(ns / 1'000'000) + "ms"; };
  if (wanted.queue_entries != is.queue_entries) {
    return differs("queue_entries", std::to_string(is.queue_entries));
  }
  if (wanted.timeout_ns != is.timeout_ns) return differs("timeout", milliseconds(is.timeout_ns));
  if (wanted.reset_timeout_ns != is.reset_timeout_ns) {
    return differs("reset_timeout", milliseconds(is.reset_timeout_ns));
  }
  return std::nullopt;
}

BdevFacts facts_of(NvmeNamespace& on, const std::string& name) {
  BdevFacts facts = nvme_bdev_facts(on.facts(), name, "nvme");
  facts.buffer_alignment = 4;
  if (on.device().quirks().no_write_zeroes) facts.can_write_zeroes = false;
  facts.content = std::make_shared<const env::ContentFacts>(on.content());
  return facts;
}

}  // namespace

BdevResult make_nvme_bdev(const BdevContext& context, const std::string& name,
                          const NvmeDeviceOptions& options, uint32_t nsid) {
  BdevError error;
  const auto open = [&] { return NvmeDevice::open(context.env, context.reactors, options, error); };
  std::shared_ptr<NvmeDevice> device =
      context.parts == nullptr
          ? open()
          : context.parts->find_or_make<NvmeDevice>("nvme " + options.address, open);
  if (device == nullptr) return error;
  if (auto differs = check_shared(options, device->options())) return *std::move(differs);
  const size_t memory_bytes = context.reactors.size() * channel_bytes(*device);
  auto on = std::make_unique<NvmeNamespace>(std::move(device), nsid);
  if (const std::string refusal = on->open(); !refusal.empty()) {
    return BdevError{EIO, "nsid", options.address + ": " + refusal};
  }
  auto memory = context.env.allocate(memory_bytes, env::HugePages::Never);
  if (!memory.ok()) return BdevError{memory.error().errnum, "", memory.error().what};
  BdevFacts facts = facts_of(*on, name);
  auto bdev = std::make_unique<NvmeBdev>(std::move(facts), context.env, std::move(on),
                                         std::move(memory).value(), context.reactors.size());
  if (!bdev->device_reaches()) {
    return BdevError{ENOMEM, "address", options.address + ": " + env::kNotPinnedWords};
  }
  return std::unique_ptr<Bdev>(std::move(bdev));
}

const BdevKind kNvmeKind{
    "nvme", [](const BdevContext& context, BdevParameters& parameters) -> BdevResult {
      NvmeDeviceOptions options;
      options.address = parameters.text("address");
      const uint32_t nsid = parameters.small_number("nsid", 1);
      options.queue_entries = static_cast<uint16_t>(parameters.small_number("queue_entries", 129));
      options.timeout_ns = parameters.number("timeout", options.timeout_ns);
      options.reset_timeout_ns = parameters.number("reset_timeout", options.reset_timeout_ns);
      if (auto error = parameters.error()) return *std::move(error);
      return make_nvme_bdev(context, parameters.name(), options, nsid);
    }};

}  // namespace capsuled
