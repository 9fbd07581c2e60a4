#include "bdev/bdev_parameters.h"

#include <cerrno>
#include <utility>

namespace capsuled {
namespace {

std::string shown(const BdevValue& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) return "\"" + *text + "\"";
  if (const auto* const number = std::get_if<uint64_t>(&value)) return std::to_string(*number);
  return std::get<bool>(value) ? "true" : "false";
}

}  // namespace

void BdevParameters::refuse(const std::string& key, std::string message) {
  if (!wrong_.has_value()) wrong_ = BdevError{EINVAL, key, std::move(message)};
}

void BdevParameters::wrong(const std::string& key, const std::string& expected) {
  refuse(key, "expected " + expected + " for `" + key + "`, got " + shown(values_.at(key)));
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

std::optional<BdevError> BdevParameters::error() const {
  if (wrong_.has_value()) return wrong_;
  for (const auto& [key, value] : values_) {
    if (asked_.contains(key)) continue;
    return BdevError{EINVAL, key, "expected no `" + key + "` for a bdev of kind " + kind_};
  }
  return std::nullopt;
}

}  // namespace capsuled
