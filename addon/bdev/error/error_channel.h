// ErrorChannel: forwards operations to the base, but those that a fault strikes.
//
// Owner and thread: a CoreChannel on its reactor. An operation that hangs is kept until the faults
// are changed so that none would let it hang, which sends it on to the base, or until the bdev is
// to go, which ends it as Aborted. Nothing else ends it: a device that hangs does not hear Abort.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/changeable.h"
#include "base/intrusive_list.h"
#include "base/prng.h"
#include "bdev/bdev_layer.h"
#include "bdev/error/fault_table.h"

namespace capsuled {

class ErrorChannel final : public LayerChannel {
 public:
  using Table = std::shared_ptr<const FaultTable>;

  ErrorChannel(Reactor& reactor, const std::shared_ptr<BdevEntry>& base,
               const Changeable<Table>& faults, uint64_t seed, uint32_t block_size);
  ~ErrorChannel() override;

  void submit(BdevIo& io) override;
  bool looks_at_ends() const override { return true; }
  bool forwarded(BdevIo& io) override;
  bool may_keep() const override { return faults_.get()->may_hang() || LayerChannel::may_keep(); }
  void parameters_changed() override;
  void let_go() override;
  uint64_t oldest_ns() const override;

 private:
  /// Of a write that is forwarded with other data, or fewer: what it was.
  struct Altered {
    std::vector<std::byte> bytes;
    iovec data = {};
    iovec* iov = nullptr;
    uint32_t iov_count = 0;
    uint64_t count_blocks = 0;
  };

  void strike(BdevIo& io, const Fault& fault);
  void forward(BdevIo& io) { LayerChannel::submit(io); }
  Altered& alter(BdevIo& io);
  void corrupt_write(BdevIo& io);
  void tear(BdevIo& io);
  void corrupt_read(BdevIo& io);

  Changeable<Table>::Copy faults_;
  Prng prng_;
  const uint32_t block_size_;
  IntrusiveList<BdevIo, &BdevIo::line_node> hanging_;
  bool going_ = false;  ///< let_go() was called: nothing hangs any more
};

}  // namespace capsuled
