// BdevQpair: a bdev in the place of a controller's queue, so that who does I/O on queues does not
// know the difference: each request is one operation of the block layer, and how that ends is told
// as a completion, with the status that a host would see.
//
// It takes Read and Write, of blocks that there are, with data that lie together.
//
// Owner: a BdevLoadPath. Thread: the channel's reactor's, but for the constructor and the
// destructor.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "bdev/bdev_io.h"
#include "nvme/qpair.h"

namespace capsuled {
class CoreChannel;
}

namespace capsuled::perf {

class BdevQpair final : public nvme::Qpair {
 public:
  /// Takes up to `depth` requests at a time.
  explicit BdevQpair(uint32_t depth);
  ~BdevQpair() override;
  BdevQpair(const BdevQpair&) = delete;
  BdevQpair& operator=(const BdevQpair&) = delete;

  /// Where its requests go; null, when nothing is outstanding: nowhere.
  void set_channel(CoreChannel* channel);
  bool submit(nvme::Request& request) override;
  uint32_t outstanding() const override {
    return static_cast<uint32_t>(slots_.size() - free_.size());
  }

 private:
  struct Slot {
    BdevIo io;
    iovec data = {};
    BdevQpair* qpair = nullptr;
    nvme::Request* request = nullptr;
  };

  void ended(Slot& slot);

  CoreChannel* channel_ = nullptr;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
};

}  // namespace capsuled::perf
