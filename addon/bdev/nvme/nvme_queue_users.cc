#include "bdev/nvme/nvme_queue_users.h"

#include <algorithm>

#include "bdev/nvme/nvme_channel.h"

namespace capsuled {

void NvmeQueueUsers::add(NvmeChannel& channel) {
  channels_.push_back(&channel);
  if (given_up_) channel.give_up(BdevStatus::Gone);
  if (qpair_ != nullptr) channel.queue_live(*qpair_);
}

void NvmeQueueUsers::remove(NvmeChannel& channel) {
  std::erase(channels_, &channel);
  std::erase(for_room_, &channel);
}

void NvmeQueueUsers::wait_for_room(NvmeChannel& channel) {
  if (std::ranges::find(for_room_, &channel) == for_room_.end()) for_room_.push_back(&channel);
}

void NvmeQueueUsers::run_waiting() {
  while (!for_room_.empty()) {
    NvmeChannel& next = *for_room_.front();
    for_room_.pop_front();
    // It waits again, then, behind the others.
    if (!next.run_line()) return;
  }
}

void NvmeQueueUsers::queue_live(nvme::Qpair& qpair) {
  qpair_ = &qpair;
  hope();
  for (NvmeChannel* const channel : channels_) channel->queue_live(qpair);
}

void NvmeQueueUsers::queue_stopped() {
  qpair_ = nullptr;
  for (NvmeChannel* const channel : channels_) channel->queue_stopped();
}

void NvmeQueueUsers::give_up() {
  // It may have come back while this was on its way.
  if (qpair_ != nullptr) return;
  given_up_ = true;
  for (NvmeChannel* const channel : channels_) channel->give_up(BdevStatus::Gone);
}

void NvmeQueueUsers::hope() {
  given_up_ = false;
  for (NvmeChannel* const channel : channels_) channel->hope();
}

}  // namespace capsuled
