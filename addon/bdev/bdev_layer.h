// A bdev that stands on one other and has a part of its blocks, or all: the facts that follow, the
// channel of one that changes neither data nor the number of operations, and a bdev that does
// nothing else. Each operation is the same BdevIo all the way down: see CoreChannel::forward().
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bdev/bdev.h"
#include "bdev/bdev_kind.h"
#include "bdev/bdev_registry.h"

namespace capsuled {

class CoreChannel;

/// The bdev whose name `key` has. Nothing: there is none, and `parameters` have the error.
std::shared_ptr<BdevDesc> base_of(const BdevContext& context, BdevParameters& parameters,
                                  const std::string& key = "base");

/// Of a layer over the blocks of `base` from `first_block` on. What the base cannot do, its core
/// does, so a layer has no limits.
BdevFacts layer_facts(const BdevFacts& base, std::string name, std::string kind,
                      uint64_t first_block, uint64_t block_count);

/// Owner and thread: a CoreChannel on its reactor.
class LayerChannel : public BdevChannel {
 public:
  LayerChannel(Reactor& reactor, const std::shared_ptr<BdevEntry>& base, uint64_t first_block);
  ~LayerChannel() override;
  LayerChannel(const LayerChannel&) = delete;
  LayerChannel& operator=(const LayerChannel&) = delete;

  /// Forwards it.
  void submit(BdevIo& io) override;
  BdevLoan lends_as() override;
  bool may_keep() const override;
  bool base_hangs() const override;
  bool base_is_limited() const override;
  void refresh() override;

 protected:
  CoreChannel& base() { return base_; }
  BdevBelow below() { return {&base_, first_block_}; }

 private:
  CoreChannel& base_;
  const uint64_t first_block_;
};

/// Of a layer that does nothing but say where its blocks are.
class PassingChannel final : public LayerChannel {
 public:
  using LayerChannel::LayerChannel;
  BdevBelow passes_to() override { return below(); }
};

/// A bdev over all blocks of one other, which grows with that.
class LayerBdev : public Bdev {
 public:
  uint64_t bytes_found() const override;

 protected:
  LayerBdev(BdevFacts facts, const std::shared_ptr<BdevDesc>& base, BdevAccess access);
  const std::shared_ptr<BdevEntry>& base() const { return base_; }

 private:
  const std::shared_ptr<BdevEntry> base_;
};

/// A range of the blocks of its base, as they are.
class RangeBdev final : public Bdev {
 public:
  enum class End : uint8_t {
    Fixed,
    OfBase,  ///< all that the base has, also when that grows
  };
  /// `facts` are layer_facts() of the range that `base` claims.
  RangeBdev(BdevFacts facts, const BdevBase& base, End end);
  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override;
  uint64_t bytes_found() const override;

 private:
  const std::shared_ptr<BdevEntry> base_;
  const End end_;
};

}  // namespace capsuled
