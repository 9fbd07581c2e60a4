// What the control plane asks of bdevs that are in use.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "bdev/bdev_kinds.h"
#include "bdev/reactor_channels.h"
#include "control/engine.h"
#include "control/engine_state.h"
#include "reactor/reactor_stats.h"

namespace capsuled::control {

namespace {

/// As direct I/O on any device needs it.
constexpr std::align_val_t kAlignment{4096};

struct FreeAligned {
  void operator()(std::byte* bytes) const { ::operator delete(bytes, kAlignment); }
};

}  // namespace

/// One operation of the control thread. Made and forgotten there; between, the reactor's.
struct Engine::ControlIo {
  std::shared_ptr<BdevDesc> bdev;
  BdevIo io;
  bool recheck = false;
  std::unique_ptr<std::byte, FreeAligned> memory;
  iovec data = {};
  CoreChannel* channel = nullptr;
  BdevStatus status = BdevStatus::Failed;
  Join* join = nullptr;

  ControlIo(std::shared_ptr<BdevDesc> on, BdevIoType type) : bdev(std::move(on)) {
    io.type = type;
    io.user = this;
    io.complete = [](BdevIo& ended) {
      auto& mine = *static_cast<ControlIo*>(ended.user);
      mine.status = ended.status;
      mine.channel->release();
      mine.join->arrive();  // the last use: the control thread may forget it at once
    };
  }
  /// Memory for these blocks.
  void take_blocks(uint64_t first_block, uint64_t count_blocks) {
    io.offset_blocks = first_block;
    io.count_blocks = count_blocks;
    data.iov_len = count_blocks * bdev->entry()->bdev->facts().block_size;
    memory.reset(static_cast<std::byte*>(::operator new(data.iov_len, kAlignment)));
    data.iov_base = memory.get();
    io.iov = &data;
    io.iov_count = 1;
  }
};

void Engine::begin(std::shared_ptr<ControlIo> io, Done done) {
  // `done` may have the last share of the bdev: on the control thread.
  io->join = Join::make(completions_, 1, [io, done = std::move(done)] { done(); });
  on_lane(*lanes_.front(), [io = std::move(io)](Lane& lane) {
    io->channel = CoreChannel::acquire(*lane.reactor, io->bdev->entry());
    if (io->recheck) {
      io->channel->recheck(io->io);
    } else {
      io->channel->submit(io->io);
    }
  });
}

Result<void> Engine::bdev_recheck(const std::string& name, std::function<void(BdevStatus)> done) {
  auto opened = bdevs_->open(name);
  if (!opened) return opened.error();
  auto io = std::make_shared<ControlIo>(std::move(opened).value(), BdevIoType::Flush);
  io->recheck = true;
  begin(io, [io, done = std::move(done)] {
    io->bdev.reset();
    done(io->status);
  });
  return {};
}

void Engine::bdev_read(std::shared_ptr<BdevDesc> bdev, uint64_t first_block, uint64_t count_blocks,
                       std::function<void(BdevStatus, std::vector<std::byte>)> done) {
  auto io = std::make_shared<ControlIo>(std::move(bdev), BdevIoType::Read);
  io->take_blocks(first_block, count_blocks);
  begin(io, [io, done = std::move(done)] {
    io->bdev.reset();
    std::vector<std::byte> bytes;
    if (io->status == BdevStatus::Success) {
      bytes.assign(io->memory.get(), io->memory.get() + io->data.iov_len);
    }
    done(io->status, std::move(bytes));
  });
}

void Engine::bdev_write(std::shared_ptr<BdevDesc> bdev, uint64_t first_block,
                        std::span<const std::byte> bytes, std::function<void(BdevStatus)> done) {
  const uint32_t block_size = bdev->entry()->bdev->facts().block_size;
  ASSERT(bytes.size() % block_size == 0);
  auto io = std::make_shared<ControlIo>(std::move(bdev), BdevIoType::Write);
  io->take_blocks(first_block, bytes.size() / block_size);
  std::ranges::copy(bytes, io->memory.get());
  begin(io, [io, done = std::move(done)] {
    io->bdev.reset();
    done(io->status);
  });
}

void Engine::bdev_provide(BaseReads& reads, std::function<void()> done) {
  ASSERT(reads.wanted().has_value());
  const auto& [base, first_block, count_blocks] = *reads.wanted();
  bdev_read(base, first_block, count_blocks,
            [&reads, done = std::move(done)](BdevStatus status, std::vector<std::byte> bytes) {
              if (status == BdevStatus::Success) {
                reads.provide(std::move(bytes));
              } else {
                reads.fail(status);
              }
              done();
            });
}

void Engine::tell_channels(const std::shared_ptr<BdevEntry>& entry,
                           void (ReactorChannels::*what)(const BdevEntry& entry)) {
  for (const auto& lane : lanes_) {
    on_lane(*lane, [entry, what](Lane& on) { (ReactorChannels::of(*on.reactor).*what)(*entry); });
  }
}

std::optional<BdevError> Engine::bdev_change(const std::string& name, BdevParameters parameters) {
  const std::shared_ptr<BdevEntry> entry = bdevs_->find(name);
  if (entry == nullptr) return BdevError{ENOENT, "name", "there is no bdev of that name"};
  auto error = change_bdev(*entry->bdev, std::move(parameters));
  if (!error.has_value()) tell_channels(entry, &ReactorChannels::changed);
  return error;
}

void Engine::bdev_let_go(const std::string& name) {
  const std::shared_ptr<BdevEntry> entry = bdevs_->find(name);
  if (entry != nullptr) tell_channels(entry, &ReactorChannels::let_go);
}

Result<void> Engine::bdev_grow(const std::string& name, Done done) {
  if (bdevs_->find(name) == nullptr) return Error{ENOENT, "there is no bdev of that name"};
  if (!bdevs_->grow(name)) {
    completions_.push(std::move(done));
    return {};
  }
  on_each(std::move(done), [](Lane& lane, Join& join) {
    // From below: nobody is given a block that those under it do not have.
    ReactorChannels::of(*lane.reactor).refresh();
    for (const auto& [number, table] : lane.tables) table->grow();
    for (const auto& [number, view] : lane.views) view.namespaces->grow();
    join.arrive();
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
