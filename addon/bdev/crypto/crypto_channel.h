// CryptoChannel: one reactor's part of an encrypted disk.
//
// A Read goes to the base as it is, and is decrypted where it lies when it comes back; or, if the
// base lends, out of the base's own memory, so that nothing is copied. The data of a Write are the
// host's, and stay as they are: they are encrypted into a buffer of the channel's, which goes to
// the base in their place. Until it comes back, a Write, or a Read with a loan, has a slot, which
// keeps what the operation had before. Half of the slots are for Writes alone: a Read goes without
// a loan.
//
// A Write that finds no buffer, or no slot, waits in a line, where cancel() ends it. Invariant:
// while somebody waits, an operation with a slot is with the base, and its end serves the line. It
// holds because the channel has a buffer of its own that is large enough for each Write
// (bdev/spare_buffers.h): if no Write is with the base, that one is free.
//
// Owner and thread: a CoreChannel on its reactor.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/intrusive_list.h"
#include "bdev/bdev_layer.h"
#include "bdev/crypto/xts_cipher.h"
#include "bdev/spare_buffers.h"

namespace capsuled {

/// Of one Read or Write: what one buffer takes.
inline constexpr uint32_t kCryptoBytesMax = kLargeBufferBytes;
/// Writes, and Reads with a loan, of one channel that are with its base at a time.
inline constexpr uint32_t kCryptoSlots = 256;

class CryptoChannel final : public LayerChannel {
 public:
  CryptoChannel(Reactor& reactor, const std::shared_ptr<BdevEntry>& base, XtsCipher cipher);
  ~CryptoChannel() override;
  CryptoChannel(const CryptoChannel&) = delete;
  CryptoChannel& operator=(const CryptoChannel&) = delete;

  void submit(BdevIo& io) override;
  void cancel(BdevIo& io) override;
  /// Nothing: what the base has is not what this one has.
  BdevLoan lends_as() override { return {this, 0}; }
  bool looks_at_ends() const override { return true; }
  bool forwarded(BdevIo& io) override;

 private:
  /// What an operation had when it came.
  struct Slot {
    IoBuffers buffers;  ///< a Write: with what the base is given; a Read: its loan, without buffers
    iovec* iov = nullptr;
    uint32_t iov_count = 0;
    uint64_t submitted_ns = 0;
  };

  /// `submitted_ns`: when the base is to have got it. False: there is no slot or no buffer now.
  bool start_write(BdevIo& io, uint64_t submitted_ns);
  void end_write(BdevIo& io);
  void borrow(BdevIo& io);
  bool end_borrowed(BdevIo& io);
  void give_back(Slot& slot);
  void serve_line();
  bool encrypt(const BdevIo& io, std::byte* to);
  bool decrypt(const BdevIo& io, const iovec* from, uint32_t from_count);
  /// In units of the tweak.
  uint64_t number_of(const BdevIo& io) const;
  size_t bytes_of(const BdevIo& io) const;

  const uint32_t block_size_;
  const bool base_lends_;
  XtsCipher cipher_;
  SpareBuffers buffers_;
  IntrusiveList<BdevIo, &BdevIo::line_node> line_;  ///< Writes that wait
  std::array<Slot, kCryptoSlots> slots_;
  std::array<Slot*, kCryptoSlots> free_;
  uint32_t free_count_ = kCryptoSlots;
};

}  // namespace capsuled
