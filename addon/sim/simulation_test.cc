// Runs of the simulation, with nothing wrong and with something wrong.
#include "sim/simulation.h"

#include <doctest/doctest.h>

namespace capsuled::sim {

TEST_CASE("simulation: hosts that behave well are served rightly, and nothing is left of them") {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    const SimulationResult result = simulate({.seed = seed, .with = Ingredients::none()});
    CHECK(result.finding == "");
    CHECK(result.commands > 100);
  }
}

TEST_CASE("simulation: with everything that may happen, it is the same") {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    const SimulationResult result = simulate({.seed = seed});
    CHECK(result.finding == "");
    CHECK(result.commands > 100);
  }
}

TEST_CASE("simulation: one seed is one run") {
  const SimulationResult one = simulate({.seed = 42});
  const SimulationResult same = simulate({.seed = 42});
  CHECK(one.commands == same.commands);
  CHECK(one.connections == same.connections);
  CHECK(one.virtual_ns == same.virtual_ns);
}

}  // namespace capsuled::sim
