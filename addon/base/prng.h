/// A small seeded pseudo-random number generator (xoshiro256**, by Blackman and Vigna, public
/// domain).
///
/// For tests, fuzzers, the simulation and load generation, where one seed must give one run. Never
/// for secrets. One thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/assert.h"

namespace capsuled {

class Prng {
 public:
  /// Any seed is good, zero too: splitmix64 spreads it over the state.
  constexpr explicit Prng(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15u;
      std::uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
      word = mixed ^ (mixed >> 31);
    }
  }

  /// 64 uniform bits.
  constexpr std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Uniform in [0, bound). Rejects the few values that would favour small results.
  constexpr std::uint64_t below(std::uint64_t bound) {
    ASSERT(bound > 0);
    const std::uint64_t threshold = (0 - bound) % bound;
    for (;;) {
      const std::uint64_t value = next();
      if (value >= threshold) return value % bound;
    }
  }

  /// Uniform in [low, high], both included.
  constexpr std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    ASSERT(low <= high);
    const std::uint64_t span = high - low;
    return span == ~std::uint64_t{0} ? next() : low + below(span + 1);
  }

  /// True with probability numerator / denominator.
  constexpr bool chance(std::uint64_t numerator, std::uint64_t denominator) {
    ASSERT(numerator <= denominator);
    return below(denominator) < numerator;
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace capsuled
