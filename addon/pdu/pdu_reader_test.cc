#include "pdu/pdu_reader.h"

#include <doctest/doctest.h>

#include "pdu/testing/make_pdu.h"
#include "pdu/testing/recording_sink.h"

namespace capsuled::testing {
namespace {

using wire::FatalErrorStatus;

void append(Octets& stream, const Octets& pdu) {
  stream.insert(stream.end(), pdu.begin(), pdu.end());
}

/// ICReq and a few PDUs of every kind and size.
Octets make_stream(Digests digests) {
  Octets stream = make_ic_req(digests);
  for (const size_t bytes : {size_t{0}, size_t{512}, size_t{8192}, size_t{1}, size_t{0}}) {
    append(stream, make_capsule(make_sqe(0x01, 3), pattern(bytes, bytes), digests));
    append(stream, make_h2c_data(1, 2, 3, pattern(bytes + 1, bytes), digests, true));
  }
  append(stream, make_h2c_data(1, 2, 3, pattern(100'000, 4), digests, false));
  return stream;
}

/// ICResp and a few PDUs of every kind and size.
Octets make_controller_stream(Digests digests) {
  Octets stream = make_ic_resp(digests);
  wire::CompletionQueueEntry cqe = {};
  cqe.cid.set(3);
  for (const size_t bytes : {size_t{1}, size_t{512}, size_t{8192}, size_t{0}}) {
    append(stream, make_c2h_data(1, 2, pattern(bytes, bytes), digests, wire::kDataLastPdu));
    append(stream, make_response(cqe, digests));
    append(stream, make_r2t(1, 2, 3, 4, digests));
  }
  append(stream, make_c2h_data(1, 0, pattern(100'000, 4), digests, wire::kDataSuccess));
  append(stream, make_c2h_term_req(FatalErrorStatus::kPduSequenceError));
  return stream;
}

Octets with(Octets octets, size_t offset, int value) {
  octets[offset] = static_cast<std::byte>(value);
  return octets;
}

RecordedError error_of(const Octets& stream) {
  const Reading whole = read_stream(stream, 0, 0);
  for (uint64_t seed = 1; seed < 8; ++seed) CHECK(read_stream(stream, seed, 1) == whole);
  return whole.error;
}

}  // namespace

TEST_CASE("PduReader: any split of the bytes gives the same PDUs") {
  for (const Digests digests :
       {Digests{false, false}, {true, false}, {false, true}, {true, true}}) {
    const Octets stream = make_stream(digests);
    const Reading whole = read_stream(stream, 0, 0);
    REQUIRE(!whole.error.there);
    REQUIRE(whole.pdus.size() == 12);
    CHECK(whole.pdus[11].payload == pattern(100'000, 4));
    for (const RecordedPdu& pdu : whole.pdus) CHECK(pdu.digest == DataDigest::Right);
    uint32_t left_at_hand = 0;
    for (uint64_t seed = 1; seed < 300; ++seed) {
      CAPTURE(seed);
      const Reading split = read_stream(stream, seed, static_cast<uint32_t>(seed % 3));
      REQUIRE(split == whole);
      left_at_hand += split.left_at_hand;
    }
    CHECK(left_at_hand > 100);
  }
}

TEST_CASE("PduReader: a payload is at hand if all of its PDU has come with the header") {
  struct Sink {
    PduVerdict on_header(const PduHeader& header, PayloadCursor*&) {
      at_hand = header.payload_at_hand;
      return PduVerdict::Accept;
    }
    void on_pdu(DataDigest) {}
    void on_error(const PduError&) { FAIL("an error"); }
    const std::byte* at_hand = nullptr;
  };
  for (const bool digest : {false, true}) {
    const Octets capsule = make_capsule(make_sqe(1, 1), pattern(512, 1), {false, digest});
    const size_t header_bytes = sizeof(wire::CapsuleCmdHeader);
    for (const size_t first : {header_bytes, capsule.size() - 1, capsule.size()}) {
      Sink sink;
      PduReader<Sink> reader;
      reader.set_digests(false, digest);
      CHECK(reader.consume(std::span(capsule).first(first), sink) == first);
      CHECK(sink.at_hand == (first == capsule.size() ? capsule.data() + header_bytes : nullptr));
    }
    // A command without data has none, whatever comes behind it.
    Sink sink;
    PduReader<Sink> reader;
    reader.set_digests(false, digest);
    Octets two = make_capsule(make_sqe(1, 1), {}, {false, digest});
    append(two, two);
    CHECK(reader.consume(two, sink) == two.size());
    CHECK(sink.at_hand == nullptr);
  }
}

TEST_CASE("PduReader: any split of a controller's bytes gives the host the same PDUs") {
  for (const Digests digests :
       {Digests{false, false}, {true, false}, {false, true}, {true, true}}) {
    const Octets stream = make_controller_stream(digests);
    const Reading whole = read_stream<PduEnd::Host>(stream, 0, 0);
    REQUIRE(!whole.error.there);
    REQUIRE(whole.pdus.size() == 15);
    CHECK(whole.pdus[7].payload == pattern(8192, 8192));
    CHECK(whole.pdus[13].payload == pattern(100'000, 4));
    for (const RecordedPdu& pdu : whole.pdus) CHECK(pdu.digest == DataDigest::Right);
    for (uint64_t seed = 1; seed < 300; ++seed) {
      CAPTURE(seed);
      const auto stalls = static_cast<uint32_t>(seed % 3);
      REQUIRE(read_stream<PduEnd::Host>(stream, seed, stalls) == whole);
    }
  }
}

TEST_CASE("PduReader: each end takes the PDUs of the other one alone") {
  const auto refused = [](const Reading& reading) {
    return reading.error.there && reading.error.information == 0 &&
           reading.error.status == FatalErrorStatus::kInvalidPduHeaderField;
  };
  CHECK(refused(read_stream<PduEnd::Host>(make_stream({}), 0, 0)));
  CHECK(refused(read_stream<PduEnd::Controller>(make_controller_stream({}), 0, 0)));
}

TEST_CASE("PduReader: every field of the common header is checked") {
  const Octets ic_req = make_ic_req({});
  const auto expect = [](const Octets& pdu, uint32_t offset) {
    Octets stream = make_ic_req({});
    append(stream, pdu);
    const RecordedError error = error_of(stream);
    CAPTURE(offset);
    REQUIRE(error.there);
    CHECK(error.status == FatalErrorStatus::kInvalidPduHeaderField);
    CHECK(error.information == offset);
    CHECK(std::equal(error.header.begin(), error.header.end(), pdu.begin()));
  };
  const Octets capsule = make_capsule(make_sqe(1, 1), pattern(16, 1), {});
  for (const int type : {0x01, 0x03, 0x05, 0x07, 0x08, 0x09, 0x0a, 0xff}) {
    expect(with(capsule, 0, type), 0);
  }
  for (const int flags : {0x01, 0x02, 0x03}) expect(with(capsule, 1, flags), 1);
  for (const int hlen : {0, 8, 71, 73, 128, 255}) expect(with(capsule, 2, hlen), 2);
  for (const int pdo : {0, 68, 71, 73, 74}) expect(with(capsule, 3, pdo), 3);
  for (const int pdo : {88, 92}) expect(with(capsule, 3, pdo), 4);
  expect(with(capsule, 4, 71), 4);
  expect(with(capsule, 4, 0), 4);
  expect(with(ic_req, 4, 127), 4);
  expect(with(ic_req, 4, 129), 4);
  wire::TermReq term = {};
  term.common.type = 2;
  const Octets term_req = make_pdu(octets_of(term), {}, {});
  expect(with(term_req, 4, 24 + 129), 4);
  expect(with(term_req, 4, 23), 4);
}

TEST_CASE("PduReader: digest flags agree with what was negotiated") {
  for (const Digests agreed : {Digests{true, false}, {false, true}, {true, true}}) {
    Octets stream = make_ic_req(agreed);
    append(stream, make_capsule(make_sqe(1, 1), pattern(16, 1), {}));
    const RecordedError error = error_of(stream);
    REQUIRE(error.there);
    CHECK(error.status == FatalErrorStatus::kInvalidPduHeaderField);
    CHECK(error.information == 1);
  }
}

TEST_CASE("PduReader: a wrong header digest ends the stream and is repeated") {
  Octets stream = make_ic_req({true, true});
  append(stream, make_capsule(make_sqe(1, 1), {}, {true, true}));
  stream[128 + 72] ^= std::byte{1};
  const RecordedError error = error_of(stream);
  REQUIRE(error.there);
  CHECK(error.status == FatalErrorStatus::kHeaderDigestError);
  CHECK(error.information ==
        wire::view_as<Le32>(std::span<const std::byte>(stream).subspan(200)).get());
  CHECK(error.header.size() == 72);
}

TEST_CASE("PduReader: a wrong data digest is said, and the stream goes on") {
  Octets stream = make_ic_req({false, true});
  append(stream, make_h2c_data(1, 2, 0, pattern(5000, 1), {false, true}, true));
  stream.back() ^= std::byte{1};
  append(stream, make_h2c_data(1, 2, 0, pattern(5000, 1), {false, true}, true));
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Reading reading = read_stream(stream, seed, 0);
    REQUIRE(reading.pdus.size() == 3);
    CHECK(reading.pdus[1].digest == DataDigest::Wrong);
    CHECK(reading.pdus[2].digest == DataDigest::Right);
  }
}

TEST_CASE("PduReader: padding before the data is skipped") {
  Octets padded = make_capsule(make_sqe(1, 1), pattern(16, 1), {});
  padded.insert(padded.begin() + 72, 24, std::byte{0xaa});
  padded[3] = std::byte{96};
  padded[4] = std::byte{72 + 24 + 16};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Reading reading = read_stream(padded, seed, 0);
    REQUIRE(reading.pdus.size() == 1);
    CHECK(reading.pdus[0].payload == pattern(16, 1));
  }
}

}  // namespace capsuled::testing
