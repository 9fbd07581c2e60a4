#include "bdev/bdev_parameters.h"

#include <cerrno>
#include <utility>

namespace capsuled {
namespace {

std::string shown(const BdevValue& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) return "\"" + *text + "\"";
  if (const auto* const number = std::get_if<uint64_t>(&value)) return std::to_string(*number);
  if (std::holds_alternative<BdevList>(value)) return "a list";
  if (std::holds_alternative<BdevSection>(value)) return "a map";
  return std::get<bool>(value) ? "true" : "false";
}

}  // namespace

void BdevParameters::refuse(const std::string& key, std::string message) {
  if (!wrong_.has_value()) wrong_ = BdevError{EINVAL, way(key), std::move(message)};
}

void BdevParameters::wrong(const std::string& key, const std::string& expected) {
  refuse(key, "expected " + expected + " for `" + way(key) + "`, got " + shown(values_.at(key)));
}

template <typename T>
T BdevParameters::get(const std::string& key, T otherwise, const char* expected) {
  asked_.insert(key);
  const auto found = values_.find(key);
  if (found == values_.end()) return otherwise;
  if (const T* const value = std::get_if<T>(&found->second)) return *value;
  wrong(key, expected);
  return otherwise;
}

std::string BdevParameters::text(const std::string& key, std::string otherwise) {
  return get(key, std::move(otherwise), "a text");
}

uint64_t BdevParameters::number(const std::string& key, uint64_t otherwise) {
  return get(key, otherwise, "a number");
}

uint32_t BdevParameters::small_number(const std::string& key, uint32_t otherwise) {
  const uint64_t value = number(key, otherwise);
  if (value <= UINT32_MAX) return static_cast<uint32_t>(value);
  wrong(key, "at most " + std::to_string(UINT32_MAX));
  return otherwise;
}

bool BdevParameters::flag(const std::string& key, bool otherwise) {
  return get(key, otherwise, "true or false");
}

size_t BdevParameters::one_of(const std::string& key,
                              std::initializer_list<std::string_view> words) {
  const std::string word = text(key, std::string(*words.begin()));
  std::string known;
  size_t index = 0;
  for (const std::string_view each : words) {
    if (each == word) return index;
    known += (index == 0 ? "" : ", ") + std::string(each);
    ++index;
  }
  wrong(key, "one of " + known);
  return 0;
}

bool BdevParameters::is_section(const std::string& key) const {
  const auto found = values_.find(key);
  return found != values_.end() && std::holds_alternative<BdevSection>(found->second);
}

BdevParameters& BdevParameters::add_section(std::string way, BdevSection values) {
  sections_.emplace_back(name_, kind_, std::move(values));
  sections_.back().way_ = std::move(way);
  return sections_.back();
}

BdevParameters& BdevParameters::section(const std::string& key) {
  return add_section(way(key) + ".", get(key, BdevSection(), "a map"));
}

std::vector<BdevParameters*> BdevParameters::sections(const std::string& key) {
  std::vector<BdevParameters*> result;
  for (BdevValue& value : get(key, BdevList(), "a list of maps")) {
    BdevSection* const values = std::get_if<BdevSection>(&value);
    if (values == nullptr) {
      wrong(key, "a list of maps");
      return {};
    }
    const std::string index = std::to_string(result.size());
    result.push_back(&add_section(way(key) + "[" + index + "].", std::move(*values)));
  }
  return result;
}

std::vector<uint64_t> BdevParameters::numbers(const std::string& key) {
  std::vector<uint64_t> result;
  for (const BdevValue& value : get(key, BdevList(), "a list of numbers")) {
    const uint64_t* const number = std::get_if<uint64_t>(&value);
    if (number == nullptr) {
      wrong(key, "a list of numbers");
      return {};
    }
    result.push_back(*number);
  }
  return result;
}

std::optional<BdevError> BdevParameters::error() const {
  if (wrong_.has_value()) return wrong_;
  for (const auto& [key, value] : values_) {
    if (asked_.contains(key)) continue;
    return BdevError{EINVAL, way(key),
                     "expected no `" + way(key) + "` for a bdev of kind " + kind_};
  }
  for (const BdevParameters& section : sections_) {
    if (auto error = section.error()) return error;
  }
  return std::nullopt;
}

}  // namespace capsuled
