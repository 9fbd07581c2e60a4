// Pieces: carries out the operations of one CoreChannel that its backend cannot take whole: those
// above a limit or across a boundary, Compare without the backend's help (read, then compare),
// WriteZeroes without it (write zeros).
//
// Owner and thread: a CoreChannel on its reactor. Pieces come from a fixed pool; an operation with
// blocks left to start stands in a line, served in turn, and goes on as pieces end. Stopping (an
// error, a cancel) starts no more pieces and ends the operation once the started ones ended; the
// first error is its status. Invariant: an operation stands in the line if and only if it has
// blocks left to start, was not stopped, and has fewer than kPiecesPerIoMax pieces with the
// backend; while the line is not empty, some piece of this channel is with the backend, whose end
// serves it.
#pragma once

#include <array>
#include <cstdint>

#include "base/intrusive_list.h"
#include "bdev/bdev.h"
#include "bdev/bdev_geometry.h"
#include "bdev/bdev_io.h"
#include "bdev/spare_buffers.h"

namespace capsuled {

class CoreChannel;

inline constexpr uint32_t kPiecesMax = 32;  ///< of a channel, with its backend at a time
inline constexpr uint32_t kPiecesPerIoMax =
    8;  ///< of one operation: so that others have their turn

/// Of an emulated Compare, in one piece; and what there is always memory for.
inline constexpr uint32_t kCompareBytesMax = kLargeBufferBytes;
inline constexpr uint32_t kCompareReserveBytes = kBlockSizeMax;
static_assert(kCompareBytesMax % kBlockSizeMax == 0 && kCompareReserveBytes % kBlockSizeMax == 0);

class Pieces {
 public:
  explicit Pieces(CoreChannel& channel);
  ~Pieces();
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  void start(BdevIo& io, PieceKind kind);
  /// Loop: the piece ended, with the backend's status.
  void ended(BdevIo& piece_io);
  void cancel(BdevIo& io);

 private:
  struct Piece {
    BdevIo io;  // first: a Piece is found by its BdevIo
    std::array<iovec, kPieceIovMax> iov{};
    IovCursor expected;  ///< CompareByRead: what should have been read
    IoBuffers buffers;   ///< CompareByRead: where it was read to
  };
  static_assert(std::is_standard_layout_v<Piece>);

  bool has_more(const BdevIo& io) const;
  /// Blocks of the next piece of `io`, which has more.
  uint64_t next_count(const BdevIo& io) const;
  /// False: no piece or no memory for it is free now.
  bool start_next(BdevIo& io);
  bool prepare_data(Piece& piece, BdevIo& io);
  BdevStatus compare(Piece& piece) const;
  void free(Piece& piece);
  /// Puts `io` into the line, takes it out, or ends it, as the invariant has it.
  void settle(BdevIo& io);
  void serve_line();

  CoreChannel& channel_;
  const BdevFacts& facts_;
  SpareBuffers compare_buffers_;
  IntrusiveList<BdevIo, &BdevIo::line_node> line_;
  std::array<Piece, kPiecesMax> pieces_;
  std::array<Piece*, kPiecesMax> free_;
  uint32_t free_count_ = kPiecesMax;
};

}  // namespace capsuled
