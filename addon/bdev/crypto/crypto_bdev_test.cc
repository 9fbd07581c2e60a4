#include "bdev/crypto/crypto_bdev.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bdev/bdev_kinds.h"
#include "bdev/crypto/test_keys.h"
#include "bdev/split/split_bdev.h"
#include "bdev/test_bdev.h"

namespace capsuled {
namespace {

using Values = std::map<std::string, BdevValue>;

constexpr uint64_t kBlocks = 100;
constexpr const char* kCheck = "ec280d58c8863dca";  ///< of test_key()

struct Bench {
  explicit Bench(uint32_t block_size = 512) : Bench(make_facts(block_size)) {}
  explicit Bench(BdevFacts facts) {
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    write("key", key_bytes(64));
    REQUIRE(registry.add(std::make_unique<TestBdev>(std::move(facts))).ok());
  }
  ~Bench() { std::filesystem::remove_all(folder); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  static BdevFacts make_facts(uint32_t block_size) {
    BdevFacts facts = test_facts(kBlocks);
    facts.block_size = block_size;
    return facts;
  }
  std::string path(const std::string& name) const { return folder + "/" + name; }
  void write(const std::string& name, const std::vector<std::byte>& bytes) const {
    std::ofstream(path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    REQUIRE(::chmod(path(name).c_str(), 0600) == 0);
  }
  BdevResult make(Values values, const std::string& without = "") {
    values.emplace("base", "test0");
    values.emplace("key_file", path("key"));
    values.erase(without);
    BdevContext context{.env = *env};
    context.bases.emplace("test0", registry.open("test0").value());
    return make_bdev(context, {"safe", "crypto", std::move(values)});
  }
  /// What it is; it is gone again.
  BdevFacts facts_of(Values values, const std::string& without = "") {
    REQUIRE(registry.add(std::move(make(std::move(values), without)).value()).ok());
    BdevFacts facts = registry.find("safe")->bdev->facts();
    REQUIRE(registry.take("safe").ok());
    return facts;
  }
  BdevError error(Values values, const std::string& without = "") {
    const BdevResult made = make(std::move(values), without);
    REQUIRE_FALSE(made.ok());
    return made.error();
  }

  std::string folder = "/tmp/capsuled_crypto_XXXXXX";
  std::unique_ptr<env::Env> env = env::make_linux_env().value();
  BdevRegistry registry{1};
};

}  // namespace

TEST_CASE("crypto: it has the blocks of its base, and says which key it has") {
  BdevFacts base = Bench::make_facts(4096);
  base.volatile_cache = true;
  base.read_only = true;
  base.has_device = true;
  base.buffer_alignment = 512;
  base.optimal_write_blocks = 4;
  base.lends_reads = true;
  base.takes_data_at_once = true;
  Bench bench(base);
  const BdevFacts facts = bench.facts_of({{"cipher", "aes-xts-plain64"}});
  CHECK(facts.name == "safe");
  CHECK(facts.kind == "crypto");
  CHECK(facts.block_size == 4096);
  CHECK(facts.block_count == kBlocks);
  CHECK(facts.volatile_cache);
  CHECK(facts.read_only);
  CHECK(facts.has_device);
  CHECK(facts.buffer_alignment == 512);
  CHECK(facts.optimal_write_blocks == 4);
  CHECK(!facts.lends_reads);
  CHECK(!facts.takes_data_at_once);
  CHECK(!facts.can_unmap);
  CHECK(!facts.can_write_zeroes);
  CHECK(!facts.can_compare);
  CHECK(facts.transfer_bytes_max == 128 * 1024);
  CHECK(facts.found == std::map<std::string, std::string>{{"key_check", kCheck}});
}

TEST_CASE("crypto: it has all of its base to itself") {
  Bench bench;
  REQUIRE(bench.registry.add(std::move(bench.make({})).value()).ok());
  const auto other = [&] {
    return make_split_bdev(
               {.name = "part", .base = bench.registry.open("test0").value(), .bytes = 512})
        .value();
  };
  CHECK(bench.registry.add(other()).error().errnum == EBUSY);
  REQUIRE(bench.registry.take("safe").ok());
  CHECK(bench.registry.add(other()).ok());
}

TEST_CASE("crypto: sectors are not larger than the blocks of the base") {
  CHECK(Bench(512).facts_of({{"sector_size", uint64_t{512}}}).block_size == 512);
  CHECK(Bench(4096).facts_of({{"sector_size", uint64_t{512}}}).block_size == 4096);
  CHECK(Bench(4096).facts_of({{"sector_size", uint64_t{4096}}}).block_size == 4096);
  const BdevError error = Bench(512).error({{"sector_size", uint64_t{4096}}});
  CHECK(error.field == "sector_size");
  CHECK(error.message ==
        "expected at most the block size of the base (512 bytes) for `sector_size`, got 4096 "
        "bytes; take a smaller one, or give the base larger blocks");
  for (const uint64_t bytes : {0u, 1u, 256u, 1024u, 8192u}) {
    CHECK(Bench(4096).error({{"sector_size", bytes}}).field == "sector_size");
  }
}

TEST_CASE("crypto: another key than the one that is expected is refused") {
  Bench bench;
  CHECK(bench.facts_of({{"key_check", kCheck}}).found.at("key_check") == kCheck);
  bench.write("key", key_bytes(64, 1));
  const BdevError error = bench.error({{"key_check", kCheck}});
  CHECK(error.field == "key_check");
  CHECK(error.errnum == EINVAL);
  CHECK(error.message.starts_with(
      "expected a key whose check value is \"ec280d58c8863dca\" for `key_check`, got one whose is "
      "\""));
  CHECK(bench.facts_of({}).found.at("key_check") != kCheck);
}

TEST_CASE("crypto: the key is in one of two places") {
  Bench bench;
  CHECK(bench.error({}, "key_file").message ==
        "expected either `key_file` or `key_credential`, got neither");
  CHECK(bench.error({{"key_credential", "safe0"}}).message ==
        "expected either `key_file` or `key_credential`, got both");
  CHECK(bench.error({{"key_file", bench.path("none")}}).errnum == ENOENT);
  CHECK(bench.error({{"cipher", "aes-cbc-essiv:sha256"}}).message ==
        "expected aes-xts-plain64 for `cipher`, got \"aes-cbc-essiv:sha256\"");
  CHECK(bench.error({{"base", "test1"}}).field == "base");
}

TEST_CASE("crypto: a credential is where the service manager says") {
  Bench bench;
  CHECK(bench.error({{"key_credential", "key"}}, "key_file").message ==
        "expected $CREDENTIALS_DIRECTORY for `key_credential`, got none; systemd sets it for a "
        "service with `LoadCredential=key:PATH`");
  REQUIRE(::setenv("CREDENTIALS_DIRECTORY", bench.folder.c_str(), 1) == 0);
  bench.env = env::make_linux_env().value();
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
  CHECK(bench.facts_of({{"key_credential", "key"}}, "key_file").found.at("key_check") == kCheck);
  CHECK(bench.error({{"key_credential", "none"}}, "key_file").errnum == ENOENT);
  CHECK(bench.error({{"key_credential", "../key"}}, "key_file").message ==
        "expected the name of a credential for `key_credential`, got \"../key\"");
}

}  // namespace capsuled
