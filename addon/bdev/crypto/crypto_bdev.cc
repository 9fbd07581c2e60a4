#include "bdev/crypto/crypto_bdev.h"

#include <cerrno>
#include <utility>
#include <variant>

#include "bdev/bdev_layer.h"
#include "bdev/crypto/crypto_channel.h"
#include "bdev/crypto/key_check.h"
#include "bdev/crypto/key_file.h"

namespace capsuled {

namespace {

constexpr const char* kCipher = "aes-xts-plain64";

class CryptoBdev final : public LayerBdev {
 public:
  CryptoBdev(BdevFacts facts, const CryptoBdevOptions& options, XtsKey key)
      : LayerBdev(std::move(facts), options.base, options.access),
        sector_bytes_(options.sector_bytes),
        key_(std::move(key)) {}

  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override {
    // The factory has made one of this key and size.
    Result<XtsCipher> cipher = XtsCipher::create(key_, sector_bytes_);
    ASSERT_MSG(cipher.ok(), "out of memory");
    return std::make_unique<CryptoChannel>(reactor, base(), std::move(cipher).value());
  }

 private:
  const uint32_t sector_bytes_;
  const XtsKey key_;
};

BdevFacts crypto_facts(const Bdev& base, const std::string& name, const std::string& check) {
  BdevFacts facts = layer_facts(base.facts(), name, "crypto", 0, base.block_count());
  facts.transfer_bytes_max = kCryptoBytesMax;
  // Zeros in the base are no zeros here.
  facts.can_unmap = false;
  facts.can_write_zeroes = false;
  facts.can_compare = false;
  facts.lends_reads = false;
  facts.takes_data_at_once = false;
  facts.found = {{"key_check", check}};
  return facts;
}

/// Where the configuration has it. What is wrong with that is refused in `parameters`.
KeyFile key_file(const env::Env& env, BdevParameters& parameters) {
  const std::string path = parameters.text("key_file");
  const std::string credential = parameters.text("key_credential");
  if (path.empty() == credential.empty()) {
    parameters.refuse("key_file", "expected either `key_file` or `key_credential`, got " +
                                      std::string(path.empty() ? "neither" : "both"));
  }
  if (credential.empty()) return {"key_file", path, false};
  const std::string& directory = env.credentials_directory();
  if (directory.empty()) {
    parameters.refuse("key_credential",
                      "expected $CREDENTIALS_DIRECTORY for `key_credential`, got none; systemd "
                      "sets it for a service with `LoadCredential=" +
                          credential + ":PATH`");
  }
  if (credential.find('/') != std::string::npos) {
    parameters.refuse(
        "key_credential",
        "expected the name of a credential for `key_credential`, got \"" + credential + "\"");
  }
  return {"key_credential", directory + "/" + credential, true};
}

uint32_t sector_size(BdevParameters& parameters) {
  const uint32_t bytes = parameters.small_number("sector_size", 512);
  if (bytes != 512 && bytes != 4096) {
    parameters.refuse("sector_size",
                      "expected 512 or 4096 for `sector_size`, got " + std::to_string(bytes));
  }
  return bytes;
}

BdevResult make(const BdevContext& context, BdevParameters& parameters) {
  const std::string cipher = parameters.text("cipher", kCipher);
  if (cipher != kCipher) {
    parameters.refuse("cipher",
                      std::string("expected ") + kCipher + " for `cipher`, got \"" + cipher + "\"");
  }
  const CryptoBdevOptions options{
      .name = parameters.name(),
      .base = base_of(context, parameters),
      .access = context.claim ? BdevAccess::ExclusiveWriter : BdevAccess::None,
      .sector_bytes = sector_size(parameters),
      .key_check = parameters.text("key_check")};
  const KeyFile file = key_file(context.env, parameters);
  if (auto error = parameters.error()) return *std::move(error);
  std::variant<XtsKey, BdevError> key = read_key(context.env, file);
  if (auto* const error = std::get_if<BdevError>(&key)) return std::move(*error);
  return make_crypto_bdev(options, std::get<XtsKey>(std::move(key)));
}

}  // namespace

BdevResult make_crypto_bdev(const CryptoBdevOptions& options, XtsKey key) {
  const Bdev& base = *options.base->entry()->bdev;
  const uint32_t block_size = base.facts().block_size;
  if (block_size % options.sector_bytes != 0) {
    return BdevError{EINVAL, "sector_size",
                     "expected at most the block size of the base (" + std::to_string(block_size) +
                         " bytes) for `sector_size`, got " + std::to_string(options.sector_bytes) +
                         " bytes; take a smaller one, or give the base larger blocks"};
  }
  const Result<std::string> check = key_check(key);
  if (!check.ok()) return BdevError{check.error().errnum, "cipher", check.error().what};
  if (!options.key_check.empty() && options.key_check != check.value()) {
    return BdevError{EINVAL, "key_check",
                     "expected a key whose check value is \"" + options.key_check +
                         "\" for `key_check`, got one whose is \"" + check.value() + "\""};
  }
  return std::unique_ptr<Bdev>(std::make_unique<CryptoBdev>(
      crypto_facts(base, options.name, check.value()), options, std::move(key)));
}

const BdevKind kCryptoKind{"crypto", make};

}  // namespace capsuled
