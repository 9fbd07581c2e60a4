// Golden vectors: bytes that were written down by hand from the specifications, decoded through the
// layout tables. The same file is checked in TypeScript by test/wire/golden.test.ts.

#include <doctest/doctest.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "wire/catalogue.h"

namespace capsuled::wire {
namespace {

struct GoldenVector {
  std::map<std::string, std::string> text;
  /// Values as written: a number in decimal, or the contents of a string.
  std::map<std::string, std::string> fields;
};

/// Reads only what golden.json is made of: an array of objects of strings, numbers, and one level
/// of objects.
class GoldenReader {
 public:
  explicit GoldenReader(std::string json) : json_(std::move(json)) {}

  std::vector<GoldenVector> read() {
    std::vector<GoldenVector> vectors;
    take('[');
    do vectors.push_back(read_vector());
    while (accept(','));
    take(']');
    return vectors;
  }

 private:
  char peek() {
    while (std::isspace(static_cast<unsigned char>(json_.at(at_))) != 0) ++at_;
    return json_.at(at_);
  }
  bool accept(char expected) {
    if (peek() != expected) return false;
    ++at_;
    return true;
  }
  void take(char expected) { REQUIRE(accept(expected)); }

  std::string read_scalar() {
    std::string value;
    if (accept('"')) {
      while (json_.at(at_) != '"') {
        REQUIRE(json_.at(at_) != '\\');
        value += json_.at(at_++);
      }
      ++at_;
    } else {
      peek();
      while (std::isdigit(static_cast<unsigned char>(json_.at(at_))) != 0) value += json_.at(at_++);
      REQUIRE(!value.empty());
    }
    return value;
  }

  std::map<std::string, std::string> read_scalars() {
    std::map<std::string, std::string> values;
    take('{');
    do {
      const std::string key = read_scalar();
      take(':');
      values[key] = read_scalar();
    } while (accept(','));
    take('}');
    return values;
  }

  GoldenVector read_vector() {
    GoldenVector vector;
    take('{');
    do {
      const std::string key = read_scalar();
      take(':');
      if (peek() == '{') {
        vector.fields = read_scalars();
      } else {
        vector.text[key] = read_scalar();
      }
    } while (accept(','));
    take('}');
    return vector;
  }

  std::string json_;
  std::size_t at_ = 0;
};

std::vector<GoldenVector> read_golden_vectors() {
  // The tests are run from the root or from a build directory.
  for (const char* root : {"", "../", "../../", "../../../"}) {
    std::ifstream file(std::string(root) + "test/wire/golden.json");
    if (!file) continue;
    return GoldenReader({std::istreambuf_iterator<char>(file), {}}).read();
  }
  FAIL("test/wire/golden.json is not below the working directory or its parents");
  return {};
}

std::uint8_t hex_byte(const std::string& text, std::size_t at) {
  return static_cast<std::uint8_t>(std::stoul(text.substr(at, 2), nullptr, 16));
}

/// "0102 00x6" is 01 02 and six times 00.
std::vector<std::uint8_t> read_hex(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find(' ', at);
    if (end == std::string::npos) end = text.size();
    const std::string token = text.substr(at, end - at);
    if (token.size() > 2 && token[2] == 'x') {
      bytes.insert(bytes.end(), std::stoul(token.substr(3)), hex_byte(token, 0));
    } else {
      for (std::size_t i = 0; i < token.size(); i += 2) bytes.push_back(hex_byte(token, i));
    }
    at = end + 1;
  }
  return bytes;
}

std::string hex_of(const std::uint8_t* bytes, std::size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

struct Place {
  FieldKind kind;
  std::size_t offset;
  std::size_t size;
};

/// "common.plen" or "lbaf[3].lbads" in a structure.
Place find_place(const StructLayout* layout, std::string path) {
  std::size_t base = 0;
  for (;;) {
    const std::size_t dot = path.find('.');
    std::string name = path.substr(0, dot);
    std::size_t index = 0;
    if (const std::size_t bracket = name.find('['); bracket != std::string::npos) {
      index = std::stoul(name.substr(bracket + 1));
      name.resize(bracket);
    }
    const auto field = std::find_if(layout->fields.begin(), layout->fields.end(),
                                    [&](const FieldLayout& one) { return name == one.name; });
    REQUIRE_MESSAGE(field != layout->fields.end(), "no field ", name, " in ", layout->name);
    REQUIRE(index < field->count);
    const std::size_t size = field->size / field->count;
    const std::size_t offset = base + field->offset + index * size;
    if (dot == std::string::npos) return {field->kind, offset, size};
    REQUIRE(field->kind == FieldKind::kStruct);
    layout = field->element;
    base = offset;
    path = path.substr(dot + 1);
  }
}

std::string trimmed(std::string text, FieldKind kind) {
  if (kind == FieldKind::kText) return text.c_str();
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

/// The golden value as the little-endian hex of its field.
std::string expected_uint(const std::string& value, std::size_t size) {
  std::string digits = value;
  if (value.starts_with("0x")) {
    digits = value.substr(2);
  } else {
    char text[17];
    std::snprintf(text, sizeof(text), "%llx", std::strtoull(value.c_str(), nullptr, 10));
    digits = text;
  }
  digits.insert(0, 2 * size - digits.size(), '0');
  std::string reversed;
  for (std::size_t at = digits.size(); at > 0; at -= 2) reversed += digits.substr(at - 2, 2);
  return reversed;
}

TEST_CASE("golden vectors decode to their fields, and no other byte is set") {
  for (const GoldenVector& vector : read_golden_vectors()) {
    CAPTURE(vector.text.at("name"));
    const StructLayout* layout = find_struct(vector.text.at("struct"));
    REQUIRE(layout != nullptr);
    std::vector<std::uint8_t> bytes = read_hex(vector.text.at("hex"));
    REQUIRE(bytes.size() == layout->size);
    for (const auto& [path, value] : vector.fields) {
      CAPTURE(path);
      const Place place = find_place(layout, path);
      std::uint8_t* const at = bytes.data() + place.offset;
      if (place.kind == FieldKind::kUint) {
        CHECK(hex_of(at, place.size) == expected_uint(value, place.size));
      } else if (place.kind == FieldKind::kBytes) {
        CHECK(hex_of(at, place.size) == value);
      } else {
        CHECK(trimmed(std::string(at, at + place.size), place.kind) == value);
      }
      std::fill_n(at, place.size, std::uint8_t{0});
    }
    CHECK(std::count(bytes.begin(), bytes.end(), 0) == static_cast<std::ptrdiff_t>(bytes.size()));
  }
}

TEST_CASE("every structure has a golden vector") {
  const std::vector<GoldenVector> vectors = read_golden_vectors();
  for (const StructLayout* layout : all_structs()) {
    CAPTURE(layout->name);
    CHECK(std::any_of(vectors.begin(), vectors.end(), [&](const GoldenVector& vector) {
      return vector.text.at("struct") == layout->name;
    }));
  }
}

TEST_CASE("bit ranges of a group do not overlap") {
  for (const NamedBits& group : all_bits()) {
    CAPTURE(group.name);
    std::uint64_t seen = 0;
    for (const BitRange& range : group.ranges) {
      CAPTURE(range.name);
      for (unsigned bit = range.low; bit <= range.high; ++bit) {
        CHECK((seen >> bit & 1) == 0);
        seen |= std::uint64_t{1} << bit;
      }
    }
  }
}

TEST_CASE("values of an enumeration are distinct") {
  for (const NamedConstants& group : all_enums()) {
    CAPTURE(group.name);
    std::map<std::uint64_t, std::string> seen;
    for (const Constant& constant : group.constants) {
      CAPTURE(constant.name);
      CHECK(seen.emplace(constant.value, constant.name).second);
    }
  }
}

}  // namespace
}  // namespace capsuled::wire
