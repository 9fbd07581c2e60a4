#include "bdev/nvmf/nvmf_bdev.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "bdev/nvme/nvme_channel.h"
#include "bdev/nvme/nvme_facts.h"
#include "bdev/nvme/nvme_names.h"
#include "bdev/nvmf/nvmf_device.h"

namespace capsuled {
namespace {

class NvmfBdev final : public Bdev {
 public:
  NvmfBdev(BdevFacts facts, std::unique_ptr<NvmfDevice> device, size_t reactor_count,
           const NvmfOptions& options)
      : Bdev(std::move(facts)),
        nsid_(options.nsid),
        depth_(static_cast<uint16_t>(options.queue_entries - 1)),
        device_(std::move(device)) {
    for (size_t index = 0; index < reactor_count; ++index) {
      parts_.push_back(std::make_unique<NvmeReactorPart>());
      ranges_.emplace_back(depth_);
    }
    device_->watch(health());
  }

  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override {
    return std::make_unique<NvmeChannel>(
        reactor,
        NvmeChannelOptions{.nsid = nsid_,
                           .block_bytes = facts().block_size,
                           .depth = depth_,
                           .timeout_ns = UINT64_MAX,  // the device says when it is over
                           .ranges = ranges_[reactor.index()].data(),
                           .bounce = nullptr},
        device_->chooser(reactor), parts_, *device_, health());
  }
  uint64_t bytes_found() const override { return device_->blocks_found() * facts().block_size; }
  std::vector<BdevPath> paths() const override { return device_->paths(); }

 protected:
  void grown(uint64_t block_count) override { device_->use(block_count); }

 private:
  const uint32_t nsid_;
  const uint16_t depth_;
  NvmeReactorParts parts_;
  std::vector<std::vector<wire::DsmRange>> ranges_;  // by reactor
  const std::unique_ptr<NvmfDevice> device_;
};

BdevFacts facts_of(const nvme::NamespaceFacts& found, const std::string& name,
                   const NvmfOptions& options) {
  BdevFacts facts = nvme_bdev_facts(found, name, "nvmf");
  facts.found.emplace("hostnqn", options.hostnqn);
  auto content = std::make_shared<env::ContentFacts>();
  content->kind = env::ContentKind::BlockDevice;
  content->bytes = found.block_count * found.block_bytes;
  const std::string otherwise = "nvmf." + options.subnqn + "-" + std::to_string(options.nsid);
  content->names = nvme_names(found, otherwise);
  content->names.emplace_back("subsystem", options.subnqn);
  facts.content = std::move(content);
  return facts;
}

// ---- What it is told ---------------------------------------------------------------------------

/// 32 hexadecimal digits, with hyphens or without.
bool parse_uuid(std::string_view text, std::array<std::byte, 16>& bytes) {
  size_t digits = 0;
  for (const char character : text) {
    if (character == '-') continue;
    constexpr std::string_view kDigits = "0123456789abcdef";
    const size_t value = kDigits.find(character);
    if (value == std::string_view::npos || digits == 2 * bytes.size()) return false;
    std::byte& byte = bytes[digits / 2];
    byte = digits % 2 == 0 ? std::byte(value << 4) : byte | std::byte(value);
    ++digits;
  }
  return digits == 2 * bytes.size();
}

std::vector<env::Endpoint> read_endpoints(env::Env& env, BdevParameters& parameters,
                                          const std::string& key, uint16_t port) {
  std::vector<env::Endpoint> endpoints;
  for (BdevParameters* const section : parameters.sections(key)) {
    (void)section->one_of("transport", {"tcp"});
    env::Endpoint endpoint{section->text("address"), 0};
    const uint32_t number = section->small_number("port", port);
    if (number == 0 || number > UINT16_MAX)
      section->refuse("port", "expected a port from 1 to 65535");
    endpoint.port = static_cast<uint16_t>(number);
    if (const auto address = env.resolve(endpoint); !address.ok()) {
      section->refuse("address", std::string(address.error().what) + " for `" +
                                     section->way("address") + "`, got \"" + endpoint.address +
                                     "\"");
    }
    endpoints.push_back(std::move(endpoint));
  }
  if (endpoints.size() > kPathsMax) {
    parameters.refuse(key, "expected at most " + std::to_string(kPathsMax) + " for `" + key + "`");
  }
  return endpoints;
}

NvmfOptions read_options(env::Env& env, BdevParameters& parameters) {
  NvmfOptions options;
  options.subnqn = parameters.text("subnqn");
  options.nsid = parameters.small_number("nsid", 1);
  options.hostnqn = parameters.text("hostnqn");
  const std::string hostid = parameters.text("hostid");
  options.paths = read_endpoints(env, parameters, "paths", 4420);
  options.discovery = read_endpoints(env, parameters, "discovery", 8009);
  options.policy = static_cast<PathPolicy>(
      parameters.one_of("policy", {"active_passive", "round_robin", "queue_depth"}));
  options.fast_io_fail_ns = parameters.number("fast_io_fail", options.fast_io_fail_ns);
  options.controller_loss_ns = parameters.number("controller_loss", options.controller_loss_ns);
  options.reconnect_delay_ns = parameters.number("reconnect_delay", options.reconnect_delay_ns);
  options.keep_alive_ns = parameters.number("keep_alive", options.keep_alive_ns);
  options.timeout_ns = parameters.number("timeout", options.timeout_ns);
  options.digests.header = parameters.flag("header_digest");
  options.digests.data = parameters.flag("data_digest");
  const uint32_t entries = parameters.small_number("queue_entries", options.queue_entries);
  options.queue_entries = static_cast<uint16_t>(std::clamp(entries, 2u, 1024u));
  if (options.subnqn.empty()) parameters.refuse("subnqn", "expected the NQN of a subsystem");
  if (options.hostnqn.empty()) parameters.refuse("hostnqn", "expected the NQN of this host");
  if (!parse_uuid(hostid, options.hostid)) {
    parameters.refuse("hostid", "expected a UUID for `hostid`, got \"" + hostid + "\"");
  }
  if (options.paths.empty() == options.discovery.empty()) {
    parameters.refuse("paths", "expected either `paths` or `discovery`");
  }
  return options;
}

}  // namespace

BdevResult make_nvmf_bdev(env::Env& env, const std::vector<Reactor*>& reactors,
                          const std::string& name, const NvmfOptions& options) {
  BdevError error;
  auto device = NvmfDevice::open(env, reactors, options, error);
  if (device == nullptr) return error;
  BdevFacts facts = facts_of(device->facts(), name, options);
  return std::unique_ptr<Bdev>(
      std::make_unique<NvmfBdev>(std::move(facts), std::move(device), reactors.size(), options));
}

const BdevKind kNvmfKind{
    "nvmf", [](const BdevContext& context, BdevParameters& parameters) -> BdevResult {
      const NvmfOptions options = read_options(context.env, parameters);
      if (auto error = parameters.error()) return *std::move(error);
      return make_nvmf_bdev(context.env, context.reactors, parameters.name(), options);
    }};

}  // namespace capsuled
