// PduReader: the framing of what the peer sends: bytes in, PDUs out, or the error that ends the
// stream. Both ends of a connection use it: a controller reads ICReq, H2CTermReq, CapsuleCmd and
// H2CData, a host the others.
//
// Pure: no socket, no clock, no allocation. The sink is a template parameter, so nothing is called
// through a pointer:
//
//   PduVerdict on_header(const PduHeader& header, PayloadCursor*& payload);
//     A complete header: its type, HLEN, PDO, PLEN and flags fit together and the header digest is
//     right. Accept: the payload goes to `payload`, or nowhere if it stays null. Stall: there is no
//     place for it now; the same header is offered again by the next consume().
//   void on_pdu(DataDigest digest);
//     The PDU that was accepted last is complete.
//   void on_error(const PduError& error);
//     The stream cannot be read any further; the reader has stopped.
//
// A sink may call stop() and set_digests() from these.
//
// States, and who moves them on:
//   Header    a header is being put together                  consume()
//   Stalled   a complete header waits for a place             consume(), by offering it again
//   Padding   bytes between header and data                   consume()
//   Payload   data                                            consume() or advance_direct()
//   Digest    the data digest                                 consume() or advance_direct()
//   Stopped   everything is thrown away                       nobody
//
// Invariant: `position_` counts the bytes of this PDU that were taken, and lies where the state
// says: header < header_bytes_ <= padding < data_begin_ <= payload < data_end_ <= digest < plen_.
//
// Thread: the owner's. Owner: a connection or a queue pair.
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

/// Where the next byte of a payload goes. The iovecs behind it hold at least what the PDU
/// announces.
struct PayloadCursor {
  const iovec* iov = nullptr;
  size_t filled = 0;  ///< bytes of `*iov` that are there already
};

/// A checked header, valid during the call that gives it.
struct PduHeader {
  wire::PduType type = {};
  uint8_t flags = 0;
  uint32_t payload_bytes = 0;
  std::span<const std::byte> bytes;  ///< HLEN of them
  /// The payload where it lies in the input, if all of the PDU has come with its header; else
  /// null. A cursor that goes there copies nothing, and the bytes stay until consume() returns.
  const std::byte* payload_at_hand = nullptr;

  template <typename T>
  const T& as() const {
    return wire::view_as<T>(bytes);
  }
};

struct PduError {
  wire::FatalErrorStatus status = {};
  uint32_t information = 0;           ///< FEI
  std::span<const std::byte> header;  ///< what is known of the offending one
};

enum class PduVerdict : uint8_t { Accept, Stall };
enum class DataDigest : uint8_t { Right, Wrong };  ///< Right: also when there is none

/// Which end of the connection reads: it decides the PDUs that may come.
enum class PduEnd : uint8_t { Controller, Host };

template <typename Sink, PduEnd End = PduEnd::Controller>
class PduReader {
 public:
  enum class State : uint8_t { Header, Stalled, Padding, Payload, Digest, Stopped };

  /// Takes bytes in order; returns how many. Fewer than given: stalled; the rest is to be given
  /// again with the next call, which may be empty otherwise. A stopped reader takes all.
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

  /// Bytes of payload and data digest that can be received straight to where they belong; 0: use
  /// consume().
  size_t direct_bytes() const {
    return state_ == State::Payload && cursor_ != nullptr ? plen_ - position_ : 0;
  }
  static constexpr uint32_t kDirectIovMax = 33;
  /// The iovecs of all direct_bytes(); returns how many were written to `out`, 0 if it is too
  /// small.
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

  /// Takes nothing seriously any more.
  void stop() { state_ = State::Stopped; }
  /// For the PDUs after this one.
  void set_digests(bool header, bool data) {
    header_digest_ = header;
    data_digest_ = data;
  }
  /// A new stream.
  void reset() { *this = PduReader(); }

  State state() const { return state_; }
  /// Part of a PDU is there, and the rest is the host's to send.
  bool inside_pdu() const {
    return position_ > 0 && state_ != State::Stopped && state_ != State::Stalled;
  }
  /// Length of the PDU that is being read, once its header says so; else 0.
  uint32_t pdu_bytes() const { return position_ >= kCommonBytes ? plen_ : 0; }

 private:
  enum class Kind : uint8_t {
    Unexpected,   ///< not for this end
    Initialize,   ///< a header alone, never with digests
    Terminate,    ///< and the header of the PDU in error, never with digests
    WithData,     ///< digests as agreed
    WithoutData,  ///< a header alone, with its digest if agreed
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
      // The usual case: the header lies in one piece and is read where it is.
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

  /// Moves behind up to `count` bytes, inside one iovec: they come from `from`, or are there if
  /// that is null or the place itself.
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

  /// The common header decides where everything in the PDU lies.
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
    // CPDA is 0: data begin at a multiple of 4.
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

  /// Asks the sink for a place. `at` is the input or the staging area.
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

  /// Finds the state that belongs to the position. In line: each PDU comes here twice.
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
  uint32_t header_bytes_ = 0;  // with header digest; 0: the common header is not there yet
  uint32_t data_begin_ = 0;
  uint32_t data_end_ = 0;
  uint32_t plen_ = 0;
  Crc32c crc_;
  PayloadCursor* cursor_ = nullptr;
  std::array<std::byte, kStagingBytes>
      staging_{};  // a split or stalled header, then the data digest
};

}  // namespace capsuled
