// Findings: where a run tells what is wrong, and what happened in it.
// Owner: a Simulation. Thread: the machine's.
#pragma once

#include <cstdio>
#include <string>

#include "env/sim/sim_machine.h"

namespace capsuled::sim {

class Findings {
 public:
  /// Who did what goes to `trace`, unless that is null.
  explicit Findings(const env::sim::SimMachine& machine, std::FILE* trace = nullptr)
      : machine_(machine), trace_(trace) {}

  /// The first one counts: what comes later may follow from it.
  void tell(const std::string& what) {
    this->trace("FOUND", [&] { return what; });
    if (!first_.empty()) return;
    first_ = what;
    first_ns_ = machine_.now_ns();
  }
  bool any() const { return !first_.empty(); }
  const std::string& first() const { return first_; }
  uint64_t first_ns() const { return first_ns_; }

  /// `what()` is called only if somebody reads it.
  template <typename What>
  void trace(const std::string& who, What&& what) {
    if (trace_ == nullptr) return;
    const double ms = static_cast<double>(machine_.now_ns()) / 1e6;
    std::fprintf(trace_, "%14.6f ms  %-16s %s\n", ms, who.c_str(), std::string(what()).c_str());
  }

 private:
  const env::sim::SimMachine& machine_;
  std::FILE* const trace_;
  std::string first_;
  uint64_t first_ns_ = 0;
};

}  // namespace capsuled::sim
