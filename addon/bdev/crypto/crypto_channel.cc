#include "bdev/crypto/crypto_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "bdev/core_channel.h"
#include "bdev/iov_cursor.h"
#include "reactor/reactor.h"

namespace capsuled {

namespace {

constexpr uint32_t kSectorBytesMax = 4096;

/// While it has a slot: where that is.
uint64_t& slot_word(BdevIo& io) { return io.channel->frame(io).scratch[0]; }

void gather(IovCursor& from, std::byte* to, size_t bytes) {
  from.walk(bytes, [&to](const std::byte* part, size_t length) {
    std::memcpy(to, part, length);
    to += length;
  });
}

void scatter(const std::byte* from, IovCursor& to, size_t bytes) {
  to.walk(bytes, [&from](std::byte* part, size_t length) {
    std::memcpy(part, from, length);
    from += length;
  });
}

}  // namespace

CryptoChannel::CryptoChannel(Reactor& reactor, const std::shared_ptr<BdevEntry>& base,
                             XtsCipher cipher)
    : LayerChannel(reactor, base, 0),
      block_size_(base->bdev->facts().block_size),
      base_lends_(base->bdev->facts().lends_reads),
      cipher_(std::move(cipher)),
      buffers_(reactor.buffers(), kCryptoBytesMax) {
  ASSERT(cipher_.sector_bytes() <= kSectorBytesMax);
  for (uint32_t index = 0; index < kCryptoSlots; ++index) free_[index] = &slots_[index];
}

CryptoChannel::~CryptoChannel() { ASSERT(free_count_ == kCryptoSlots && line_.empty()); }

uint64_t CryptoChannel::number_of(const BdevIo& io) const {
  return io.offset_blocks * (block_size_ / XtsCipher::kTweakBytes);
}

size_t CryptoChannel::bytes_of(const BdevIo& io) const { return io.count_blocks * block_size_; }

void CryptoChannel::submit(BdevIo& io) {
  if (io.type == BdevIoType::Read && base_lends_) borrow(io);
  if (io.type != BdevIoType::Write) return LayerChannel::submit(io);
  // Behind those that wait already.
  if (!line_.empty() || !start_write(io, io.submitted_ns)) line_.push_back(io);
}

void CryptoChannel::cancel(BdevIo& io) {
  ASSERT(line_.contains(io));
  line_.remove(io);
  bdev_complete(io, BdevStatus::Aborted);
}

bool CryptoChannel::forwarded(BdevIo& io) {
  if (io.type == BdevIoType::Write) {
    end_write(io);
  } else if (io.type == BdevIoType::Read) {
    const bool well = io.lent
                          ? end_borrowed(io)
                          : io.status != BdevStatus::Success || decrypt(io, io.iov, io.iov_count);
    if (!well) io.status = BdevStatus::Failed;
  }
  return true;
}

// ---- Reads with a loan --------------------------------------------------------------------------

/// If that is not to be had now, `io` goes without.
void CryptoChannel::borrow(BdevIo& io) {
  if (free_count_ <= kCryptoSlots / 2) return;
  Slot& slot = *free_[free_count_ - 1];
  slot.iov = std::exchange(io.iov, slot.buffers.iov.data());
  slot.iov_count = io.iov_count;
  if (!base().begin_loan(io)) {
    io.iov = slot.iov;
    io.iov_count = slot.iov_count;
    return;
  }
  --free_count_;
  slot_word(io) = reinterpret_cast<uintptr_t>(&slot);
}

/// False: OpenSSL has failed.
bool CryptoChannel::end_borrowed(BdevIo& io) {
  Slot& slot = *reinterpret_cast<Slot*>(slot_word(io));
  const iovec* const from = std::exchange(io.iov, slot.iov);
  const uint32_t from_count = std::exchange(io.iov_count, slot.iov_count);
  const bool well = io.status != BdevStatus::Success || decrypt(io, from, from_count);
  io.iov = slot.buffers.iov.data();
  io.iov_count = from_count;
  CoreChannel::end_loan(io);
  io.iov = slot.iov;
  io.iov_count = slot.iov_count;
  free_[free_count_++] = &slot;
  serve_line();
  return well;
}

// ---- Writes -------------------------------------------------------------------------------------

bool CryptoChannel::start_write(BdevIo& io, uint64_t submitted_ns) {
  if (free_count_ == 0) return false;
  Slot& slot = *free_[free_count_ - 1];
  const auto bytes = static_cast<uint32_t>(bytes_of(io));
  if (buffers_.get(bytes, slot.buffers) == 0) return false;
  ASSERT_MSG(slot.buffers.count == 1 && slot.buffers.bytes == bytes, "a Write beyond the limit");
  --free_count_;
  if (!encrypt(io, static_cast<std::byte*>(slot.buffers.iov[0].iov_base))) {
    give_back(slot);
    bdev_complete(io, BdevStatus::Failed);
    return true;
  }
  slot.iov = std::exchange(io.iov, slot.buffers.iov.data());
  slot.iov_count = std::exchange(io.iov_count, slot.buffers.count);
  slot.submitted_ns = std::exchange(io.submitted_ns, submitted_ns);
  slot_word(io) = reinterpret_cast<uintptr_t>(&slot);
  LayerChannel::submit(io);
  return true;
}

void CryptoChannel::end_write(BdevIo& io) {
  Slot& slot = *reinterpret_cast<Slot*>(slot_word(io));
  io.iov = slot.iov;
  io.iov_count = slot.iov_count;
  io.submitted_ns = slot.submitted_ns;
  give_back(slot);
  serve_line();
}

void CryptoChannel::give_back(Slot& slot) {
  buffers_.put(slot.buffers);
  free_[free_count_++] = &slot;
}

void CryptoChannel::serve_line() {
  while (!line_.empty()) {
    BdevIo& io = *line_.front();
    // First, because the base may have a line for it.
    line_.remove(io);
    if (!start_write(io, base().now_ns())) return line_.push_front(io);
  }
}

// ---- Data ---------------------------------------------------------------------------------------

// Sectors may lie scattered over iovecs, which may begin and end inside of one.

bool CryptoChannel::encrypt(const BdevIo& io, std::byte* to) {
  const size_t sector = cipher_.sector_bytes();
  uint64_t number = number_of(io);
  IovCursor data(io.iov, io.iov_count);
  for (size_t left = bytes_of(io); left > 0;) {
    const iovec run = data.current();
    const auto* from = static_cast<const std::byte*>(run.iov_base);
    size_t bytes = std::min(left, run.iov_len) / sector * sector;
    if (bytes > 0) {
      data.skip(bytes);
    } else {
      bytes = sector;
      gather(data, to, bytes);
      from = to;
    }
    if (!cipher_.encrypt(number, from, to, bytes)) return false;
    number += bytes / XtsCipher::kTweakBytes;
    to += bytes;
    left -= bytes;
  }
  return true;
}

/// From where the base has put it, or has it, to where it is wanted, which may be the same.
bool CryptoChannel::decrypt(const BdevIo& io, const iovec* from, uint32_t from_count) {
  const size_t sector = cipher_.sector_bytes();
  uint64_t number = number_of(io);
  IovCursor source(from, from_count);
  IovCursor target(io.iov, io.iov_count);
  std::array<std::byte, kSectorBytesMax> scattered;
  for (size_t left = bytes_of(io); left > 0;) {
    const iovec read = source.current();
    const iovec wanted = target.current();
    const auto* in = static_cast<const std::byte*>(read.iov_base);
    auto* out = static_cast<std::byte*>(wanted.iov_base);
    size_t bytes = std::min({left, read.iov_len, wanted.iov_len}) / sector * sector;
    const bool is_scattered = bytes == 0;
    if (is_scattered) {
      bytes = sector;
      in = out = scattered.data();
      gather(source, out, bytes);
    } else {
      source.skip(bytes);
      target.skip(bytes);
    }
    if (!cipher_.decrypt(number, in, out, bytes)) return false;
    if (is_scattered) scatter(out, target, bytes);
    number += bytes / XtsCipher::kTweakBytes;
    left -= bytes;
  }
  return true;
}

}  // namespace capsuled
