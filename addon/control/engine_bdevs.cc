// What the control plane asks of bdevs that are in use.
#include <algorithm>
#include <memory>
#include <utility>

#include "control/engine.h"
#include "control/engine_state.h"
#include "reactor/reactor_stats.h"

namespace capsuled::control {

Result<void> Engine::bdev_recheck(const std::string& name, std::function<void(BdevStatus)> done) {
  auto opened = bdevs_->open(name);
  if (!opened) return opened.error();
  struct Recheck {
    std::unique_ptr<BdevDesc> desc;  // control thread
    BdevIo io;
    CoreChannel* channel = nullptr;
    BdevStatus status = BdevStatus::Failed;
    Join* join = nullptr;
  };
  auto recheck = std::make_shared<Recheck>();
  recheck->desc = std::move(opened).value();
  recheck->join = Join::make(completions_, 1, [recheck, done = std::move(done)] {
    recheck->desc.reset();
    done(recheck->status);
  });
  on_lane(*lanes_.front(), [recheck](Lane& lane) {
    recheck->channel = CoreChannel::acquire(*lane.reactor, recheck->desc->entry());
    BdevIo& io = recheck->io;
    io.type = BdevIoType::Flush;
    io.user = recheck.get();
    io.complete = [](BdevIo& ended) {
      auto& mine = *static_cast<Recheck*>(ended.user);
      mine.status = ended.status;
      mine.channel->release();
      mine.join->arrive();  // the last use: the control thread may forget it at once
    };
    recheck->channel->recheck(io);
  });
  return {};
}

uint64_t Engine::bdev_oldest_ns(BdevEntry& entry) {
  uint64_t oldest_ns = UINT64_MAX;
  for (uint64_t& word : entry.oldest_ns) oldest_ns = std::min(oldest_ns, read_stat(word));
  const uint64_t now_ns = env_->now_ns();
  return oldest_ns < now_ns ? now_ns - oldest_ns : 0;
}

}  // namespace capsuled::control
