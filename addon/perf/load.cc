#include "perf/load.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace capsuled::perf {
namespace {

/// `total` shared out evenly: the part of one of `count`, the first ones get the rest.
uint64_t share(uint64_t total, uint32_t count, uint32_t index) {
  return total / count + (index < total % count ? 1 : 0);
}

/// Each worker has a queue at least, and at least 1 of a rate and a count: 0 would be no limit.
uint32_t worker_count(const LoadRunOptions& options) {
  uint64_t count = std::min<uint64_t>(options.cores.size(), options.qpairs);
  if (options.load.rate_iops > 0) count = std::min(count, options.load.rate_iops);
  if (options.load.operations_max > 0) count = std::min(count, options.load.operations_max);
  return static_cast<uint32_t>(count);
}

}  // namespace

Load::Load(std::unique_ptr<env::Env> env, std::unique_ptr<LoadTarget> target,
           std::function<void()> done)
    : env_(std::move(env)), target_(std::move(target)), done_(std::move(done)) {}

Result<std::unique_ptr<Load>> Load::start(std::unique_ptr<env::Env> env,
                                          std::unique_ptr<LoadTarget> target,
                                          const LoadRunOptions& options,
                                          std::function<void()> done) {
  std::unique_ptr<Load> load(new Load(std::move(env), std::move(target), std::move(done)));
  const uint32_t count = worker_count(options);
  ASSERT(count > 0);
  if (const auto started = load->start_reactors(options, count); !started) return started.error();
  LoadPlan plan{.workers = {}, .queue_depth = options.load.queue_depth};
  for (uint32_t index = 0; index < count; ++index) {
    plan.workers.push_back({.reactor = load->reactors_[index].get(),
                            .qpairs = static_cast<uint32_t>(share(options.qpairs, count, index))});
  }
  load->refusal_ = load->target_->open(plan);
  if (load->refusal_.empty()) {
    load->start_workers(options);
  } else {
    load->done_();
  }
  return load;
}

Result<void> Load::start_reactors(const LoadRunOptions& options, uint32_t count) {
  for (uint32_t index = 0; index < count; ++index) {
    ReactorOptions reactor_options;
    reactor_options.index = index;
    reactor_options.core = options.cores[index];
    reactor_options.mode = options.poll;
    reactor_options.memory_bytes = target_->buffer_bytes();
    Result<std::unique_ptr<Reactor>> reactor = Reactor::create(*env_, reactor_options);
    if (!reactor.ok()) return reactor.error();
    reactors_.push_back(std::move(reactor).value());
  }
  for (const auto& reactor : reactors_) {
    if (const Result<void> started = reactor->start(); !started.ok()) return started.error();
  }
  return {};
}

void Load::start_workers(const LoadRunOptions& options) {
  const auto count = static_cast<uint32_t>(reactors_.size());
  for (uint32_t index = 0; index < count; ++index) {
    LoadOptions worker = options.load;
    worker.worker_index = index;
    worker.worker_count = count;
    worker.rate_iops = share(options.load.rate_iops, count, index);
    worker.operations_max = share(options.load.operations_max, count, index);
    workers_.push_back(
        std::make_unique<LoadWorker>(*reactors_[index], *target_, worker, worker_done, this));
  }
  running_ = count;
  for (uint32_t index = 0; index < count; ++index) {
    reactors_[index]->send_message_wait(
        {.run = [](Reactor&, void* worker) { static_cast<LoadWorker*>(worker)->start(); },
         .argument = workers_[index].get()});
  }
}

Load::~Load() {
  ASSERT_MSG(running_ == 0, "a load destroyed while it runs");
  for (const auto& reactor : reactors_) reactor->stop();
}

/// On a reactor's thread.
void Load::worker_done(void* argument) {
  auto& load = *static_cast<Load*>(argument);
  // Acquire and release: what all workers wrote is visible to who is told.
  if (load.running_.fetch_sub(1, std::memory_order_acq_rel) == 1) load.done_();
}

void Load::stop() {
  for (size_t index = 0; index < workers_.size(); ++index) {
    reactors_[index]->send_message_wait(
        {.run = [](Reactor&, void* worker) { static_cast<LoadWorker*>(worker)->stop(); },
         .argument = workers_[index].get()});
  }
}

Load::Sum Load::progress() const {
  Sum sum;
  for (const auto& worker : workers_) {
    const LoadProgress& progress = worker->progress();
    // Relaxed: each counter says something by itself.
    sum.operations += progress.operations.load(std::memory_order_relaxed);
    sum.bytes += progress.bytes.load(std::memory_order_relaxed);
    sum.errors += progress.errors.load(std::memory_order_relaxed);
  }
  return sum;
}

LoadReport Load::finish() {
  ASSERT(running_ == 0);
  if (refusal_.empty()) target_->close();
  for (const auto& reactor : reactors_) reactor->stop();
  LoadReport sum;
  sum.failure = refusal_;
  for (const auto& worker : workers_) {
    const LoadReport& report = worker->report();
    sum.read.merge(report.read);
    sum.write.merge(report.write);
    sum.verify.merge(report.verify);
    sum.elapsed_ns = std::max(sum.elapsed_ns, report.elapsed_ns);
    sum.busy_ns += report.busy_ns;
    sum.reconnects += report.reconnects;
    sum.qpairs += report.qpairs;
    if (sum.failure.empty()) sum.failure = report.failure;
    if (sum.first_error_status == 0) sum.first_error_status = report.first_error_status;
    if (report.block_count == 0) continue;
    sum.block_bytes = report.block_bytes;
    sum.block_count = report.block_count;
    sum.model = report.model;
    sum.serial = report.serial;
    sum.firmware = report.firmware;
  }
  return sum;
}

}  // namespace capsuled::perf
