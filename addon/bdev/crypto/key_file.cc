#include "bdev/crypto/key_file.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <span>

namespace capsuled {

namespace {

/// Enough to see what else the file may be: the longest key in hexadecimal digits, and a line feed.
constexpr size_t kReadBytesMax = 2 * XtsKey::kBytesMax + 2;

/// Memory that is wiped when it goes.
struct KeyBytes {
  ~KeyBytes() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  std::array<std::byte, kReadBytesMax> bytes{};
};

std::string octal(uint32_t mode) {
  char text[16];
  std::snprintf(text, sizeof(text), "%04o", mode);
  return text;
}

std::string making(const std::string& path) {
  return "`(umask 077; head -c 64 /dev/urandom > " + path + ")`";
}

BdevError read_error(const KeyFile& file, const Error& error) {
  const std::string& path = file.path;
  switch (error.errnum) {
    case ENOENT:
      if (file.is_credential) {
        return {ENOENT, file.field,
                path + " does not exist; add `LoadCredential=` with this name to the service"};
      }
      return {ENOENT, file.field,
              path +
                  " does not exist; put the key of the disk there, or make one for a new disk: " +
                  making(path)};
    case EISDIR:
    case EINVAL:
      return {error.errnum, file.field,
              "expected a regular file for `" + file.field + "`, got " + path};
    case EACCES:
    case EPERM:
      return {error.errnum, file.field,
              "no permission to read " + path + "; give it to the daemon's user"};
    default:
      return {error.errnum, file.field, path + ": " + error.what + " (" + error.message() + ")"};
  }
}

bool is_text_of_key(std::span<const std::byte> bytes) {
  const auto is_digit = [](std::byte byte) {
    const auto character = static_cast<char>(byte);
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f') ||
           (character >= 'A' && character <= 'F') || character == '\n';
  };
  return bytes.size() >= XtsKey::kBytesMax && std::ranges::all_of(bytes, is_digit);
}

BdevError wrong_length(const KeyFile& file, std::span<const std::byte> bytes) {
  std::string message = "expected 32 or 64 bytes in " + file.path + ", got ";
  message += bytes.size() == kReadBytesMax ? std::to_string(kReadBytesMax) + " or more"
                                           : std::to_string(bytes.size());
  if (is_text_of_key(bytes)) {
    message += "; they look like hexadecimal digits: `xxd -r -p` makes bytes of them";
  } else if (bytes.size() == 33 || bytes.size() == XtsKey::kBytesMax + 1) {
    message += "; a line feed at the end would be a part of the key";
  }
  return {EINVAL, file.field, message};
}

}  // namespace

std::optional<BdevError> check_keeping(const KeyFile& file, const env::FileRead& found) {
  const uint32_t allowed = file.is_credential ? 0740 : 0700;
  if ((found.mode & 0777 & ~allowed) != 0) {
    return BdevError{EACCES, file.field,
                     "expected " + file.path + " to be for its owner alone, found mode " +
                         octal(found.mode) + ": `chmod 600 " + file.path + "`"};
  }
  if (found.owner != found.user && found.owner != 0) {
    return BdevError{EACCES, file.field,
                     "expected " + file.path + " to belong to the daemon's user (" +
                         std::to_string(found.user) + ") or root, found user " +
                         std::to_string(found.owner) + ": `chown " + std::to_string(found.user) +
                         " " + file.path + "`"};
  }
  return std::nullopt;
}

std::variant<XtsKey, BdevError> read_key(env::Env& env, const KeyFile& file) {
  KeyBytes room;
  const Result<env::FileRead> found = env.read_file(file.path, room.bytes);
  if (!found.ok()) return read_error(file, found.error());
  if (auto error = check_keeping(file, found.value())) return *std::move(error);
  const auto bytes = std::span<const std::byte>(room.bytes).first(found.value().bytes);
  if (!XtsKey::has_length(bytes.size())) return wrong_length(file, bytes);
  Result<XtsKey> key = XtsKey::create(bytes);
  if (key.ok()) return std::move(key).value();
  return BdevError{
      EINVAL, file.field,
      "expected a key whose halves differ in " + file.path +
          ", got one whose halves are equal; make one at random: " + making(file.path)};
}

}  // namespace capsuled
