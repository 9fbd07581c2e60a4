// RequestPool: the requests of a group, fixed in number, and for each the memory that in-capsule
// data are received into. A request that was never used costs no RSS; the one given back last is
// the next to be used.
//
// Thread: the reactor's, except create() and the destructor. Invariant: free + used == total.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/assert.h"
#include "base/result.h"
#include "env/env.h"
#include "reactor/reactor_stats.h"
#include "transport/tcp_request.h"
#include "transport/transport_stats.h"

namespace capsuled::transport {

class RequestPool {
 public:
  /// `total` in 2..65535.
  static Result<std::unique_ptr<RequestPool>> create(env::Env& env, uint32_t total,
                                                     uint32_t capsule_bytes, TransportStats& stats,
                                                     ReactorStats& reactor_stats);
  ~RequestPool();
  RequestPool(const RequestPool&) = delete;
  RequestPool& operator=(const RequestPool&) = delete;

  /// There is one: Peers saw to it. In line, because each command begins here.
  [[gnu::always_inline]] TcpRequest& get() {
    ASSERT(used_ < total_);
    TcpRequest* const used_before = free_.pop_front();
    TcpRequest& request = used_before != nullptr ? *used_before : make();
    ++used_;
    publish();
    return request;
  }
  void put(TcpRequest& request) {
    ASSERT(request.state == RequestState::Free && used_ > 0);
    --used_;
    free_.push_front(request);
    publish();
  }
  /// The request with this index, if it was ever used.
  TcpRequest* find(uint32_t index) { return index < made_ ? &requests_[index] : nullptr; }
  uint32_t used() const { return used_; }

  /// The one place that writes a request's state.
  void set_state(TcpRequest& request, RequestState state) {
    const auto from = static_cast<size_t>(request.state);
    const auto to = static_cast<size_t>(state);
    ASSERT_MSG((kRequestTransitions[from] >> to & 1) != 0,
               "a transition that requests do not have");
    add_stat(stats_.*kGauges[from], -uint64_t{1});
    add_stat(stats_.*kGauges[to], 1);
    request.state = state;
  }

 private:
  static constexpr std::array<uint64_t TransportStats::*, kRequestStateCount> kGauges = {
      &TransportStats::request_free,
      &TransportStats::request_receiving,
      &TransportStats::request_await_host_data,
      &TransportStats::request_executing,
      &TransportStats::request_await_control,
      &TransportStats::request_responding,
      &TransportStats::request_retiring,
  };

  RequestPool(env::MemoryRegistry& registry, std::unique_ptr<env::Region> requests,
              std::unique_ptr<env::Region> capsules, uint32_t total, uint32_t capsule_bytes,
              TransportStats& stats, ReactorStats& reactor_stats);
  TcpRequest& make();
  void publish() {
    set_stat(reactor_stats_.requests_free, total_ - used_);
    set_stat(reactor_stats_.requests_used, used_);
  }

  const std::unique_ptr<env::Region> request_region_;
  const std::unique_ptr<env::Region> capsule_region_;
  const env::ReachableMemory capsules_reachable_;
  TcpRequest* const requests_;
  const uint32_t total_;
  const uint32_t capsule_bytes_;
  uint32_t made_ = 0;  // constructed
  uint32_t used_ = 0;
  Queue<TcpRequest, &TcpRequest::free_node> free_;  // those that were used before
  TransportStats& stats_;
  ReactorStats& reactor_stats_;
};

}  // namespace capsuled::transport
