// A run of the simulation: a machine, a network, disks, the production engine and hosts, all drawn
// from one seed; what is done to them meanwhile; and whether what hosts see is right.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "sim/ingredients.h"

namespace capsuled::sim {

struct SimulationOptions {
  uint64_t seed = 1;
  Ingredients with = Ingredients::all();
  std::FILE* trace = nullptr;  ///< null: nobody reads who does what
};

struct SimulationResult {
  std::string finding;       ///< empty: none
  uint64_t virtual_ns = 0;   ///< to the finding, or to the end
  uint64_t commands = 0;     ///< answered
  uint64_t connections = 0;  ///< made by hosts
  uint64_t restarts = 0;     ///< of the target
};

/// The same options are the same run, to the last bit. Asserts where the engine does.
SimulationResult simulate(const SimulationOptions& options);

}  // namespace capsuled::sim
