#include "bdev/crypto/xts_cipher.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

#include "bdev/crypto/key_check.h"
#include "bdev/crypto/test_keys.h"
#include "bdev/crypto/test_xts_vectors.h"

namespace capsuled {
namespace {

using Bytes = std::vector<std::byte>;

Bytes numbered(size_t bytes) {
  Bytes made(bytes);
  for (size_t index = 0; index < bytes; ++index) made[index] = std::byte(index * 7 + index / 256);
  return made;
}

Bytes encrypted(XtsCipher& cipher, uint64_t number, const Bytes& plain) {
  Bytes made(plain.size());
  CHECK(cipher.encrypt(number, plain.data(), made.data(), made.size()));
  return made;
}

}  // namespace

TEST_CASE("AES-XTS: what others have published") {
  for (const XtsVector& vector : kXtsVectors) {
    CAPTURE(vector.name);
    XtsCipher cipher = XtsCipher::create(XtsKey::create(from_hex(vector.key)).value(), 512).value();
    Bytes plain = from_hex(vector.plain);
    if (plain.empty()) plain = key_bytes(512);
    const Bytes expected = from_hex(vector.encrypted);
    CHECK(encrypted(cipher, vector.number, plain) == expected);
    Bytes back = expected;
    CHECK(cipher.decrypt(vector.number, back.data(), back.data(), back.size()));
    CHECK(back == plain);
  }
}

TEST_CASE("AES-XTS: a run of sectors is each of them with its own number, in units of 512 bytes") {
  constexpr uint64_t kFirst = (uint64_t{1} << 40) + 8;
  for (const size_t key : {32u, 64u}) {
    for (const uint32_t sector : {512u, 4096u}) {
      CAPTURE(key);
      CAPTURE(sector);
      XtsCipher cipher = XtsCipher::create(test_key(key), sector).value();
      const Bytes plain = numbered(5 * sector);
      const Bytes run = encrypted(cipher, kFirst, plain);
      for (size_t index = 0; index < 5; ++index) {
        const auto at = static_cast<std::ptrdiff_t>(index * sector);
        const Bytes one(plain.begin() + at, plain.begin() + at + sector);
        const Bytes alone = encrypted(cipher, kFirst + index * sector / 512, one);
        CHECK(std::memcmp(run.data() + at, alone.data(), sector) == 0);
      }
      Bytes back(run.size());
      CHECK(cipher.decrypt(kFirst, run.data(), back.data(), back.size()));
      CHECK(back == plain);
    }
  }
}

TEST_CASE("AES-XTS: the size of a sector is a part of how it is encrypted") {
  XtsCipher small = XtsCipher::create(test_key(), 512).value();
  XtsCipher large = XtsCipher::create(test_key(), 4096).value();
  const Bytes plain = numbered(4096);
  const Bytes first = encrypted(small, 8, plain);
  const Bytes other = encrypted(large, 8, plain);
  CHECK(std::memcmp(first.data(), other.data(), 512) == 0);
  CHECK(std::memcmp(first.data() + 512, other.data() + 512, 512) != 0);
}

TEST_CASE("AES-XTS: encrypting in place is the same as elsewhere") {
  XtsCipher cipher = XtsCipher::create(test_key(), 512).value();
  Bytes bytes = numbered(8192);
  const Bytes expected = encrypted(cipher, 7, bytes);
  CHECK(cipher.encrypt(7, bytes.data(), bytes.data(), bytes.size()));
  CHECK(bytes == expected);
}

TEST_CASE("XtsKey: its halves must differ") {
  for (const size_t count : {32u, 64u}) {
    Bytes bytes = key_bytes(count);
    CHECK(XtsKey::create(bytes).ok());
    std::memcpy(bytes.data() + count / 2, bytes.data(), count / 2);
    CHECK(XtsKey::create(bytes).error().errnum == EINVAL);
    bytes.back() ^= std::byte{1};
    CHECK(XtsKey::create(bytes).ok());
  }
  // Vector 1 of IEEE Std 1619 has such a key.
  CHECK(!XtsKey::create(Bytes(32)).ok());
  CHECK(XtsKey::has_length(32));
  CHECK(XtsKey::has_length(64));
  for (const size_t count : {0u, 16u, 31u, 33u, 48u, 65u, 128u}) {
    CHECK(!XtsKey::has_length(count));
  }
}

TEST_CASE("XtsKey: nothing of it is left where it was") {
  alignas(XtsKey) std::array<std::byte, sizeof(XtsKey)> room{};
  const Bytes bytes = key_bytes(64, 1);
  const auto is_there = [&] { return std::memcmp(room.data(), bytes.data(), bytes.size()) == 0; };
  auto* const key = new (room.data()) XtsKey(test_key(64, 1));
  REQUIRE(is_there());
  const XtsKey moved = std::move(*key);
  CHECK(moved.bytes().size() == 64);
  CHECK(std::memcmp(moved.bytes().data(), bytes.data(), bytes.size()) == 0);
  CHECK(Bytes(room.begin(), room.begin() + 64) == Bytes(64));
  key->~XtsKey();
  auto* const other = new (room.data()) XtsKey(test_key(64, 1));
  REQUIRE(is_there());
  other->~XtsKey();
  CHECK(Bytes(room.begin(), room.begin() + 64) == Bytes(64));
}

TEST_CASE("the check value of a key: one for each key, and always the same") {
  // Made by other means: test/unit/bdev/crypto.test.ts has how.
  CHECK(key_check(test_key(32)).value() == "66f0385dbdc4aa5d");
  CHECK(key_check(test_key(64)).value() == "ec280d58c8863dca");
  CHECK(key_check(test_key(64, 1)).value() != key_check(test_key(64)).value());
}

}  // namespace capsuled
