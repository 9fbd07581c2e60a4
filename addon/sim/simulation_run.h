// The simulation of one seed: who takes part, what is done to them, and how it ends.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "env/sim/sim_env.h"
#include "sim/block_judge.h"
#include "sim/disturbance.h"
#include "sim/findings.h"
#include "sim/model_host.h"
#include "sim/sim_target.h"
#include "sim/simulation.h"

namespace capsuled::sim {

/// Whatever is under way is over within this, when nothing new comes.
inline constexpr uint64_t kOverNs = 200'000'000'000;
inline constexpr uint64_t kBlocks = 1024;

/// How fast hosts work, and so how much virtual time some thousand commands take.
struct Pace {
  env::sim::SimSpan thinks;
  uint64_t duration_ns;
  uint64_t patience_ns;   ///< of hosts that behave well
  uint64_t act_every_ns;  ///< on the average
  uint64_t act_max_ns;    ///< how long what is done to the target lasts
  uint64_t hang_max_ns;   ///< how long a disk hangs; longer than patience where that is longer than
                          ///< a stream may wait for a device (CoreChannel::kHangsAfterNs)
  uint64_t pause_max_ns;  ///< of the target; some times its keep-alive timers
  uint32_t keep_alive_ms;
  uint64_t pdu_timeout_ns;
  uint64_t drive_timeout_ns;
};

class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options);
  SimulationResult run();

 private:
  /// A bdev over another one: a part of it, or all of it later, or encrypted.
  struct Layer {
    uint64_t first_block = 0;  ///< of the one below, where a part begins
    bool delays = false;
    uint32_t sector_bytes = 0;  ///< encrypted so; 0: it is not
  };

  struct Disk {
    /// `layers`: of a stack over the lowest one, from below; one may be encrypted.
    Disk(uint32_t number, const std::string& kind, uint32_t block_bytes,
         const std::vector<Layer>& layers);

    uint32_t nsid;
    std::string lowest;         ///< its name
    std::string name;           ///< of the topmost, which is exported
    std::string path;           ///< of a file; empty: it is none
    SimDrive* drive = nullptr;  ///< null: it is none
    bool is_volatile() const { return path.empty() && drive == nullptr; }
    uint64_t first_block = 0;           ///< of the lowest: where the exported blocks begin
    uint32_t sector_bytes = 0;          ///< of the layer that is encrypted; 0: none is
    uint64_t secret_first_block = 0;    ///< of the lowest: where that layer begins
    std::vector<BdevParameters> bdevs;  ///< the lowest first
    BlockJudge judge;
    Disturbance disturbance;
    bool busy = false;  ///< something is being done to it
  };

  bool has(Ingredient one) const { return options_.with.has(one); }
  /// Of its own for each use, so that what one ingredient draws does not depend on the others.
  Prng draw(uint64_t use) const { return Prng(options_.seed * 1'000'003 + use); }
  uint64_t now_ns() const { return machine_.now_ns(); }
  env::sim::SimSpan span_up_to(uint64_t ns) const { return {0, ns, 0, 0}; }

  static env::sim::SimThreadOptions threads_of(const SimulationOptions& options);
  env::sim::SimLine line_of(const SimulationOptions& options) const;
  std::vector<Layer> draw_layers(Prng& prng, Prng& secrets, bool in_file, uint32_t block_bytes);
  void make_disks();
  void make_drive();
  static BdevSection some_times(Prng& prng);
  void grow(const Disk& disk);
  void change_times(const Disk& disk);
  /// What hosts read as zeros, from their block `first` on.
  void put_zeros(const Disk& disk, uint64_t first);
  void limit(Disk& disk);
  void add_bdevs(std::span<const BdevParameters> bdevs);
  bool remove_bdevs(std::span<const BdevParameters> bdevs);
  void start_target();
  void publish(const Disk* without, std::function<void()> applied, std::function<void()> drained);
  void make_hosts();
  ModelHostOptions host_options(const std::string& name);
  ModelHost& add_host(const ModelHostOptions& options, bool on_disks);

  void act();
  void act(Ingredient what);
  void pass(uint64_t most_ns);
  template <typename Condition>
  bool wait(Condition there);
  void everything_disturbed(bool begins);
  Disk* pick_disk(bool file);
  void hang(Disk& disk);
  void fail(Disk& disk);
  void cut(Disk& disk);
  void spoil_drive();
  void acknowledge(Disk& disk);
  void withdraw(Disk& disk, bool anew);
  void lull();
  void pass_to_durable();
  void restart(bool power);
  void finish();
  void read_all();
  void stop_target();

  const SimulationOptions options_;
  const Pace pace_;
  env::sim::SimMachine machine_;
  env::sim::SimNetwork network_;
  env::sim::SimFiles files_;
  Findings findings_;
  Disturbance line_;
  Disturbance quiet_;  ///< of what nobody touches
  uint64_t next_ = 1;
  const std::shared_ptr<R2tHeard> heard_ = std::make_shared<R2tHeard>();
  std::unique_ptr<SimDrive> drive_;  ///< null: there is none
  std::vector<std::unique_ptr<Disk>> disks_;
  Disk void_{100, "malloc", 512, {}};
  std::unique_ptr<SimTarget> target_;
  env::Endpoint endpoint_;
  std::vector<std::unique_ptr<ModelHost>> hosts_;
  std::vector<Ingredient> acts_;
  uint32_t depth_ = 0;
  SimulationResult result_;
};

template <typename Condition>
bool Simulation::wait(Condition there) {
  const auto enough = [&] { return findings_.any() || there(); };
  return machine_.until(enough, now_ns() + kOverNs) && !findings_.any();
}

}  // namespace capsuled::sim
