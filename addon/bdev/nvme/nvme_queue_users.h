// NvmeQueueUsers: the channels of a reactor that share a device's queue, one for each of its
// namespaces that is a bdev. Owner: whoever has the device. Thread: the reactor's.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "bdev/bdev_io.h"
#include "nvme/io_queue_user.h"
#include "wire/status.h"

namespace capsuled {

class NvmeChannel;

class NvmeQueueUsers : public nvme::IoQueueUser {
 public:
  void add(NvmeChannel& channel);
  void remove(NvmeChannel& channel);
  void queue_live(nvme::Qpair& qpair) override;
  void queue_stopped() override;
  /// The controller has not come back: operations fail until it does.
  void give_up();
  /// It may come back after all: operations wait again.
  void hope();

  /// The queue has no room for what this one has. It is asked again when it has, in its turn.
  void wait_for_room(NvmeChannel& channel);
  /// The queue has room.
  void run_lines() {
    if (!for_room_.empty()) [[unlikely]]
      run_waiting();
  }

  /// The controller has answered with a path-related status. True: there may be another way.
  virtual bool path_failed(const nvme::Request& request, wire::Status status) {
    (void)request, (void)status;
    return false;
  }
  /// For so long controllers that were lost may still carry out what they were given, ns.
  virtual uint64_t quiesce_ns() const { return 0; }
  /// An operator wants the device back, which may have been given up for good.
  virtual void revive() {}

 protected:
  bool is_live() const { return qpair_ != nullptr; }

 private:
  void run_waiting();

  std::vector<NvmeChannel*> channels_;
  std::deque<NvmeChannel*> for_room_;  // each of them once, the one that waits longest first
  nvme::Qpair* qpair_ = nullptr;
  bool given_up_ = false;
};

}  // namespace capsuled
