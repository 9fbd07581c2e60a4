// What AES-XTS alone costs, for data that lie in a near cache: prints it as JSON, a figure for each
// way, size of a transfer, size of a sector and length of a key.
//
//   cipher_speed CORE SECONDS
#include <vector>

#include "bdev/crypto/xts_cipher.h"
#include "socket.h"

namespace capsuled::bench {
namespace {

/// XTS has two keys of as many bits.
XtsKey some_key(uint32_t bits) {
  std::vector<std::byte> bytes(2 * bits / 8);
  for (size_t index = 0; index < bytes.size(); ++index) bytes[index] = std::byte(index);
  return XtsKey::create(bytes).value();
}

/// Nanoseconds of the thread, whatever else runs, for one transfer.
double measure(XtsCipher& cipher, bool encrypts, std::vector<std::byte>& data, double seconds) {
  constexpr uint32_t kAtOnce = 16;
  const auto length_ns = static_cast<uint64_t>(seconds * 1e9);
  const uint64_t begin_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
  uint64_t count = 0;
  uint64_t passed_ns = 0;
  for (; passed_ns < length_ns; passed_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) {
    for (uint32_t turn = 0; turn < kAtOnce; ++turn, ++count) {
      const bool well = encrypts ? cipher.encrypt(count, data.data(), data.data(), data.size())
                                 : cipher.decrypt(count, data.data(), data.data(), data.size());
      if (!well) fail("OpenSSL has failed");
    }
  }
  return static_cast<double>(passed_ns) / static_cast<double>(count);
}

int run(char** argv) {
  pin_to_core(std::atoi(argv[1]));
  const double seconds = std::atof(argv[2]);
  const char* before = "[";
  for (const uint32_t key_bits : {128u, 256u}) {
    const XtsKey key = some_key(key_bits);
    for (const uint32_t sector_bytes : {512u, 4096u}) {
      XtsCipher cipher = XtsCipher::create(key, sector_bytes).value();
      for (const size_t bytes : {4096u, 128u * 1024}) {
        std::vector<std::byte> data(bytes);
        for (const bool encrypts : {false, true}) {
          const double ns = measure(cipher, encrypts, data, seconds);
          std::printf(
              "%s{\"key_bits\":%u,\"sector_bytes\":%u,\"bytes\":%zu,\"way\":\"%s\",\"ns\":%.1f}",
              before, key_bits, sector_bytes, bytes, encrypts ? "encrypt" : "decrypt", ns);
          before = ",\n";
        }
      }
    }
  }
  std::printf("]\n");
  return 0;
}

}  // namespace
}  // namespace capsuled::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: cipher_speed CORE SECONDS\n");
    return 2;
  }
  return capsuled::bench::run(argv);
}
