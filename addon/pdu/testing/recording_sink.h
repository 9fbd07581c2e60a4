// RecordingSink: a sink of PduReader that writes down what it is told, places payloads in memory of
// its own or leaves them where they are, and stalls when the test says so. Used by the property
// test and the fuzzer.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/prng.h"
#include "pdu/pdu_reader.h"

namespace capsuled::testing {

struct RecordedPdu {
  wire::PduType type = {};
  uint8_t flags = 0;
  std::vector<std::byte> header;
  std::vector<std::byte> payload;
  DataDigest digest = DataDigest::Right;
  bool placed = false;
  bool operator==(const RecordedPdu&) const = default;
};

struct RecordedError {
  bool there = false;
  wire::FatalErrorStatus status = {};
  uint32_t information = 0;
  std::vector<std::byte> header;
  bool operator==(const RecordedError&) const = default;
};

/// `End`: which end of the connection it is.
template <PduEnd End = PduEnd::Controller>
class RecordingSink {
 public:
  using Reader = PduReader<RecordingSink, End>;
  static constexpr uint32_t kPayloadMax = 256 * 1024;
  /// `segment_seed` decides how memory is cut into iovecs, and which payloads that are at hand stay
  /// there (0: none); every third header stalls `stalls` times.
  explicit RecordingSink(uint64_t segment_seed, uint32_t stalls)
      : prng_(segment_seed), leaves_some_(segment_seed != 0), stalls_(stalls) {}

  PduVerdict on_header(const PduHeader& header, PayloadCursor*& payload) {
    if (pdus.size() % 3 == 2 && stalled_ < stalls_) {
      ++stalled_;
      return PduVerdict::Stall;
    }
    stalled_ = 0;
    pdu_ = {};
    pdu_.type = header.type;
    pdu_.flags = header.flags;
    pdu_.header.assign(header.bytes.begin(), header.bytes.end());
    if (header.type == kInitial) {
      uint8_t dgst = 0;
      if constexpr (End == PduEnd::Controller) {
        dgst = header.template as<wire::IcReq>().dgst;
      } else {
        dgst = header.template as<wire::IcResp>().dgst;
      }
      digests_ = {(dgst & wire::kHdgstEnable) != 0, (dgst & wire::kDdgstEnable) != 0};
    }
    if (header.payload_bytes == 0 || header.payload_bytes > kPayloadMax) return PduVerdict::Accept;
    pdu_.placed = true;
    if (header.payload_at_hand != nullptr && leaves_some_ && prng_.chance(3, 4)) {
      ++left_at_hand;
      iov_ = {{const_cast<std::byte*>(header.payload_at_hand), header.payload_bytes}};
      cursor_ = {iov_.data(), 0};
      payload = &cursor_;
      return PduVerdict::Accept;
    }
    memory_.assign(header.payload_bytes, std::byte{0xee});
    cut();
    cursor_ = {iov_.data(), 0};
    payload = &cursor_;
    return PduVerdict::Accept;
  }
  void on_pdu(DataDigest digest) {
    pdu_.digest = digest;
    if (pdu_.placed) {
      for (const iovec& part : iov_) {
        const auto* const at = static_cast<const std::byte*>(part.iov_base);
        pdu_.payload.insert(pdu_.payload.end(), at, at + part.iov_len);
      }
    }
    pdus.push_back(pdu_);
    if (pdu_.type == kInitial) reader->set_digests(digests_[0], digests_[1]);
  }
  void on_error(const PduError& found) {
    ASSERT(!error.there);
    error = {true, found.status, found.information, {found.header.begin(), found.header.end()}};
  }

  Reader* reader = nullptr;
  std::vector<RecordedPdu> pdus;
  RecordedError error;
  uint32_t left_at_hand = 0;  ///< payloads that were

 private:
  static constexpr wire::PduType kInitial =
      End == PduEnd::Controller ? wire::PduType::kIcReq : wire::PduType::kIcResp;

  void cut() {
    iov_.clear();
    for (size_t offset = 0; offset < memory_.size();) {
      size_t length = memory_.size() - offset;
      if (iov_.size() < 7) length = std::min<size_t>(length, 1 + prng_.below(length));
      iov_.push_back(iovec{memory_.data() + offset, length});
      offset += length;
    }
  }

  Prng prng_;
  bool leaves_some_;
  uint32_t stalls_;
  uint32_t stalled_ = 0;
  std::array<bool, 2> digests_{};
  RecordedPdu pdu_;
  std::vector<std::byte> memory_;
  std::vector<iovec> iov_;
  PayloadCursor cursor_;
};

/// What came of a stream.
struct Reading {
  std::vector<RecordedPdu> pdus;
  RecordedError error;
  uint32_t left_at_hand = 0;
  bool operator==(const Reading& other) const { return pdus == other.pdus && error == other.error; }
};

/// Reads `stream` in pieces that `seed` decides, some of them received in place; seed 0: in one
/// piece.
template <PduEnd End = PduEnd::Controller>
Reading read_stream(std::span<const std::byte> stream, uint64_t seed, uint32_t stalls) {
  Prng prng(seed);
  RecordingSink<End> sink(seed, stalls);
  using Reader = typename RecordingSink<End>::Reader;
  Reader reader;
  sink.reader = &reader;
  while (!stream.empty()) {
    const size_t direct = reader.direct_bytes();
    if (seed != 0 && direct > 0 && prng.chance(1, 2)) {
      std::array<iovec, 33> iov;
      const uint32_t count = reader.direct(iov);
      size_t left = std::min<size_t>({direct, stream.size(), prng.between(1, direct)});
      const size_t total = left;
      for (uint32_t index = 0; index < count && left > 0; ++index) {
        const size_t length = std::min(left, iov[index].iov_len);
        std::memcpy(iov[index].iov_base, stream.data(), length);
        stream = stream.subspan(length);
        left -= length;
      }
      reader.advance_direct(total, sink);
      continue;
    }
    size_t length = stream.size();
    const uint64_t length_max = prng.chance(1, 4) ? 20'000 : 300;
    if (seed != 0) length = std::min<size_t>(length, prng.between(1, 1 + prng.below(length_max)));
    stream = stream.subspan(reader.consume(stream.first(length), sink));
  }
  // What stalled last is offered again until it is taken.
  while (reader.state() == Reader::State::Stalled) (void)reader.consume({}, sink);
  return {std::move(sink.pdus), std::move(sink.error), sink.left_at_hand};
}

}  // namespace capsuled::testing
