// BdevParameters: what a configuration says about one bdev, by the keys of config.yaml, as its kind
// asks for it.
//
// A factory asks for each key that it knows, with what it takes where nothing is written. Then
// error() has the first key whose value was of another type, or that the factory did not ask for.
//
// Owner: whoever makes a bdev. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "bdev/bdev_error.h"

namespace capsuled {

/// Sizes are bytes, times ns.
using BdevValue = std::variant<bool, uint64_t, std::string>;

class BdevParameters {
 public:
  BdevParameters(std::string name, std::string kind, std::map<std::string, BdevValue> values = {})
      : name_(std::move(name)), kind_(std::move(kind)), values_(std::move(values)) {}

  const std::string& name() const { return name_; }
  const std::string& kind() const { return kind_; }
  void set(const std::string& key, BdevValue value) { values_[key] = std::move(value); }

  std::string text(const std::string& key, std::string otherwise = {});
  uint64_t number(const std::string& key, uint64_t otherwise = 0);
  /// An error if it is more than 32 bits have room for.
  uint32_t small_number(const std::string& key, uint32_t otherwise = 0);
  bool flag(const std::string& key, bool otherwise = false);
  /// The value of `key` is not to be had, as `message` says: the error, if it is the first.
  void refuse(const std::string& key, std::string message);
  /// EINVAL.
  std::optional<BdevError> error() const;

 private:
  template <typename T>
  T get(const std::string& key, T otherwise, const char* expected);
  void wrong(const std::string& key, const std::string& expected);

  std::string name_;
  std::string kind_;
  std::map<std::string, BdevValue> values_;
  std::set<std::string> asked_;
  std::optional<BdevError> wrong_;  ///< the first
};

}  // namespace capsuled
