// UringChannel: one reactor's way to a file. Each operation is one ring operation, or a few in
// sequence: a transfer that the kernel cut short goes on where it stopped, and zeroing with Force
// Unit Access is followed by a sync. A few transfers may wait in a line until others end: see
// transfer_reserve.h. Owner and thread: a CoreChannel on its reactor.
#pragma once

#include "base/intrusive_list.h"
#include "bdev/bdev.h"
#include "bdev/uring/transfer_reserve.h"
#include "env/ring.h"

namespace capsuled {

class Reactor;

/// What a channel needs to know of the file.
struct UringFile {
  int fd = -1;
  uint32_t block_size = 0;
  bool block_device = false;
};

class UringChannel final : public BdevChannel {
 public:
  /// `ring` is the reactor's, or a test's.
  UringChannel(Reactor& reactor, env::Ring& ring, UringFile file)
      : reactor_(reactor), ring_(ring), file_(file) {}
  void submit(BdevIo& io) override;
  void cancel(BdevIo& io) override;

 private:
  /// Of a transfer, now or when another one ends.
  void begin(BdevIo& io);
  void end(BdevIo& io, BdevStatus status);
  /// Reads or writes what is left behind the first `io.scratch` bytes.
  void transfer(BdevIo& io);
  void transferred(BdevIo& io, int32_t result);
  void zero(BdevIo& io);
  void zeroed(BdevIo& io, int32_t result);

  Reactor& reactor_;
  env::Ring& ring_;
  const UringFile file_;
  TransferReserve reserve_;
  IntrusiveList<BdevIo, &BdevIo::line_node> line_;  ///< transfers that wait, oldest first
};

}  // namespace capsuled
