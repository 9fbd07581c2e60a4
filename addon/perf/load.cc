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
  uint64_t count = std::min<uint64_t>(options.cores.size(), options.load.controller.io_queues);
  if (options.load.rate_iops > 0) count = std::min(count, options.load.rate_iops);
  if (options.load.operations_max > 0) count = std::min(count, options.load.operations_max);
  return static_cast<uint32_t>(count);
}

}  // namespace

Result<std::unique_ptr<Load>> Load::start(const env::Endpoint& target,
                                          const LoadRunOptions& options,
                                          std::function<void()> done) {
  std::unique_ptr<Load> load(new Load());
  load->done_ = std::move(done);
  Result<std::unique_ptr<env::Env>> env = env::make_linux_env();
  if (!env.ok()) return env.error();
  load->env_ = std::move(env).value();
  const Result<env::SocketAddress> address = load->env_->resolve(target);
  if (!address.ok()) return address.error();
  const uint32_t queues = options.load.controller.io_queues;
  const uint32_t count = worker_count(options);
  ASSERT(count > 0);
  for (uint32_t index = 0; index < count; ++index) {
    ReactorOptions reactor_options;
    reactor_options.index = index;
    reactor_options.core = options.cores[index];
    reactor_options.mode = options.poll;
    // The data are the worker's own; the pool is not used.
    reactor_options.memory_bytes = kBufferMemoryBytesMin;
    Result<std::unique_ptr<Reactor>> reactor = Reactor::create(*load->env_, reactor_options);
    if (!reactor.ok()) return reactor.error();
    LoadOptions worker = options.load;
    worker.controller.address = address.value();
    worker.worker_index = index;
    worker.worker_count = count;
    worker.controller.io_queues = static_cast<uint16_t>(share(queues, count, index));
    worker.rate_iops = share(options.load.rate_iops, count, index);
    worker.operations_max = share(options.load.operations_max, count, index);
    load->workers_.push_back(
        std::make_unique<LoadWorker>(*reactor.value(), worker, worker_done, load.get()));
    load->reactors_.push_back(std::move(reactor).value());
  }
  for (const auto& reactor : load->reactors_) {
    const Result<void> started = reactor->start();
    if (!started.ok()) return started.error();
  }
  load->running_ = count;
  for (uint32_t index = 0; index < count; ++index) {
    load->reactors_[index]->send_message_wait(
        {.run = [](Reactor&, void* worker) { static_cast<LoadWorker*>(worker)->start(); },
         .argument = load->workers_[index].get()});
  }
  return load;
}

Load::~Load() {
  ASSERT_MSG(running_ == 0, "a load destroyed while it runs");
  for (const auto& reactor : reactors_) reactor->stop();
  workers_.clear();
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
  for (const auto& reactor : reactors_) reactor->stop();
  LoadReport sum;
  for (const auto& worker : workers_) {
    const LoadReport& report = worker->report();
    sum.read.merge(report.read);
    sum.write.merge(report.write);
    sum.verify.merge(report.verify);
    sum.elapsed_ns = std::max(sum.elapsed_ns, report.elapsed_ns);
    sum.busy_ns += report.busy_ns;
    sum.reconnects += report.reconnects;
    sum.block_bytes = report.block_bytes;
    sum.block_count = report.block_count;
    sum.qpairs += report.qpairs;
    if (sum.failure.empty()) sum.failure = report.failure;
    if (sum.first_error_status == 0) sum.first_error_status = report.first_error_status;
  }
  return sum;
}

}  // namespace capsuled::perf
