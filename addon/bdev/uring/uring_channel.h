// UringChannel: one reactor's way to a file. Each operation is one ring operation, or a few in
// sequence: a transfer that the kernel cut short goes on where it stopped, and zeroing with Force
// Unit Access is followed by a sync. Owner and thread: a CoreChannel on its reactor. Keeps no state
// of its own between operations.
#pragma once

#include "bdev/bdev.h"
#include "env/ring.h"

namespace capsuled {

/// What a channel needs to know of the file.
struct UringFile {
  int fd = -1;
  uint32_t block_size = 0;
  bool block_device = false;
};

class UringChannel final : public BdevChannel {
 public:
  UringChannel(env::Ring& ring, UringFile file) : ring_(ring), file_(file) {}
  void submit(BdevIo& io) override;
  void cancel(BdevIo& io) override;

 private:
  /// Reads or writes what is left behind the first `io.scratch` bytes.
  void transfer(BdevIo& io);
  void transferred(BdevIo& io, int32_t result);
  void zero(BdevIo& io);
  void zeroed(BdevIo& io, int32_t result);

  env::Ring& ring_;
  const UringFile file_;
};

}  // namespace capsuled
