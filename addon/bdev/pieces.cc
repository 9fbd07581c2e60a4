#include "bdev/pieces.h"

#include <algorithm>
#include <cstring>

#include "bdev/core_channel.h"
#include "bdev/zero_buffer.h"

namespace capsuled {

Pieces::Pieces(CoreChannel& channel)
    : channel_(channel),
      facts_(channel.facts()),
      compare_buffers_(channel.reactor_.buffers(), kCompareReserveBytes) {
  for (uint32_t index = 0; index < kPiecesMax; ++index) free_[index] = &pieces_[index];
}

Pieces::~Pieces() { ASSERT(free_count_ == kPiecesMax && line_.empty()); }

void Pieces::start(BdevIo& io, PieceKind kind) {
  io.set_state(BdevIoState::Pieces);
  io.progress.kind = kind;
  io.progress.outstanding = 0;
  io.progress.blocks_started = 0;
  io.progress.data = IovCursor(io.iov, io.iov_count);
  settle(io);
  serve_line();
}

void Pieces::ended(BdevIo& piece_io) {
  Piece& piece = reinterpret_cast<Piece&>(piece_io);
  BdevIo& io = *piece_io.parent;
  BdevStatus status = piece_io.status;
  if (status == BdevStatus::Success && io.progress.kind == PieceKind::CompareByRead) {
    status = compare(piece);
  }
  if (status != BdevStatus::Success && io.status == BdevStatus::Success) io.status = status;
  free(piece);
  ASSERT(io.progress.outstanding > 0);
  --io.progress.outstanding;
  settle(io);
  serve_line();
}

void Pieces::cancel(BdevIo& io) {
  for (Piece& piece : pieces_) {
    if (piece.io.parent != &io || piece.io.cancel_requested) continue;
    piece.io.cancel_requested = true;
    piece.io.channel->cancel_here(piece.io);
  }
  settle(io);
}

bool Pieces::has_more(const BdevIo& io) const {
  return io.status == BdevStatus::Success && !io.cancel_requested &&
         io.progress.blocks_started < io.count_blocks;
}

void Pieces::settle(BdevIo& io) {
  const bool waits = has_more(io) && io.progress.outstanding < kPiecesPerIoMax;
  if (waits != line_.contains(io)) {
    if (waits) {
      line_.push_back(io);
    } else {
      line_.remove(io);
    }
  }
  if (has_more(io) || io.progress.outstanding > 0) return;
  const bool cut_short = io.progress.blocks_started < io.count_blocks;
  if (io.status == BdevStatus::Success && cut_short) io.status = BdevStatus::Aborted;
  channel_.end(io, io.status);
}

void Pieces::serve_line() {
  while (!line_.empty()) {
    BdevIo& io = *line_.front();
    if (!start_next(io)) return;
    // To the end of the line, if it has more: everyone in turn.
    line_.remove(io);
    settle(io);
  }
}

uint64_t Pieces::next_count(const BdevIo& io) const {
  const uint64_t left = io.count_blocks - io.progress.blocks_started;
  if (io.type == BdevIoType::Unmap) return std::min(left, channel_.unmap_blocks_max_);
  if (io.type == BdevIoType::WriteZeroes && io.progress.kind == PieceKind::Same) {
    return std::min(left, channel_.zero_blocks_max_);
  }
  uint64_t count = std::min(left, channel_.transfer_blocks_max_);
  if (facts_.boundary_blocks != 0) {
    const uint64_t offset = io.offset_blocks + io.progress.blocks_started;
    count = std::min(count, facts_.boundary_blocks - offset % facts_.boundary_blocks);
  }
  if (io.progress.kind == PieceKind::ZeroByWrite) {
    return std::min<uint64_t>(count, kPieceIovMax * kZeroBufferBytes / facts_.block_size);
  }
  if (io.progress.kind == PieceKind::CompareByRead) {
    return std::min<uint64_t>(count, kCompareBytesMax / facts_.block_size);
  }
  const uint64_t room = io.progress.data.bytes_within(kPieceIovMax) / facts_.block_size;
  ASSERT_MSG(room > 0, "one block is scattered over too many iovecs");
  return std::min(count, room);
}

bool Pieces::start_next(BdevIo& io) {
  if (free_count_ == 0) return false;
  Piece& piece = *free_[free_count_ - 1];
  piece.io.type = io.type;
  piece.io.offset_blocks = io.offset_blocks + io.progress.blocks_started;
  piece.io.count_blocks = next_count(io);
  piece.io.force_unit_access = io.force_unit_access;
  piece.io.flow = io.flow;
  if (!prepare_data(piece, io)) return false;
  --free_count_;
  piece.io.channel = &channel_;
  piece.io.above = nullptr;
  piece.io.parent = &io;
  piece.io.submitted_ns = io.submitted_ns;
  piece.io.status = BdevStatus::Success;
  piece.io.cancel_requested = false;
  io.progress.blocks_started += piece.io.count_blocks;
  ++io.progress.outstanding;
  piece.io.set_state(BdevIoState::Backend);
  channel_.backend_->submit(piece.io);
  return true;
}

bool Pieces::prepare_data(Piece& piece, BdevIo& io) {
  piece.io.iov = piece.iov.data();
  piece.io.iov_count = 0;
  const uint64_t bytes = piece.io.count_blocks * facts_.block_size;
  switch (io.progress.kind) {
    case PieceKind::Same:
      if (io.iov_count > 0) piece.io.iov_count = io.progress.data.slice(bytes, piece.iov);
      return true;
    case PieceKind::ZeroByWrite:
      piece.io.type = BdevIoType::Write;
      piece.io.iov_count = zero_slice(bytes, piece.iov);
      return true;
    case PieceKind::CompareByRead: {
      const uint32_t got = compare_buffers_.get(static_cast<uint32_t>(bytes), piece.buffers);
      if (got == 0) return false;
      piece.io.type = BdevIoType::Read;
      piece.io.count_blocks = got / facts_.block_size;
      piece.io.iov_count =
          IovCursor(piece.buffers.iov.data(), piece.buffers.count).slice(got, piece.iov);
      piece.expected = io.progress.data;
      io.progress.data.skip(got);
      return true;
    }
  }
  UNREACHABLE();
}

BdevStatus Pieces::compare(Piece& piece) const {
  bool equal = true;
  IovCursor found(piece.io.iov, piece.io.iov_count);
  piece.expected.walk(piece.io.count_blocks * facts_.block_size,
                      [&](const std::byte* wanted, size_t wanted_length) {
                        found.walk(wanted_length, [&](const std::byte* at, size_t length) {
                          equal = equal && std::memcmp(wanted, at, length) == 0;
                          wanted += length;
                        });
                      });
  return equal ? BdevStatus::Success : BdevStatus::Miscompare;
}

void Pieces::free(Piece& piece) {
  if (piece.buffers.count > 0) compare_buffers_.put(piece.buffers);
  piece.io.set_state(BdevIoState::Idle);
  piece.io.parent = nullptr;
  free_[free_count_++] = &piece;
}

}  // namespace capsuled
