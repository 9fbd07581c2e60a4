#include "bdev/error/error_bdev.h"

#include <array>
#include <utility>

#include "base/changeable.h"
#include "bdev/bdev_layer.h"
#include "bdev/bdev_stats.h"
#include "bdev/bdev_status.h"
#include "bdev/error/error_channel.h"
#include "reactor/reactor.h"

namespace capsuled {

namespace {

constexpr uint32_t bit(BdevIoType type) { return 1u << static_cast<uint32_t>(type); }

constexpr uint32_t kAllTypes = (1u << kBdevIoTypeCount) - 1;
constexpr uint32_t kReading = bit(BdevIoType::Read) | bit(BdevIoType::Compare);
constexpr uint32_t kChanging =
    bit(BdevIoType::Write) | bit(BdevIoType::Unmap) | bit(BdevIoType::WriteZeroes);

class ErrorBdev final : public LayerBdev {
 public:
  ErrorBdev(BdevFacts facts, const ErrorBdevOptions& options)
      : LayerBdev(std::move(facts), options.base, options.access),
        faults_(std::make_shared<const FaultTable>(options.faults)),
        seed_(options.seed) {}

  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override {
    return std::make_unique<ErrorChannel>(reactor, base(), faults_, seed_ + reactor.index(),
                                          facts().block_size);
  }
  void set(std::vector<Fault> faults) {
    faults_.set(std::make_shared<const FaultTable>(std::move(faults)));
  }

 private:
  Changeable<ErrorChannel::Table> faults_;
  const uint64_t seed_;
};

/// A status by the name that hosts know it by, and the operations that can end with it.
struct NamedStatus {
  BdevStatus status;
  uint32_t types;
};

/// As the words of read_fault() are.
constexpr std::array<NamedStatus, 7> kStatuses = {{
    {BdevStatus::Failed, kAllTypes},
    {BdevStatus::MediaError, kReading},
    {BdevStatus::MediaError, kChanging | bit(BdevIoType::Flush)},
    {BdevStatus::NoSpace, kChanging},
    {BdevStatus::ReadOnly, kChanging},
    {BdevStatus::Miscompare, bit(BdevIoType::Compare)},
    {BdevStatus::Gone, kAllTypes},
}};

/// Refuses `key` unless the fault's operations can all be struck so.
void check_types(BdevParameters& section, const char* key, const std::string& word,
                 const Fault& fault, uint32_t possible) {
  if ((fault.types & ~possible) == 0) return;
  std::string names;
  for (size_t type = 0; type < kBdevIoTypeCount; ++type) {
    if ((possible >> type & 1) == 0) continue;
    names += (names.empty() ? "" : ", ") + std::string(kBdevIoTypeNames[type]);
  }
  section.refuse(key, "expected one of " + names + " for `" + section.way("op") + "`, because `" +
                          section.way(key) + "` is \"" + word + "\"");
}

Fault read_fault(BdevParameters& section, uint64_t block_count) {
  Fault fault;
  const size_t type =
      section.one_of("op", {"read", "write", "flush", "unmap", "write_zeroes", "compare", "all"});
  fault.types = type == kBdevIoTypeCount ? kAllTypes : 1u << type;
  const std::string action = section.text("action", "status");
  fault.action =
      static_cast<FaultAction>(section.one_of("action", {"status", "hang", "corrupt", "torn"}));
  const std::string word = section.text("status", "internal_error");
  const NamedStatus& status = kStatuses[section.one_of(
      "status", {"internal_error", "unrecovered_read", "write_fault", "capacity_exceeded",
                 "write_protected", "compare_failure", "not_ready"})];
  fault.status = status.status;
  switch (fault.action) {
    case FaultAction::Status: check_types(section, "status", word, fault, status.types); break;
    case FaultAction::Hang: break;
    case FaultAction::Corrupt:
      check_types(section, "action", action, fault, bit(BdevIoType::Read) | bit(BdevIoType::Write));
      break;
    case FaultAction::Torn: check_types(section, "action", action, fault, kChanging); break;
  }
  const std::vector<uint64_t> blocks = section.numbers("blocks");
  if (!blocks.empty()) {
    const bool fits = blocks.size() == 2 && blocks[0] <= blocks[1] && blocks[1] < block_count;
    if (!fits) {
      section.refuse("blocks", "expected the first block and the last one, at most " +
                                   std::to_string(block_count - 1) + ", for `" +
                                   section.way("blocks") + "`");
    } else {
      fault.first_block = blocks[0];
      fault.last_block = blocks[1];
    }
  }
  fault.probability = section.number("probability", kCertain);
  if (fault.probability > kCertain) {
    section.refuse("probability", "expected 0 to 1 for `" + section.way("probability") + "`");
  }
  fault.count_max = section.number("count", UINT64_MAX);
  return fault;
}

std::vector<Fault> read_faults(BdevParameters& parameters, uint64_t block_count) {
  std::vector<Fault> faults;
  for (BdevParameters* const section : parameters.sections("faults")) {
    faults.push_back(read_fault(*section, block_count));
  }
  return faults;
}

}  // namespace

std::unique_ptr<Bdev> make_error_bdev(const ErrorBdevOptions& options) {
  const Bdev& base = *options.base->entry()->bdev;
  BdevFacts facts = layer_facts(base.facts(), options.name, "error", 0, base.block_count());
  facts.has_device = true;
  // Faults may come at any time that alter what is read, or keep what is written.
  facts.lends_reads = false;
  facts.takes_data_at_once = false;
  return std::make_unique<ErrorBdev>(std::move(facts), options);
}

const BdevKind kErrorKind{
    "error",
    [](const BdevContext& context, BdevParameters& parameters) -> BdevResult {
      ErrorBdevOptions options{
          .name = parameters.name(),
          .base = base_of(context, parameters),
          .access = context.claim ? BdevAccess::ExclusiveWriter : BdevAccess::None,
          .faults = {},
          .seed = parameters.number("seed")};
      const uint64_t block_count =
          options.base == nullptr ? UINT64_MAX : options.base->entry()->bdev->block_count();
      options.faults = read_faults(parameters, block_count);
      if (auto error = parameters.error()) return *std::move(error);
      return make_error_bdev(options);
    },
    [](Bdev& bdev, BdevParameters& parameters) -> std::optional<BdevError> {
      std::vector<Fault> faults = read_faults(parameters, bdev.block_count());
      if (auto error = parameters.error()) return error;
      static_cast<ErrorBdev&>(bdev).set(std::move(faults));
      return std::nullopt;
    }};

}  // namespace capsuled
