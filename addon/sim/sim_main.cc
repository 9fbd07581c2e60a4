// The simulation as a program: one run, or as many as a time allows; what a finding needs.
//
//     sim [--seed N] [--minutes M | --seconds S] [--swarm] [--with LIST] [--without LIST]
//         [--shrink] [--trace]
//
// Each run is a process of its own, so that one that asserts, or that a sanitizer ends, is a
// finding like any other, and the run behind it is the same as if it had been the first.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "sim/ingredients.h"
#include "sim/simulation.h"

namespace capsuled::sim {
namespace {

using Clock = std::chrono::steady_clock;

/// Of real time, for one run, whose usual time is a few seconds.
constexpr unsigned kRunSecondsMax = 600;

constexpr const char* kUsage =
    "usage: sim [--seed N] [--minutes M | --seconds S] [--swarm] [--with LIST] [--without LIST]\n"
    "           [--shrink] [--trace]\n"
    "\n"
    "One run of seed N; or runs from there on for so long. LIST: none, or names with commas\n"
    "between, of\n"
    "  ";

struct Arguments {
  std::optional<uint64_t> seed;
  double seconds = 0;  ///< 0: one run
  bool swarm = false;
  bool shrink = false;
  bool trace = false;
  Ingredients with = Ingredients::all();
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "sim: %s\n%s%s\n", what.c_str(), kUsage, Ingredients::all().text().c_str());
  std::exit(2);
}

Ingredients parse_list(std::string_view text) {
  Ingredients list = Ingredients::none();
  if (text == "none") return list;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    const auto found = Ingredients::find(name);
    if (!found) fail("expected the names of ingredients, got " + std::string(name));
    list = list.with(*found);
    text.remove_prefix(std::min(text.size(), name.size() + 1));
  }
  return list;
}

double parse_number(std::string_view name, const char* text) {
  char* end = nullptr;
  const double number = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(number >= 0)) {
    fail("expected a number behind " + std::string(name) + ", got " + text);
  }
  return number;
}

uint64_t parse_seed(const char* text) {
  char* end = nullptr;
  errno = 0;
  const uint64_t seed = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0) fail(std::string("expected a seed, got ") + text);
  return seed;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int index = 1; index < argc; ++index) {
    const std::string_view name = argv[index];
    const auto value = [&] {
      if (++index == argc) fail("expected a value behind " + std::string(name));
      return argv[index];
    };
    if (name == "--seed")
      arguments.seed = parse_seed(value());
    else if (name == "--minutes")
      arguments.seconds = 60 * parse_number(name, value());
    else if (name == "--seconds")
      arguments.seconds = parse_number(name, value());
    else if (name == "--with")
      arguments.with = parse_list(value());
    else if (name == "--without")
      arguments.with = arguments.with.except(parse_list(value()));
    else if (name == "--swarm")
      arguments.swarm = true;
    else if (name == "--shrink")
      arguments.shrink = true;
    else if (name == "--trace")
      arguments.trace = true;
    else
      fail("there is no " + std::string(name));
  }
  return arguments;
}

// ---- Runs ---------------------------------------------------------------------------------------

/// What came of a run.
struct Outcome {
  std::string finding;  ///< empty: none
  SimulationResult result;
};

struct Counts {
  uint64_t virtual_ns = 0;
  uint64_t commands = 0;
  uint64_t connections = 0;
  uint64_t restarts = 0;
};

/// In a process of its own.
Outcome run(const SimulationOptions& options) {
  int ends[2];
  ASSERT(::pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT(child >= 0);
  if (child == 0) {
    ::close(ends[0]);
    // A loop without an end is a finding, too.
    ::alarm(kRunSecondsMax);
    const SimulationResult result = simulate(options);
    const Counts counts{result.virtual_ns, result.commands, result.connections, result.restarts};
    ASSERT(::write(ends[1], &counts, sizeof(counts)) == sizeof(counts));
    ASSERT(::write(ends[1], result.finding.data(), result.finding.size()) ==
           static_cast<ssize_t>(result.finding.size()));
    // With the looks of sanitizers for what was not given back.
    if (result.finding.empty()) std::exit(0);
    std::fflush(nullptr);
    ::_exit(1);
  }
  ::close(ends[1]);
  std::string told;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof(buffer))) > 0;) {
    told.append(buffer, static_cast<size_t>(count));
  }
  ::close(ends[0]);
  int status = 0;
  ASSERT(::waitpid(child, &status, 0) == child);
  Outcome outcome;
  Counts counts;
  if (told.size() >= sizeof(counts)) {
    std::memcpy(&counts, told.data(), sizeof(counts));
    outcome.finding = told.substr(sizeof(counts));
  }
  outcome.result.virtual_ns = counts.virtual_ns;
  outcome.result.commands = counts.commands;
  outcome.result.connections = counts.connections;
  outcome.result.restarts = counts.restarts;
  if (outcome.finding.empty() && WIFSIGNALED(status)) {
    outcome.finding = std::string("it was ended by ") + ::strsignal(WTERMSIG(status));
  } else if (outcome.finding.empty() && WEXITSTATUS(status) != 0) {
    outcome.finding = "it ended with status " + std::to_string(WEXITSTATUS(status));
  }
  return outcome;
}

void print_replay(const SimulationOptions& options) {
  std::printf("  again: npm run sim -- --seed %llu", static_cast<unsigned long long>(options.seed));
  if (options.with != Ingredients::all()) std::printf(" --with %s", options.with.text().c_str());
  std::printf("\n");
}

void print_finding(const SimulationOptions& options, const Outcome& outcome) {
  std::printf("FOUND by seed %llu, at %.6f s of %llu commands: %s\n",
              static_cast<unsigned long long>(options.seed),
              static_cast<double>(outcome.result.virtual_ns) / 1e9,
              static_cast<unsigned long long>(outcome.result.commands), outcome.finding.c_str());
  print_replay(options);
}

/// Leaves out what the finding does not need. With other ingredients chance takes other ways, so
/// some seeds are tried for each.
void shrink(SimulationOptions options) {
  constexpr uint64_t kSeeds = 20;
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (size_t index = 0; index < kIngredients; ++index) {
      const auto one = static_cast<Ingredient>(index);
      if (!options.with.has(one)) continue;
      SimulationOptions less = options;
      less.with = options.with.without(one);
      for (uint64_t more = 0; more < kSeeds; ++more) {
        less.seed = options.seed + more;
        const Outcome outcome = run(less);
        if (outcome.finding.empty()) continue;
        options = less;
        smaller = true;
        std::printf("without %s: ", kIngredientNames[index]);
        print_finding(options, outcome);
        std::fflush(stdout);
        break;
      }
    }
  }
  std::printf("smallest:\n");
  print_replay(options);
}

int main(const Arguments& arguments) {
  const uint64_t first = arguments.seed.value_or(std::random_device()() * 1'000'000ull);
  const auto start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  Counts sum;
  uint64_t runs = 0;
  SimulationOptions options;
  if (arguments.trace) options.trace = stdout;
  do {
    options.seed = first + runs;
    options.with = arguments.with;
    // Half of the swarm is of everything: some faults need that.
    if (arguments.swarm && options.seed % 2 == 1) {
      options.with = options.with.among(Ingredients::some(options.seed));
    }
    const Outcome outcome = run(options);
    ++runs;
    if (!outcome.finding.empty()) {
      print_finding(options, outcome);
      if (arguments.shrink) shrink(options);
      return 1;
    }
    sum.virtual_ns += outcome.result.virtual_ns;
    sum.commands += outcome.result.commands;
    sum.connections += outcome.result.connections;
    sum.restarts += outcome.result.restarts;
  } while (seconds() < arguments.seconds);
  std::printf(
      "seeds %llu to %llu: nothing found in %.0f s: %llu runs, %.0f s of virtual time, %llu "
      "commands, %llu connections, %llu restarts\n",
      static_cast<unsigned long long>(first), static_cast<unsigned long long>(first + runs - 1),
      seconds(), static_cast<unsigned long long>(runs), static_cast<double>(sum.virtual_ns) / 1e9,
      static_cast<unsigned long long>(sum.commands),
      static_cast<unsigned long long>(sum.connections),
      static_cast<unsigned long long>(sum.restarts));
  return 0;
}

}  // namespace
}  // namespace capsuled::sim

int main(int argc, char** argv) { return capsuled::sim::main(capsuled::sim::parse(argc, argv)); }
