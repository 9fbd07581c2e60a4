// NvmfDevice: a remote namespace and its paths, for as long as a bdev is made of it.
//
//   Starting ─▶ Live ⇄ Waiting ─▶ Failed ─▶ Live, Waiting
//       └────────┴───────┴──────────┴─▶ Closing ─▶ Closed
//
//   Starting  no path can be used yet                                the paths, or its time
//   Live      one can, at least                                      the paths, or close()
//   Waiting   none can; operations wait                              the paths, or `fast_io_fail`
//   Failed    none can for so long; operations fail                  the paths; an operator, who
//   has
//                                                                    lost ones tried again
//   Closing   the paths end                                          the paths
//   Closed    nothing of it is left                                  nobody
//
// The first path that leads anywhere says which disk it is. Another path, or the same one later,
// that leads to another disk, or to one that has lost blocks, is refused before any operation takes
// it: what was written to one disk is never looked for on another.
//
// With `discovery` the paths are what discovery controllers say: at first, and again and again
// while a path is away, or any of them could not be asked.
//
// Owner: a bdev. Thread: open() and the destructor a control or worker thread's, which they may
// block; paths(), blocks_found(), quiesce_ns() and gives_up() any; all else home's, the first of
// the reactors.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bdev/bdev.h"
#include "bdev/nvme/nvme_disk.h"
#include "bdev/nvmf/nvmf_options.h"
#include "bdev/nvmf/nvmf_path.h"
#include "bdev/nvmf/path_chooser.h"
#include "nvme/discovery_reader.h"

namespace capsuled {

class NvmfDevice final : public NvmeDisk, private NvmfPathOwner, private PathHome {
 public:
  /// Null: `error` says why.
  static std::unique_ptr<NvmfDevice> open(env::Env& env, const std::vector<Reactor*>& reactors,
                                          const NvmfOptions& options, BdevError& error);
  ~NvmfDevice();
  NvmfDevice(const NvmfDevice&) = delete;
  NvmfDevice& operator=(const NvmfDevice&) = delete;

  /// As the namespace was when it was found first.
  const nvme::NamespaceFacts& facts() const { return *facts_; }
  PathChooser& chooser(const Reactor& reactor) { return *choosers_[reactor.index()]; }
  /// Of the bdev: raised when no path is tried any more.
  void watch(BdevHealth& health) { health_.store(&health, std::memory_order_release); }
  std::vector<BdevPath> paths() const;
  uint64_t blocks_found() const { return blocks_found_.load(std::memory_order_relaxed); }
  /// The bdev has so many now.
  void use(uint64_t blocks) { blocks_used_.store(blocks, std::memory_order_relaxed); }
  /// What is not, no path leads to.
  bool is_whole() const override { return true; }
  uint64_t quiesce_ns(bool knows) const override;
  bool gives_up() const override { return state() == State::Failed; }

 private:
  enum class State : uint8_t { Starting, Live, Waiting, Failed, Closing, Closed };
  /// For open(): sooner than the control plane takes a bdev for one that hangs.
  static constexpr uint64_t kOpenNs = 8'000'000'000;
  static constexpr uint64_t kShowAgainNs = 10'000'000;
  /// For discovery, when nothing is lost that is still tried.
  static constexpr uint64_t kAskAgainNs = 30'000'000'000;
  struct DeviceTimer : Timer {
    NvmfDevice* device = nullptr;
  };

  NvmfDevice(env::Env& env, const std::vector<Reactor*>& reactors, const NvmfOptions& options);
  Reactor& home() const { return *reactors_[0]; }
  State state() const { return state_.load(std::memory_order_acquire); }
  void set_state(State state);
  void make();
  void unmake();
  void start();
  void close();

  std::string refuses(const nvme::NamespaceFacts& facts) override;
  void namespace_found(const nvme::NamespaceFacts& facts) override;
  void path_changed() override;
  void access_doubted(uint32_t paths) override;
  void revive_paths() override;

  void judge();
  void wait_for_paths();
  bool has_failed() const;
  void on_time();
  void fail_start(const std::string& prefix);
  std::string path_reasons() const;
  void tell_choosers();
  void show();
  bool is_gone() const;
  void look_further();
  void discover();
  void discovered(const nvme::DiscoveryFindings& findings);
  NvmfPath* path_for(const env::Endpoint& endpoint, const nvme::DiscoveryFindings& findings);

  env::Env& env_;
  const std::vector<Reactor*> reactors_;
  const NvmfOptions options_;
  std::vector<std::unique_ptr<PathChooser>> choosers_;  // by reactor
  std::vector<std::unique_ptr<NvmfPath>> paths_;
  std::unique_ptr<nvme::DiscoveryReader> discovery_;  // null: the paths are configured
  std::atomic<State> state_ = State::Starting;
  std::string failure_;  // of Starting; read when it is Closed
  DeviceTimer timer_;    // of Starting and Waiting
  DeviceTimer show_timer_;
  DeviceTimer discovery_timer_;
  std::vector<std::string> discovery_failures_;  // of the last time
  bool discovered_ = false;                      // once, at least
  bool opens_paths_ = false;                     // more of them follow
  std::optional<nvme::NamespaceFacts> facts_;    // home's, until open() has returned
  std::atomic<uint64_t> blocks_found_ = 0;
  std::atomic<uint64_t> blocks_used_ = 0;
  std::atomic<uint64_t> quiesce_ns_ = 0;       // of a controller that knows; 0: it does not say
  std::atomic<uint64_t> quiesce_late_ns_ = 0;  // of one that has to find it out
  std::atomic<BdevHealth*> health_ = nullptr;
  mutable std::mutex shown_mutex_;  // guards shown_; home only tries it
  std::vector<BdevPath> shown_;
};

}  // namespace capsuled
