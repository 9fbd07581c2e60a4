// SimDisk: a file or block device: what it has for certain, what its cache has besides, and how it
// may fail.
//
// What was written is in the cache until a flush, or for certain at once if the write asks for it.
// A power cut leaves of each sector what was for certain, or any of what the cache ever had of it
// since: in any order, any part, and torn between sectors. A sector is what a device writes whole.
//
// Owner: the simulation. Thread: the machine's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "env/sim/sim_machine.h"

namespace capsuled::env::sim {

enum class DiskOp : uint8_t { Read, Write, Flush, PunchHole, ZeroRange };

struct DiskRequest {
  DiskOp op;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool durable = false;  ///< a write
};

class SimDisk {
 public:
  static constexpr uint32_t kSectorBytes = 512;
  using Sector = std::array<std::byte, kSectorBytes>;

  /// How long each takes.
  struct Latency {
    SimSpan read{50'000, 200'000, 1'000, 20'000'000};
    SimSpan write{50'000, 300'000, 1'000, 30'000'000};
    SimSpan flush{500'000, 5'000'000, 200, 200'000'000};
    SimSpan allocate{100'000, 2'000'000, 0, 0};
  };
  /// What comes of an operation: a negative errno value, or how many of its bytes are moved at
  /// most.
  using Outcome = std::function<int32_t(const DiskRequest& request)>;
  static constexpr int32_t kWhole = INT32_MAX;

  SimDisk(std::string path, uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {}

  const std::string& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }
  /// A file may grow, and be cut: what was behind its new end is lost.
  void resize(uint64_t bytes);

  Latency latency;
  Outcome outcome;               ///< null: all are carried out whole
  bool short_transfers = false;  ///< reads and writes may move less than was asked for
  /// While true, what begins does not end; it goes on when hang(false) is called.
  bool hangs() const { return hangs_; }
  void hang(bool hangs);
  /// How many hang.
  size_t waiting() const { return waiting_.size(); }
  /// Lets the one that has hung longest go on alone.
  void let_one_go();
  /// Runs `end` now, or when the disk goes on.
  void when_running(std::function<void()> end);

  void read(uint64_t offset, std::span<std::byte> to) const;
  void write(uint64_t offset, std::span<const std::byte> from);
  /// Up to the end, which stays where it is.
  void zero(uint64_t offset, uint64_t length);
  /// Of now: for flush().
  uint64_t version() const { return version_; }
  /// What was written up to `version` is there for certain.
  void flush(uint64_t version);
  /// The same, and only of these bytes.
  void flush(uint64_t offset, uint64_t length);
  void power_cut(Prng& prng);
  /// The same file for who opens it from now on. Who has it open has the use of it no more: what is
  /// under way does not happen, and ends with an error.
  std::unique_ptr<SimDisk> take_over();

  uint32_t atomic_bytes = kSectorBytes;  ///< what a power cut does not tear
  bool block_device = false;             ///< its size is what it is
  bool direct = true;                    ///< it is opened with O_DIRECT
  uint32_t direct_alignment = kSectorBytes;
  bool in_use = false;  ///< opened for writing
  /// Those that a ring was given and has not ended.
  uint32_t writes() const { return writes_; }
  void write_begins() { ++writes_; }
  void write_ends() { --writes_; }

 private:
  /// What a sector was made since it was certain.
  struct Version {
    uint64_t version;
    Sector sector;
  };
  using Cache = std::map<uint64_t, std::vector<Version>>;

  const Sector& now(uint64_t number) const;
  Sector& make_version(uint64_t number);
  Cache::iterator flush(Cache::iterator cached, uint64_t version);
  template <typename Visit>
  static void for_each_part(uint64_t offset, uint64_t length, Visit&& visit);

  const std::string path_;
  uint64_t bytes_;
  std::map<uint64_t, Sector> certain_;  // not there: zeros
  Cache cache_;                         // none is empty; the last version is what is read
  uint64_t version_ = 0;
  uint32_t writes_ = 0;
  bool hangs_ = false;
  std::deque<std::function<void()>> waiting_;
};

}  // namespace capsuled::env::sim
