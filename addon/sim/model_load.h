// ModelLoad: the commands that a model host gives to namespaces, at random, and what their answers
// tell the BlockJudge of each.
//
// Owner: a ModelHost. Thread: the machine's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim/block_judge.h"
#include "sim/disturbance.h"
#include "sim/findings.h"
#include "sim/model_queue.h"

namespace capsuled::sim {

/// A namespace as hosts know it.
struct ModelNamespace {
  uint32_t nsid = 0;
  BlockJudge* judge = nullptr;
  const Disturbance* disturbance = nullptr;  ///< of its disk
};

enum class ModelCommand : uint8_t { Read, Write, Flush, WriteZeroes, Deallocate, Compare };
inline constexpr size_t kModelCommands = 6;

/// What a command that was answered with success has made durable.
struct MadeDurable {
  uint64_t writes = 0;  ///< with Force Unit Access
  uint64_t zeroes = 0;  ///< the same
  uint64_t flushes = 0;
};

struct ModelLoadOptions {
  std::string name;
  uint32_t blocks_max = 64;  ///< of one command that moves data
  /// How often it gives each command, in proportion.
  std::array<uint32_t, kModelCommands> often = {7, 8, 2, 1, 1, 1};
  /// Of so many commands, all but one are for the first namespace; 1: for any.
  uint32_t elsewhere_one_in = 1;
  /// Commands are answered within this, unless their disk is disturbed; 0: the host gives no cause
  /// to expect it, nor that none fails.
  uint64_t patience_ns = 30'000'000'000;
  bool aborts = false;  ///< its host may abort any of its commands
  bool judged =
      true;  ///< false: what it sends is not what is meant, so what it reads tells nothing
};

class ModelLoad {
 public:
  /// What is still to be said of a command whose connection ended, when the target has let go of
  /// it; null: nothing.
  using Orphan = std::function<void()>;
  using Over = std::function<void(Orphan orphan)>;

  /// `next`: the number of the next command, over all hosts.
  ModelLoad(env::sim::SimMachine& machine, Findings& findings,
            std::vector<ModelNamespace> namespaces, uint64_t& next,
            const ModelLoadOptions& options);

  /// Gives `wire` a command; `over` runs when it was answered, or its connection ended.
  void do_something(ModelQueue& wire, Over over);
  /// Reads a part of the namespaces that follows the one before; false: there is none left.
  bool read_next(ModelQueue& wire, Over over);
  /// Gives `wire`, an admin queue, a command that reads.
  void ask(ModelQueue& wire, Over over);
  /// Tells if a command has waited for longer than the host's patience.
  void check_patience();
  uint64_t answered() const { return answered_; }
  const MadeDurable& made_durable() const { return made_durable_; }
  uint64_t under_way() const { return under_way_.size(); }

 private:
  struct UnderWay {
    const ModelNamespace* ns = nullptr;  ///< null: all of them, or none
    uint64_t since_ns = 0;
    const char* what = "";
  };
  /// `success`: it was answered so; else `lost`: it was not answered.
  using Ended = std::function<Orphan(bool success, bool lost, const Bytes& data)>;
  struct Asked {
    const ModelNamespace* ns = nullptr;
    const char* what = "";
    Bytes sqe;
    Bytes data = {};  ///< to the controller
    bool in_capsule = false;
    size_t reads = 0;
    uint16_t expected = 0;  ///< a status besides success that is no error
  };

  void submit(ModelQueue& wire, uint64_t number, Asked asked, Ended ended, Over over);
  void read(ModelQueue& wire, const ModelNamespace& ns, BlockRange range, Over over);
  void write(ModelQueue& wire, const ModelNamespace& ns, BlockRange range, Over over);
  void write_zeroes(ModelQueue& wire, const ModelNamespace& ns, BlockRange range, Over over);
  void deallocate(ModelQueue& wire, const ModelNamespace& ns, Over over);
  void compare(ModelQueue& wire, const ModelNamespace& ns, BlockRange range, Over over);
  void flush(ModelQueue& wire, const ModelNamespace& ns, Over over);
  void flush_all(ModelQueue& wire, Over over);
  void judge_read(const char* what, uint64_t number, uint32_t nsid, const std::string& wrong);
  Orphan wrote(BlockJudge& judge, WriteId id, bool durable, bool success, bool lost);
  bool disturbed(const ModelNamespace* ns, uint64_t since_ns) const;
  ModelCommand pick_command();
  const ModelNamespace& pick_namespace();
  BlockRange pick_range(const BlockJudge& judge, uint64_t blocks_max);
  bool in_capsule(size_t bytes);
  Prng& prng() { return machine_.prng(); }
  uint64_t now_ns() const { return machine_.now_ns(); }

  env::sim::SimMachine& machine_;
  Findings& findings_;
  const std::vector<ModelNamespace> namespaces_;
  uint64_t& next_;
  const ModelLoadOptions options_;
  uint64_t answered_ = 0;
  MadeDurable made_durable_;
  std::map<uint64_t, UnderWay> under_way_;  // by number
  /// What was read last, for Compare to find it again.
  std::map<uint32_t, std::pair<BlockRange, Bytes>> last_read_;  // by NSID
  size_t reading_ns_ = 0;
  uint64_t reading_block_ = 0;
};

}  // namespace capsuled::sim
