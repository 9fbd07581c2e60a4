// HeldBdev: a bdev whose operations wait until the test lets them go, or are cancelled, if that is
// possible.
// Thread: the reactor's.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "bdev/bdev.h"

namespace capsuled::transport::testing {

class HeldBdev : public Bdev {
 public:
  static BdevFacts make_facts() {
    BdevFacts facts;
    facts.name = "held";
    facts.kind = "held";
    facts.block_count = 1 << 16;
    facts.can_compare = true;
    facts.can_unmap = true;
    facts.unmap_zeroes = true;
    facts.can_write_zeroes = true;
    facts.volatile_cache = true;
    facts.has_device = true;
    return facts;
  }
  HeldBdev() : Bdev(make_facts()) {}
  std::unique_ptr<BdevChannel> make_channel(Reactor&) override {
    return std::make_unique<Channel>(*this);
  }

  void release_all() {
    for (BdevIo* const io : std::exchange(held_, {})) bdev_complete(*io, BdevStatus::Success);
  }
  size_t held() const { return held_.size(); }
  bool can_cancel = true;  ///< else it hangs

 private:
  struct Channel : BdevChannel {
    explicit Channel(HeldBdev& bdev) : bdev_(bdev) {}
    void submit(BdevIo& io) override { bdev_.held_.push_back(&io); }
    void cancel(BdevIo& io) override {
      if (!bdev_.can_cancel || std::erase(bdev_.held_, &io) == 0) return;
      bdev_complete(io, BdevStatus::Aborted);
    }
    uint64_t oldest_ns() const override {
      uint64_t oldest_ns = UINT64_MAX;
      for (const BdevIo* const io : bdev_.held_) oldest_ns = std::min(oldest_ns, io->submitted_ns);
      return oldest_ns;
    }
    HeldBdev& bdev_;
  };
  std::vector<BdevIo*> held_;
};

}  // namespace capsuled::transport::testing
