#include "transport/request_pool.h"

#include <cerrno>
#include <new>
#include <utility>

namespace capsuled::transport {

Result<std::unique_ptr<RequestPool>> RequestPool::create(env::Env& env, uint32_t total,
                                                         uint32_t capsule_bytes,
                                                         TransportStats& stats,
                                                         ReactorStats& reactor_stats) {
  if (total < 2 || total > UINT16_MAX) return Error{EINVAL, "expected 2 to 65535 requests"};
  auto requests = env.allocate(sizeof(TcpRequest) * total, env::HugePages::Never);
  if (!requests.ok()) return requests.error();
  auto capsules = env.allocate(size_t{capsule_bytes} * total, env::HugePages::Never);
  if (!capsules.ok()) return capsules.error();
  return std::unique_ptr<RequestPool>(new RequestPool(env.memory(), std::move(requests).value(),
                                                      std::move(capsules).value(), total,
                                                      capsule_bytes, stats, reactor_stats));
}

RequestPool::RequestPool(env::MemoryRegistry& registry, std::unique_ptr<env::Region> requests,
                         std::unique_ptr<env::Region> capsules, uint32_t total,
                         uint32_t capsule_bytes, TransportStats& stats, ReactorStats& reactor_stats)
    : request_region_(std::move(requests)),
      capsule_region_(std::move(capsules)),
      capsules_reachable_(registry, {capsule_region_->base(), capsule_region_->bytes()}),
      requests_(reinterpret_cast<TcpRequest*>(request_region_->base())),
      total_(total),
      capsule_bytes_(capsule_bytes),
      stats_(stats),
      reactor_stats_(reactor_stats) {
  set_stat(stats_.request_free, total_);
  publish();
}

RequestPool::~RequestPool() {
  ASSERT_MSG(used_ == 0, "a request pool destroyed with requests in use");
  while (free_.pop_front() != nullptr) {
  }
  for (uint32_t index = 0; index < made_; ++index) requests_[index].~TcpRequest();
}

/// One that was never used.
TcpRequest& RequestPool::make() {
  ASSERT(made_ < total_);
  TcpRequest& request = *new (&requests_[made_]) TcpRequest();
  request.index = static_cast<uint16_t>(made_);
  request.capsule_data = capsule_region_->base() + size_t{made_} * capsule_bytes_;
  ++made_;
  return request;
}

}  // namespace capsuled::transport
