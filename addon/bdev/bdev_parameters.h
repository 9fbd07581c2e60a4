// BdevParameters: what a configuration says about one bdev, by the keys of config.yaml, as its kind
// asks for it.
//
// A factory asks for each key that it knows, with what it takes where nothing is written. Then
// error() has the first key whose value was of another type, or that the factory did not ask for.
// A key may have a section (a map) or a list of them, which are asked in the same way; an error
// names the whole way: `faults[2].action`.
//
// Owner: whoever makes a bdev. One thread. A section lives as long as what it was asked of.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bdev/bdev_error.h"

namespace capsuled {

struct BdevValue;
using BdevList = std::vector<BdevValue>;
using BdevSection = std::map<std::string, BdevValue>;

/// Sizes are bytes, times ns, probabilities parts of a billion.
struct BdevValue : std::variant<bool, uint64_t, std::string, BdevList, BdevSection> {
  using variant::variant;
};

class BdevParameters {
 public:
  BdevParameters(std::string name, std::string kind, BdevSection values = {})
      : name_(std::move(name)), kind_(std::move(kind)), values_(std::move(values)) {}
  const std::string& name() const { return name_; }
  const std::string& kind() const { return kind_; }
  void set(const std::string& key, BdevValue value) { values_[key] = std::move(value); }

  bool has(const std::string& key) const { return values_.contains(key); }
  std::string text(const std::string& key, std::string otherwise = {});
  uint64_t number(const std::string& key, uint64_t otherwise = 0);
  /// An error if it is more than 32 bits have room for.
  uint32_t small_number(const std::string& key, uint32_t otherwise = 0);
  bool flag(const std::string& key, bool otherwise = false);
  /// The place of the text among `words`, of which the first is taken where nothing is written.
  size_t one_of(const std::string& key, std::initializer_list<std::string_view> words);
  /// Whether it is a section, where it might be something simpler.
  bool is_section(const std::string& key) const;
  /// Empty where nothing is written.
  BdevParameters& section(const std::string& key);
  /// The sections of a list. Empty where nothing is written.
  std::vector<BdevParameters*> sections(const std::string& key);
  /// The numbers of a list.
  std::vector<uint64_t> numbers(const std::string& key);

  /// The value of `key` is not to be had, as `message` says: the error, if it is the first.
  void refuse(const std::string& key, std::string message);
  /// `key` with the way to it.
  std::string way(const std::string& key) const { return way_ + key; }
  /// EINVAL.
  std::optional<BdevError> error() const;

 private:
  template <typename T>
  T get(const std::string& key, T otherwise, const char* expected);
  void wrong(const std::string& key, const std::string& expected);
  BdevParameters& add_section(std::string way, BdevSection values);

  std::string name_;
  std::string kind_;
  std::string way_;  ///< to its keys: empty, or `faults[2].`
  BdevSection values_;
  std::set<std::string> asked_;
  std::optional<BdevError> wrong_;      ///< the first
  std::list<BdevParameters> sections_;  ///< that were asked for
};

}  // namespace capsuled
