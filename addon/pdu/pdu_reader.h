// PduReader: the framing of what a peer sends: bytes go in, PDUs come out, or the error that ends
// the stream. Both ends of a connection use it: a controller reads ICReq, H2CTermReq, CapsuleCmd
// and H2CData, a host reads the other types.
//
// The reader is pure: it has no socket and no clock, and allocates nothing. Its sink is a template
// parameter, so that no call goes through a pointer. A sink has three functions:
//
//   PduVerdict on_header(const PduHeader& header, PayloadCursor*& payload);
//     The header of a PDU is complete: its type, HLEN, PDO, PLEN and flags fit together, and its
//     digest is right. Accept: the payload goes to `payload`, or is thrown away if `payload` stays
//     null. Stall: the sink has no place for the payload now; the next consume() offers the same
//     header again.
//   void on_pdu(DataDigest digest);
//     The PDU that the sink accepted last is complete.
//   void on_error(const PduError& error);
//     The stream cannot be read any further, and the reader has stopped.
//
// A sink may call stop() and set_digests() inside these functions.
//
// States, and who moves them on:
//   Header    a header is being put together                  consume()
//   Stalled   a complete header waits for a place             consume(), by offering it again
//   Padding   bytes between header and data                   consume()
//   Payload   data                                            consume() or advance_direct()
//   Digest    the data digest                                 consume() or advance_direct()
//   Stopped   everything is thrown away                       nobody
//
// Invariant: `position_` is the number of bytes of this PDU that have been taken, and lies where
// the state says: header < header_bytes_ <= padding < data_begin_ <= payload < data_end_ <= digest
// < plen_.
//
// Owner: a connection or a queue pair. Thread: the owner's.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/assert.h"
#include "base/crc32c.h"
#include "wire/pdu.h"

namespace capsuled {

/// Where the next byte of a payload goes. From `iov` on, the iovecs have room for at least the
/// payload that the PDU announces.
struct PayloadCursor {
  const iovec* iov = nullptr;
  size_t filled = 0;  ///< bytes of `*iov` that are filled already
};

/// A header that has been checked; valid during the call of on_header().
struct PduHeader {
  wire::PduType type = {};
  uint8_t flags = 0;
  uint32_t payload_bytes = 0;
  std::span<const std::byte> bytes;  ///< the header itself, of HLEN bytes
  /// The payload, where it lies in the input, if all of the PDU has come together; else null. The
  /// payload stays there until consume() returns, and a cursor that points there makes the reader
  /// copy nothing.
  const std::byte* payload_at_hand = nullptr;

  template <typename T>
  const T& as() const {
    return wire::view_as<T>(bytes);
  }
};

struct PduError {
  wire::FatalErrorStatus status = {};
  uint32_t information = 0;           ///< FEI
  std::span<const std::byte> header;  ///< the header of the PDU in error, as far as it is known
};

enum class PduVerdict : uint8_t { Accept, Stall };
enum class DataDigest : uint8_t { Right, Wrong };  ///< Right: also if the PDU has no data digest

/// Which end of the connection reads; that end decides which PDUs may come.
enum class PduEnd : uint8_t { Controller, Host };

template <typename Sink, PduEnd End = PduEnd::Controller>
class PduReader {
 public:
  enum class State : uint8_t { Header, Stalled, Padding, Payload, Digest, Stopped };

  /// Takes bytes in the order of the stream, and returns how many it took. Fewer than `bytes` means
  /// that the reader has stalled: the caller gives the rest again in the next call, which is
  /// allowed to have no bytes at all. A reader that has stopped takes all bytes.
  size_t consume(std::span<const std::byte> bytes, Sink& sink) {
    size_t taken = 0;
    if (state_ == State::Stalled) {
      offer(staging_.data(), nullptr, sink);
      check();
      if (state_ == State::Stalled) return 0;
    }
    while (state_ != State::Stopped && taken < bytes.size()) {
      taken += step(bytes.subspan(taken), sink);
      check();
      if (state_ == State::Stalled) return taken;
    }
    return bytes.size();
  }

  /// How many bytes of payload and data digest can be received straight to where they belong; 0: no
  /// bytes can, and the next ones go to consume().
  size_t direct_bytes() const {
    return state_ == State::Payload && cursor_ != nullptr ? plen_ - position_ : 0;
  }
  /// Writes to `out` the iovecs of all direct_bytes(), and returns how many iovecs these are; 0 if
  /// `out` is too small.
  uint32_t direct(std::span<iovec> out) {
    ASSERT(direct_bytes() > 0);
    uint32_t count = 0;
    size_t left = data_end_ - position_;
    size_t filled = cursor_->filled;
    for (const iovec* iov = cursor_->iov; left > 0; ++iov, filled = 0) {
      const size_t length = std::min(left, iov->iov_len - filled);
      if (length == 0) continue;
      if (count == out.size()) return 0;
      out[count++] = iovec{static_cast<std::byte*>(iov->iov_base) + filled, length};
      left -= length;
    }
    if (plen_ > data_end_) {
      if (count == out.size()) return 0;
      out[count++] = iovec{staging_.data(), plen_ - data_end_};
    }
    return count;
  }
  /// `count` of the direct_bytes() have been received into what direct() named.
  void advance_direct(size_t count, Sink& sink) {
    ASSERT(count <= direct_bytes());
    size_t payload = std::min<size_t>(count, data_end_ - position_);
    position_ += static_cast<uint32_t>(count);
    while (payload > 0) {
      const size_t length = advance_cursor(payload, nullptr);
      payload -= length;
    }
    settle(sink);
    check();
  }

  /// Throws away all that comes from now on.
  void stop() { state_ = State::Stopped; }
  /// Says which digests the PDUs after this one have.
  void set_digests(bool header, bool data) {
    header_digest_ = header;
    data_digest_ = data;
  }
  /// Begins a new stream.
  void reset() { *this = PduReader(); }

  State state() const { return state_; }
  /// True: a part of a PDU has come, and the peer has yet to send the rest.
  bool inside_pdu() const {
    return position_ > 0 && state_ != State::Stopped && state_ != State::Stalled;
  }
  /// The length of the PDU that is being read, once its common header has come; before that 0.
  uint32_t pdu_bytes() const { return position_ >= kCommonBytes ? plen_ : 0; }

 private:
  enum class Kind : uint8_t {
    Unexpected,   ///< a PDU that this end must not get
    Initialize,   ///< a header alone, never with a digest
    Terminate,    ///< a header, and behind it that of the PDU in error; never with digests
    WithData,     ///< a header, and data if there are any; each with a digest if that is agreed
    WithoutData,  ///< a header alone, with a digest if that is agreed
  };
  static constexpr Kind kind_of(wire::PduType type) {
    if constexpr (End == PduEnd::Controller) {
      switch (type) {
        case wire::PduType::kIcReq: return Kind::Initialize;
        case wire::PduType::kH2cTermReq: return Kind::Terminate;
        case wire::PduType::kCapsuleCmd:
        case wire::PduType::kH2cData: return Kind::WithData;
        default: return Kind::Unexpected;
      }
    } else {
      switch (type) {
        case wire::PduType::kIcResp: return Kind::Initialize;
        case wire::PduType::kC2hTermReq: return Kind::Terminate;
        case wire::PduType::kC2hData: return Kind::WithData;
        case wire::PduType::kCapsuleResp:
        case wire::PduType::kR2t: return Kind::WithoutData;
        default: return Kind::Unexpected;
      }
    }
  }

  static constexpr uint32_t kCommonBytes = sizeof(wire::PduCommonHeader);
  static constexpr uint32_t kStagingBytes = wire::kHlenMax + wire::kDigestSize;

  size_t step(std::span<const std::byte> bytes, Sink& sink) {
    switch (state_) {
      case State::Header: return take_header(bytes, sink);
      case State::Padding: return take_padding(bytes, sink);
      case State::Payload: return take_payload(bytes, sink);
      case State::Digest: return take_digest(bytes, sink);
      case State::Stalled:
      case State::Stopped: break;
    }
    UNREACHABLE();
  }

  size_t take_header(std::span<const std::byte> bytes, Sink& sink) {
    if (position_ == 0 && bytes.size() >= kCommonBytes) {
      // In the usual case, the header lies in one piece, and is read where it lies.
      if (!check_common(bytes.data(), sink)) return 0;
      if (bytes.size() >= header_bytes_) {
        const size_t size = header_bytes_;
        position_ = header_bytes_;
        const bool whole = data_end_ > data_begin_ && bytes.size() >= plen_;
        finish_header(bytes.data(), whole ? bytes.data() + data_begin_ : nullptr, sink);
        return size;
      }
    }
    const uint32_t target = header_bytes_ == 0 ? kCommonBytes : header_bytes_;
    const auto count = static_cast<uint32_t>(std::min<size_t>(bytes.size(), target - position_));
    std::memcpy(staging_.data() + position_, bytes.data(), count);
    position_ += count;
    if (position_ == target) {
      if (header_bytes_ != 0) {
        finish_header(staging_.data(), nullptr, sink);
      } else {
        (void)check_common(staging_.data(), sink);
      }
    }
    return count;
  }

  size_t take_padding(std::span<const std::byte> bytes, Sink& sink) {
    const size_t count = std::min<size_t>(bytes.size(), data_begin_ - position_);
    position_ += static_cast<uint32_t>(count);
    settle(sink);
    return count;
  }

  size_t take_payload(std::span<const std::byte> bytes, Sink& sink) {
    const size_t total = std::min<size_t>(bytes.size(), data_end_ - position_);
    position_ += static_cast<uint32_t>(total);
    if (cursor_ != nullptr) {
      for (size_t done = 0; done < total;)
        done += advance_cursor(total - done, bytes.data() + done);
    }
    settle(sink);
    return total;
  }

  size_t take_digest(std::span<const std::byte> bytes, Sink& sink) {
    const size_t count = std::min<size_t>(bytes.size(), plen_ - position_);
    std::memcpy(staging_.data() + (position_ - data_end_), bytes.data(), count);
    position_ += static_cast<uint32_t>(count);
    settle(sink);
    return count;
  }

  /// Moves the cursor on by up to `count` bytes, inside one iovec, and returns by how many. The
  /// bytes are copied from `from`; if `from` is null or the place itself, the bytes are there
  /// already.
  size_t advance_cursor(size_t count, const std::byte* from) {
    while (cursor_->filled == cursor_->iov->iov_len) {
      ++cursor_->iov;
      cursor_->filled = 0;
    }
    const size_t length = std::min(count, cursor_->iov->iov_len - cursor_->filled);
    std::byte* const to = static_cast<std::byte*>(cursor_->iov->iov_base) + cursor_->filled;
    if (from != nullptr && from != to) std::memcpy(to, from, length);
    if (data_digest_) crc_.update({to, length});
    cursor_->filled += length;
    return length;
  }

  bool fail(wire::FatalErrorStatus status, uint32_t information, std::span<const std::byte> header,
            Sink& sink) {
    stop();
    sink.on_error(PduError{status, information, header});
    return false;
  }

  /// Checks the common header, which says where everything in the PDU lies. False: it is invalid,
  /// and the reader has stopped.
  bool check_common(const std::byte* at, Sink& sink) {
    const std::span<const std::byte> bytes(at, kCommonBytes);
    const auto& common = wire::view_as<wire::PduCommonHeader>(bytes);
    const auto invalid = [&](size_t offset) {
      return fail(wire::FatalErrorStatus::kInvalidPduHeaderField, static_cast<uint32_t>(offset),
                  bytes, sink);
    };
    const auto type = static_cast<wire::PduType>(common.type);
    const uint32_t plen = common.plen.get();
    const Kind kind = kind_of(type);
    if (kind == Kind::Unexpected) return invalid(offsetof(wire::PduCommonHeader, type));
    const bool digests = kind == Kind::WithData || kind == Kind::WithoutData;
    if (common.hlen != wire::pdu_header_length(type)) {
      return invalid(offsetof(wire::PduCommonHeader, hlen));
    }
    const bool header_digest = digests && header_digest_;
    const bool data_digest = digests && data_digest_;
    if (digests && ((common.flags & wire::kHdgstf) != 0) != header_digest) {
      return invalid(offsetof(wire::PduCommonHeader, flags));
    }
    type_ = type;
    flags_ = common.flags;
    plen_ = plen;
    header_bytes_ = common.hlen + (header_digest ? wire::kDigestSize : 0);
    if (plen < header_bytes_) return invalid(offsetof(wire::PduCommonHeader, plen));
    if ((kind == Kind::Initialize || kind == Kind::WithoutData) && plen != header_bytes_) {
      return invalid(offsetof(wire::PduCommonHeader, plen));
    }
    if (kind == Kind::Terminate && plen > header_bytes_ + wire::kTermReqDataMax) {
      return invalid(offsetof(wire::PduCommonHeader, plen));
    }
    if (!digests || plen == header_bytes_) {
      if (digests && !data_digest && (common.flags & wire::kDdgstf) != 0) {
        return invalid(offsetof(wire::PduCommonHeader, flags));
      }
      data_begin_ = header_bytes_;
      data_end_ = plen;
      return true;
    }
    if (((common.flags & wire::kDdgstf) != 0) != data_digest) {
      return invalid(offsetof(wire::PduCommonHeader, flags));
    }
    const uint32_t digest_bytes = data_digest ? wire::kDigestSize : 0;
    // The alignment that both ends agree on (CPDA, HPDA) is 0, so data begin at a multiple of 4.
    if (common.pdo < header_bytes_ || common.pdo % 4 != 0) {
      return invalid(offsetof(wire::PduCommonHeader, pdo));
    }
    if (plen <= common.pdo + digest_bytes) return invalid(offsetof(wire::PduCommonHeader, plen));
    data_begin_ = common.pdo;
    data_end_ = plen - digest_bytes;
    return true;
  }

  void finish_header(const std::byte* at, const std::byte* payload_at_hand, Sink& sink) {
    const uint32_t hlen = wire::pdu_header_length(type_);
    if (header_bytes_ > hlen) {
      const std::span<const std::byte> header(at, hlen);
      const auto& digest = wire::view_as<Le32>(std::span(at + hlen, wire::kDigestSize));
      if (crc32c(header) != digest.get()) {
        (void)fail(wire::FatalErrorStatus::kHeaderDigestError, digest.get(), header, sink);
        return;
      }
    }
    offer(at, payload_at_hand, sink);
  }

  /// Asks the sink for a place for the payload. `at` is where the header lies: in the input or in
  /// the staging area.
  void offer(const std::byte* at, const std::byte* payload_at_hand, Sink& sink) {
    cursor_ = nullptr;
    crc_.reset();
    const PduHeader header{type_, flags_, data_end_ - data_begin_,
                           std::span(at, wire::pdu_header_length(type_)), payload_at_hand};
    const PduVerdict verdict = sink.on_header(header, cursor_);
    if (state_ == State::Stopped) return;
    if (verdict == PduVerdict::Stall) {
      if (at != staging_.data()) std::memcpy(staging_.data(), at, header_bytes_);
      state_ = State::Stalled;
      return;
    }
    settle(sink);
  }

  /// Enters the state that belongs to the position. In line: each PDU comes here twice.
  [[gnu::always_inline]] void settle(Sink& sink) {
    if (position_ < data_begin_) {
      state_ = State::Padding;
    } else if (position_ < data_end_) {
      state_ = State::Payload;
    } else if (position_ < plen_) {
      state_ = State::Digest;
    } else {
      finish_pdu(sink);
    }
  }

  void finish_pdu(Sink& sink) {
    DataDigest digest = DataDigest::Right;
    if (plen_ > data_end_ && cursor_ != nullptr) {
      const auto& received = wire::view_as<Le32>(std::span<const std::byte>(staging_));
      if (received.get() != crc_.value()) digest = DataDigest::Wrong;
    }
    state_ = State::Header;
    position_ = 0;
    header_bytes_ = 0;
    cursor_ = nullptr;
    sink.on_pdu(digest);
  }

  void check() const {
    switch (state_) {
      case State::Header:
        ASSERT(position_ < (header_bytes_ == 0 ? kCommonBytes : header_bytes_) ||
               (position_ == kCommonBytes && header_bytes_ > kCommonBytes));
        return;
      case State::Stalled: ASSERT(position_ == header_bytes_); return;
      case State::Padding: ASSERT(header_bytes_ <= position_ && position_ < data_begin_); return;
      case State::Payload: ASSERT(data_begin_ <= position_ && position_ < data_end_); return;
      case State::Digest: ASSERT(data_end_ <= position_ && position_ < plen_); return;
      case State::Stopped: return;
    }
  }

  State state_ = State::Header;
  wire::PduType type_ = {};
  uint8_t flags_ = 0;
  bool header_digest_ = false;
  bool data_digest_ = false;
  uint32_t position_ = 0;
  uint32_t header_bytes_ = 0;  // header and its digest; 0: the common header has not come yet
  uint32_t data_begin_ = 0;
  uint32_t data_end_ = 0;
  uint32_t plen_ = 0;
  Crc32c crc_;
  PayloadCursor* cursor_ = nullptr;
  // A header that comes in pieces or has stalled; after the header, the data digest.
  std::array<std::byte, kStagingBytes> staging_{};
};

}  // namespace capsuled
