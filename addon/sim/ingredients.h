// Ingredients: what a run may be made of besides hosts that behave well. Each can be left out, to
// find what a finding needs; and a swarm of runs has each of them in half of its runs, since some
// faults show only where nothing else happens.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/prng.h"

namespace capsuled::sim {

enum class Ingredient : uint8_t {
  Reactors,        ///< more than one
  BusyThreads,     ///< threads are kept from their cores now and then
  Pieces,          ///< bytes arrive in small pieces
  Digests,         ///< of some hosts
  SlowReaders,     ///< hosts that read little, and late
  DeafHosts,       ///< that read no more from some time on
  OwingHosts,      ///< that answer no R2T
  HalfHosts,       ///< that reset their connections in the middle of a PDU
  SpoilingHosts,   ///< that send what they should not
  LeavingHosts,    ///< that close all of their connections, and come back
  VanishingHosts,  ///< whose machines are gone without a word
  Aborts,          ///< hosts abort commands
  Resets,          ///< of connections, by the network
  ShortSends,      ///< the target's kernel takes a part and has no memory for the rest
  LittleMemory,    ///< in the target
  SlowControl,     ///< the control plane looks late
  ControllerEnds,  ///< by the control plane
  ConnectionEnds,  ///< the same
  Withdrawals,     ///< of namespaces, which come again
  NewDisks,        ///< their bdevs are deleted, and made again
  Delays,          ///< bdevs of kind `delay`, whose times are changed
  SlowDisks,       ///< with outliers
  ShortTransfers,  ///< disks move less than was asked for
  DiskErrors,      ///< for a while
  DiskHangs,       ///< the same
  DiskCuts,        ///< files are cut short below the target, or grow
  Lulls,           ///< hosts give no new commands until all are answered
  Pauses,          ///< of all threads of the target
  Kills,           ///< of the target, which starts anew
  PowerCuts,       ///< the same, and what disks had in their caches is lost
  Limits,          ///< some bdevs have limits, which hold hosts back now and then
  Pilers,          ///< hosts that give one disk many small commands at once
  Drives,          ///< one disk is a drive that the target drives by itself
  DriveFaults,     ///< its controller does what it should not, or nothing
};

inline constexpr std::array kIngredientNames = {
    "reactors",        "busy_threads",    "pieces",          "digests",        "slow_readers",
    "deaf_hosts",      "owing_hosts",     "half_hosts",      "spoiling_hosts", "leaving_hosts",
    "vanishing_hosts", "aborts",          "resets",          "short_sends",    "little_memory",
    "slow_control",    "controller_ends", "connection_ends", "withdrawals",    "new_disks",
    "delays",          "slow_disks",      "short_transfers", "disk_errors",    "disk_hangs",
    "disk_cuts",       "lulls",           "pauses",          "kills",          "power_cuts",
    "limits",          "pilers",          "drives",          "drive_faults",
};
inline constexpr size_t kIngredients = kIngredientNames.size();
static_assert(kIngredients == static_cast<size_t>(Ingredient::DriveFaults) + 1);

class Ingredients {
 public:
  static Ingredients all() { return Ingredients((uint64_t{1} << kIngredients) - 1); }
  static Ingredients none() { return Ingredients(0); }
  /// Each with an even chance.
  static Ingredients some(uint64_t seed) { return Ingredients(Prng(seed).next() & all().bits_); }
  /// Nothing: it has no such name.
  static std::optional<Ingredient> find(std::string_view name) {
    for (size_t index = 0; index < kIngredients; ++index) {
      if (kIngredientNames[index] == name) return static_cast<Ingredient>(index);
    }
    return std::nullopt;
  }

  bool has(Ingredient one) const { return (bits_ >> static_cast<size_t>(one) & 1) != 0; }
  Ingredients without(Ingredient one) const {
    return Ingredients(bits_ & ~(uint64_t{1} << static_cast<size_t>(one)));
  }
  Ingredients with(Ingredient one) const {
    return Ingredients(bits_ | uint64_t{1} << static_cast<size_t>(one));
  }
  Ingredients except(Ingredients others) const { return Ingredients(bits_ & ~others.bits_); }
  Ingredients among(Ingredients others) const { return Ingredients(bits_ & others.bits_); }
  /// Names, with commas between; none.
  std::string text() const {
    std::string text;
    for (size_t index = 0; index < kIngredients; ++index) {
      if (!has(static_cast<Ingredient>(index))) continue;
      text += (text.empty() ? "" : ",") + std::string(kIngredientNames[index]);
    }
    return text.empty() ? "none" : text;
  }
  bool operator==(const Ingredients&) const = default;

 private:
  explicit Ingredients(uint64_t bits) : bits_(bits) {}
  uint64_t bits_;
};

}  // namespace capsuled::sim
