#include "bdev/crypto/key_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bdev/crypto/test_keys.h"

namespace capsuled {
namespace {

const KeyFile kFile{"key_file", "/etc/capsuled/safe0.key", false};
const KeyFile kCredential{"key_credential", "/run/credentials/capsuled.service/safe0", true};

env::FileRead found(uint32_t mode, uint32_t owner) {
  return {.bytes = 64, .mode = mode, .owner = owner, .user = 990};
}

struct Folder {
  Folder() { REQUIRE(::mkdtemp(root.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(root); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::variant<XtsKey, BdevError> read(const std::string& content) const {
    const std::string path = root + "/key";
    std::ofstream(path, std::ios::binary) << content;
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
    return read_key(*env, {"key_file", path, false});
  }
  BdevError error(const std::string& content) const { return std::get<BdevError>(read(content)); }
  /// Without the path.
  std::string message(const std::string& content) const {
    std::string text = error(content).message;
    const std::string path = root + "/key";
    for (size_t at = text.find(path); at != std::string::npos; at = text.find(path)) {
      text.replace(at, path.size(), "KEY");
    }
    return text;
  }

  std::string root = "/tmp/capsuled_key_XXXXXX";
  std::unique_ptr<env::Env> env = env::make_linux_env().value();
};

}  // namespace

TEST_CASE("key file: it is its owner's alone, who is the daemon's user or root") {
  for (const uint32_t mode : {0600u, 0400u, 0700u}) {
    CHECK(!check_keeping(kFile, found(mode, 990)));
    CHECK(!check_keeping(kFile, found(mode, 0)));
  }
  for (const uint32_t mode : {0640u, 0604u, 0620u, 0602u, 0644u, 0610u, 0666u, 0440u}) {
    const auto error = check_keeping(kFile, found(mode, 990));
    REQUIRE(error);
    CHECK(error->errnum == EACCES);
    CHECK(error->field == "key_file");
  }
  CHECK(check_keeping(kFile, found(0644, 990))->message ==
        "expected /etc/capsuled/safe0.key to be for its owner alone, found mode 0644: `chmod 600 "
        "/etc/capsuled/safe0.key`");
  CHECK(check_keeping(kFile, found(0600, 1000))->message ==
        "expected /etc/capsuled/safe0.key to belong to the daemon's user (990) or root, found "
        "user 1000: `chown 990 /etc/capsuled/safe0.key`");
}

TEST_CASE("key file: a credential is as systemd makes it") {
  // Of the service's user; or root's, where the user may read it by an access control list, whose
  // mask stands where the group's permissions do.
  CHECK(!check_keeping(kCredential, found(0400, 990)));
  CHECK(!check_keeping(kCredential, found(0440, 0)));
  CHECK(check_keeping(kCredential, found(0444, 0))->field == "key_credential");
  CHECK(check_keeping(kCredential, found(0460, 0)).has_value());
  CHECK(check_keeping(kCredential, found(0400, 1000)).has_value());
}

TEST_CASE("key file: the key is its bytes, whatever they are") {
  const Folder folder;
  for (const size_t count : {32u, 64u}) {
    // Zeros and line feeds are bytes as others are.
    const std::vector<std::byte> bytes = key_bytes(count);
    const auto read = folder.read({reinterpret_cast<const char*>(bytes.data()), count});
    const XtsKey* const key = std::get_if<XtsKey>(&read);
    REQUIRE(key != nullptr);
    CHECK(std::ranges::equal(key->bytes(), bytes));
  }
  // 64 digits are 64 bytes, as they are for cryptsetup.
  const auto read = folder.read("00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef");
  REQUIRE(std::holds_alternative<XtsKey>(read));
  CHECK(std::get<XtsKey>(read).bytes().size() == 64);
}

TEST_CASE("key file: another length is an error that says what it may be instead") {
  const Folder folder;
  CHECK(folder.message("") == "expected 32 or 64 bytes in KEY, got 0");
  CHECK(folder.message(std::string(48, '\1')) == "expected 32 or 64 bytes in KEY, got 48");
  CHECK(folder.message(std::string(65, '\1')) ==
        "expected 32 or 64 bytes in KEY, got 65; a line feed at the end would be a part of the "
        "key");
  CHECK(folder.message(std::string(128, 'a') + "\n") ==
        "expected 32 or 64 bytes in KEY, got 129; they look like hexadecimal digits: `xxd -r -p` "
        "makes bytes of them");
  CHECK(folder.message(std::string(4096, '\1')) ==
        "expected 32 or 64 bytes in KEY, got 130 or more");
  CHECK(folder.error("short").field == "key_file");
}

TEST_CASE("key file: equal halves are an error") {
  const Folder folder;
  CHECK(folder.message(std::string(32, 'x')) ==
        "expected a key whose halves differ in KEY, got one whose halves are equal; make one at "
        "random: `(umask 077; head -c 64 /dev/urandom > KEY)`");
}

TEST_CASE("key file: an error says nothing of what is in the file") {
  const Folder folder;
  for (const size_t count : {1u, 31u, 32u, 33u, 63u, 65u, 128u, 200u}) {
    const std::string secret(count, 'S');
    CHECK(folder.message(secret).find("SS") == std::string::npos);
  }
}

TEST_CASE("key file: what cannot be read is an error that names it") {
  const Folder folder;
  const auto error = [&](const std::string& path, bool is_credential = false) {
    const std::string field = is_credential ? "key_credential" : "key_file";
    return std::get<BdevError>(read_key(*folder.env, {field, path, is_credential}));
  };
  const std::string none = folder.root + "/none";
  CHECK(error(none).errnum == ENOENT);
  CHECK(error(none).message == none +
                                   " does not exist; put the key of the disk there, or make "
                                   "one for a new disk: `(umask 077; head -c 64 /dev/urandom > " +
                                   none + ")`");
  CHECK(error(none, true).message ==
        none + " does not exist; add `LoadCredential=` with this name to the service");
  CHECK(error(folder.root).message == "expected a regular file for `key_file`, got " + folder.root);
  CHECK(error("/dev/urandom").message ==
        "expected a regular file for `key_file`, got /dev/urandom");
  CHECK(error("/etc/passwd/key").errnum == ENOTDIR);
}

}  // namespace capsuled
