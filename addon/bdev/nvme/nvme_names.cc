#include "bdev/nvme/nvme_names.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>

namespace capsuled {
namespace {

template <typename Bytes>
bool is_there(const Bytes& identifier) {
  return std::ranges::any_of(identifier, [](uint8_t byte) { return byte != 0; });
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    std::array<char, 3> pair{};
    std::snprintf(pair.data(), pair.size(), "%02x", byte);
    text += pair.data();
  }
  return text;
}

/// "00112233-4455-6677-8899-aabbccddeeff"
std::string uuid_text(std::span<const uint8_t, 16> bytes) {
  std::string text = hex(bytes);
  for (const size_t at : {8u, 13u, 18u, 23u}) text.insert(at, "-");
  return text;
}

}  // namespace

bool nvme_has_identifier(const nvme::NamespaceFacts& facts) {
  return is_there(facts.uuid) || is_there(facts.nguid) || is_there(facts.eui64);
}

std::string nvme_identity_text(const nvme::NamespaceFacts& facts) {
  if (is_there(facts.uuid)) return "UUID " + uuid_text(facts.uuid);
  if (is_there(facts.nguid)) return "NGUID " + hex(facts.nguid);
  if (is_there(facts.eui64)) return "EUI-64 " + hex(facts.eui64);
  return "serial number " + facts.serial;
}

std::string nvme_hex(const std::string& text) {
  return hex({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

env::DeviceNames nvme_names(const nvme::NamespaceFacts& facts, const std::string& otherwise) {
  env::DeviceNames names;
  const bool has_uuid = is_there(facts.uuid);
  const bool has_nguid = is_there(facts.nguid);
  if (has_uuid || has_nguid) {
    names.emplace_back("uuid", uuid_text(has_uuid ? facts.uuid : facts.nguid));
  }
  if (has_nguid) names.emplace_back("nguid", uuid_text(facts.nguid));
  std::string wwid = otherwise;
  if (has_uuid) {
    wwid = "uuid." + uuid_text(facts.uuid);
  } else if (has_nguid) {
    wwid = "eui." + hex(facts.nguid);
  } else if (is_there(facts.eui64)) {
    wwid = "eui." + hex(facts.eui64);
  }
  names.emplace_back("wwid", wwid);
  names.emplace_back("serial", facts.serial);
  names.emplace_back("model", facts.model);
  return names;
}

}  // namespace capsuled
