// LoadWorker: one host of a load run, on one reactor: its queues of the target, kept at a depth,
// and what came back, measured and, if asked for, verified.
//
//   Idle ─▶ Connecting ─▶ WarmUp ─▶ Measuring ─▶ Draining ─▶ ReadBack ─▶ Leaving ─▶ Done
//               ▲            │          │
//               └────────────┴──────────┘ reconnecting, with I/O outstanding
//
//   Idle        not started                                    start()
//   Connecting  the path to the target opens, again maybe      the path, or stop()
//   WarmUp      I/O that does not count                        the clock
//   Measuring   I/O that counts                                the clock, the count, or stop()
//   Draining    no new I/O; what is outstanding ends           the last completion
//   ReadBack    verifying: everything written is read again    the last completion
//   Leaving     the path closes                                the path
//   Done        report() may be read                           nobody
//
// An I/O that fails while the worker itself reconnects is no error: the verifier then takes either
// content of its blocks for right.
//
// Owner: Load. Thread: the reactor's, but for the constructor and report() after Done.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "perf/load_report.h"
#include "perf/load_target.h"
#include "perf/rate_limiter.h"
#include "perf/verifier.h"
#include "perf/workload.h"

namespace capsuled::perf {

struct LoadOptions {
  WorkloadOptions workload;    ///< block_bytes and region are set when connected
  uint32_t queue_depth = 32;   ///< of each queue
  uint64_t region_bytes = 0;   ///< 0: the whole namespace
  uint64_t region_offset = 0;  ///< bytes
  uint64_t warm_up_ns = 0;
  uint64_t duration_ns = 10'000'000'000;
  uint64_t operations_max = 0;  ///< of this worker; 0: the time alone ends it
  uint64_t rate_iops = 0;       ///< of this worker; 0: as fast as it goes
  bool verify = false;
  /// Over a network: ends all connections every so often and comes back; 0: never.
  uint64_t reconnect_ns = 0;
  uint32_t worker_index = 0;  ///< workers that verify have disjoint parts of the region
  uint32_t worker_count = 1;
};

class LoadWorker final : private LoadPathOwner, private Poller {
 public:
  /// `done` runs on the reactor's thread when the worker is Done. The target is open, and stays so
  /// until then.
  LoadWorker(Reactor& reactor, LoadTarget& target, const LoadOptions& options, void (*done)(void*),
             void* argument);
  ~LoadWorker() override;

  void start();
  /// Ends the measuring early; the rest is as at the end of the time.
  void stop();
  const LoadReport& report() const { return report_; }
  const LoadProgress& progress() const { return progress_; }

 private:
  enum class State : uint8_t {
    Idle,
    Connecting,
    WarmUp,
    Measuring,
    Draining,
    ReadBack,
    Leaving,
    Done,
  };
  struct Io : nvme::Request {
    LoadWorker* worker = nullptr;
    nvme::Qpair* qpair = nullptr;
    IoOp op = {};
    iovec place = {};
    uint64_t started_ns = 0;
    bool counted = false;  // of operations_max
    QueueNode idle_node;
  };
  struct TickTimer : Timer {
    LoadWorker* worker = nullptr;
  };
  using IoQueue = Queue<Io, &Io::idle_node>;

  void path_live() override;
  void path_closed(const std::string& reason) override;
  PollResult poll() override;

  // What is wrong, for people; empty: nothing.
  [[nodiscard]] std::string prepare();
  [[nodiscard]] std::string choose_region(const nvme::NamespaceFacts& facts);
  [[nodiscard]] std::string check_sizes(const nvme::NamespaceFacts& facts) const;
  /// Of the I/O with that index.
  nvme::Qpair& qpair_of(size_t index);
  [[nodiscard]] std::string allocate();
  bool active() const { return state_ == State::WarmUp || state_ == State::Measuring; }
  void advance();
  void begin_measuring();
  void end_measuring();
  bool submit_idle();
  void tick();
  [[nodiscard]] bool choose(IoOp& op);
  [[nodiscard]] bool choose_read_back(IoOp& op);
  void issue(Io& io, const IoOp& op, uint64_t now_ns);
  void on_complete(Io& io, const wire::CompletionQueueEntry& cqe);
  void account(const Io& io, wire::Status status, uint64_t now_ns);
  void check_data(const Io& io, bool ok);
  void give_up_connecting();
  void leave();
  void finish();
  uint64_t answered_ns();

  Reactor& reactor_;
  LoadOptions options_;
  void (*const done_)(void*);
  void* const argument_;
  State state_ = State::Idle;
  LoadPath& path_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<Verifier> verifier_;
  std::unique_ptr<RateLimiter> limiter_;
  std::unique_ptr<env::Region> memory_;
  std::unique_ptr<env::ReachableMemory> reachable_;
  std::vector<std::unique_ptr<Io>> ios_;
  IoQueue idle_;
  uint32_t outstanding_ = 0;
  uint32_t block_shift_ = 9;
  uint64_t first_lba_ = 0;
  uint64_t region_blocks_ = 0;
  uint64_t counted_ = 0;  // of operations_max; only while measuring
  uint64_t read_back_lba_ = 0;
  bool read_back_done_ = false;
  uint64_t phase_ends_ns_ = 0;
  uint64_t measured_from_ns_ = 0;
  uint64_t measured_busy_from_ns_ = 0;
  uint64_t reconnect_at_ns_ = 0;
  bool reconnecting_ = false;
  bool stop_asked_ = false;
  TickTimer timer_;
  State resume_ = State::WarmUp;
  uint64_t seen_iteration_ns_ = 0;
  uint64_t answered_ns_ = 0;
  LoadReport report_;
  LoadProgress progress_;
};

}  // namespace capsuled::perf
