#include "bdev/delay/delay_bdev.h"

#include <utility>

#include "base/changeable.h"
#include "bdev/bdev_layer.h"
#include "bdev/bdev_stats.h"
#include "bdev/delay/delay_channel.h"

namespace capsuled {

namespace {

constexpr uint64_t kDelayMaxNs = 3'600'000'000'000;

class DelayBdev final : public LayerBdev {
 public:
  DelayBdev(BdevFacts facts, const DelayBdevOptions& options)
      : LayerBdev(std::move(facts), options.base, options.access),
        times_(options.times),
        seed_(options.seed) {}

  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override {
    return std::make_unique<DelayChannel>(reactor, base(), times_, seed_ + reactor.index());
  }
  void set(const DelayTable& times) { times_.set(times); }

 private:
  Changeable<DelayTable> times_;
  const uint64_t seed_;
};

/// A time, or a map of them.
DelayTimes read_times(BdevParameters& parameters, const std::string& key) {
  DelayTimes times;
  if (!parameters.is_section(key)) {
    times.average_ns = parameters.number(key);
  } else {
    BdevParameters& section = parameters.section(key);
    times.average_ns = section.number("average");
    times.jitter_ns = section.number("jitter");
    times.p99_ns = section.number("p99");
    if (times.jitter_ns > times.average_ns) {
      section.refuse("jitter", "expected at most the average (" + std::to_string(times.average_ns) +
                                   " ns) for `" + section.way("jitter") + "`, got " +
                                   std::to_string(times.jitter_ns) + " ns");
    }
  }
  if (times.average_ns > kDelayMaxNs || times.p99_ns > kDelayMaxNs) {
    parameters.refuse(key, "expected at most an hour for `" + parameters.way(key) + "`");
  }
  return times;
}

DelayTable read_table(BdevParameters& parameters) {
  DelayTable table;
  for (size_t type = 0; type < kBdevIoTypeCount; ++type) {
    table[type] = read_times(parameters, kBdevIoTypeNames[type]);
  }
  return table;
}

}  // namespace

std::unique_ptr<Bdev> make_delay_bdev(const DelayBdevOptions& options) {
  const Bdev& base = *options.base->entry()->bdev;
  BdevFacts facts = layer_facts(base.facts(), options.name, "delay", 0, base.block_count());
  facts.has_device = true;
  return std::make_unique<DelayBdev>(std::move(facts), options);
}

const BdevKind kDelayKind{
    "delay",
    [](const BdevContext& context, BdevParameters& parameters) -> BdevResult {
      const DelayBdevOptions options{
          .name = parameters.name(),
          .base = base_of(context, parameters),
          .access = context.claim ? BdevAccess::ExclusiveWriter : BdevAccess::None,
          .times = read_table(parameters),
          .seed = parameters.number("seed")};
      if (auto error = parameters.error()) return *std::move(error);
      return make_delay_bdev(options);
    },
    [](Bdev& bdev, BdevParameters& parameters) -> std::optional<BdevError> {
      const DelayTable times = read_table(parameters);
      if (auto error = parameters.error()) return error;
      static_cast<DelayBdev&>(bdev).set(times);
      return std::nullopt;
    }};

}  // namespace capsuled
