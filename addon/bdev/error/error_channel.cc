#include "bdev/error/error_channel.h"

#include <algorithm>
#include <utility>

#include "bdev/core_channel.h"
#include "bdev/iov_cursor.h"

namespace capsuled {

namespace {

/// What an operation's frame remembers of what was done to it, in scratch[0]; an Altered is in
/// scratch[1].
enum Deed : uint64_t { kNothing, kCorruptRead, kAltered };

constexpr std::byte kWrongBits{0xff};

}  // namespace

ErrorChannel::ErrorChannel(Reactor& reactor, const std::shared_ptr<BdevEntry>& base,
                           const Changeable<Table>& faults, uint64_t seed, uint32_t block_size)
    : LayerChannel(reactor, base, 0), faults_(faults), prng_(seed), block_size_(block_size) {}

ErrorChannel::~ErrorChannel() { ASSERT(hanging_.empty()); }

void ErrorChannel::submit(BdevIo& io) {
  io.channel->frame(io).scratch[0] = kNothing;
  const Fault* const fault = faults_.get()->strike(io, prng_);
  if (fault == nullptr) return forward(io);
  strike(io, *fault);
}

void ErrorChannel::strike(BdevIo& io, const Fault& fault) {
  switch (fault.action) {
    case FaultAction::Status: return bdev_complete(io, fault.status);
    case FaultAction::Hang:
      if (going_) return bdev_complete(io, BdevStatus::Aborted);
      return hanging_.push_back(io);
    case FaultAction::Corrupt:
      if (io.type == BdevIoType::Write) return corrupt_write(io);
      io.channel->frame(io).scratch[0] = kCorruptRead;
      return forward(io);
    case FaultAction::Torn: return tear(io);
  }
  UNREACHABLE();
}

/// The data of a write belong to who sent it: what is changed is a copy.
ErrorChannel::Altered& ErrorChannel::alter(BdevIo& io) {
  auto* const altered = new Altered;
  altered->iov = io.iov;
  altered->iov_count = io.iov_count;
  altered->count_blocks = io.count_blocks;
  BdevFrame& frame = io.channel->frame(io);
  frame.scratch = {kAltered, reinterpret_cast<uint64_t>(altered)};
  return *altered;
}

void ErrorChannel::corrupt_write(BdevIo& io) {
  Altered& altered = alter(io);
  IovCursor(io.iov, io.iov_count)
      .walk(io.count_blocks * block_size_, [&](const std::byte* from, size_t length) {
        altered.bytes.insert(altered.bytes.end(), from, from + length);
      });
  altered.bytes[prng_.below(altered.bytes.size())] ^= kWrongBits;
  altered.data = {altered.bytes.data(), altered.bytes.size()};
  io.iov = &altered.data;
  io.iov_count = 1;
  forward(io);
}

void ErrorChannel::tear(BdevIo& io) {
  const uint64_t count_blocks = io.count_blocks / 2;
  if (count_blocks == 0) return bdev_complete(io, BdevStatus::Success);
  Altered& altered = alter(io);
  if (io.type == BdevIoType::Write) {
    IovCursor(io.iov, io.iov_count)
        .walk(count_blocks * block_size_, [&](const std::byte* from, size_t length) {
          altered.bytes.insert(altered.bytes.end(), from, from + length);
        });
    altered.data = {altered.bytes.data(), altered.bytes.size()};
    io.iov = &altered.data;
    io.iov_count = 1;
  }
  io.count_blocks = count_blocks;
  forward(io);
}

bool ErrorChannel::forwarded(BdevIo& io) {
  BdevFrame& frame = io.channel->frame(io);
  if (frame.scratch[0] == kCorruptRead) {
    if (io.status == BdevStatus::Success) corrupt_read(io);
  } else if (frame.scratch[0] == kAltered) {
    const std::unique_ptr<Altered> altered(reinterpret_cast<Altered*>(frame.scratch[1]));
    io.iov = altered->iov;
    io.iov_count = altered->iov_count;
    io.count_blocks = altered->count_blocks;
  }
  return true;
}

void ErrorChannel::corrupt_read(BdevIo& io) {
  uint64_t left = prng_.below(io.count_blocks * block_size_);
  for (uint32_t index = 0; index < io.iov_count; ++index) {
    const iovec& part = io.iov[index];
    if (left < part.iov_len) {
      static_cast<std::byte*>(part.iov_base)[left] ^= kWrongBits;
      return;
    }
    left -= part.iov_len;
  }
}

void ErrorChannel::parameters_changed() {
  std::vector<BdevIo*> free;
  hanging_.for_each([&](BdevIo& io) {
    if (!faults_.get()->hangs(io)) free.push_back(&io);
  });
  for (BdevIo* const io : free) {
    hanging_.remove(*io);
    // The time that it was kept is not the base's.
    io->submitted_ns = io->channel->now_ns();
    forward(*io);
  }
}

void ErrorChannel::let_go() {
  going_ = true;
  while (!hanging_.empty()) {
    BdevIo& io = *hanging_.front();
    hanging_.remove(io);
    bdev_complete(io, BdevStatus::Aborted);
  }
}

uint64_t ErrorChannel::oldest_ns() const {
  uint64_t oldest_ns = UINT64_MAX;
  hanging_.for_each([&](const BdevIo& io) { oldest_ns = std::min(oldest_ns, io.submitted_ns); });
  return oldest_ns;
}

}  // namespace capsuled
