#include "transport/peer_plans.h"

#include <algorithm>

#include "reactor/buffer_pool.h"

namespace capsuled::transport {

namespace {

/// Of requests and small buffers, before Connect and on discovery: a thirty-second part each, at
/// least two.
constexpr uint32_t kOthersPart = 32;
/// A host always has room for a transfer of 256 KiB.
constexpr uint32_t kLargeGuaranteeMin = 2;
/// Two that wait for the host, and two that go on by themselves.
constexpr uint32_t kRequestsGuaranteeMin = 4;
/// Memory of bdevs that all hosts together may have been lent.
constexpr uint32_t kLentBytesMax = uint32_t{32} << 20;
/// A quarter of it is guaranteed: beyond it a read is copied, and waits for nothing.
constexpr uint32_t kLentGuaranteedBytes = kLentBytesMax / 4;
/// And to no more hosts than that each has room for a common load, 32 reads of 4 KiB, without a
/// look at the shared part.
constexpr uint32_t kLentMembersMax = 64;
static_assert(kLentGuaranteedBytes / kLentMembersMax >= 32 * 4096);

uint32_t others_part(uint32_t total) { return std::max(total / kOthersPart, 2u); }

/// Strangers and discovery: no large buffers, no I/O, and few that wait for the host.
PeerPlan plan_others(uint32_t requests, uint32_t small_buffers, uint32_t queue_entries,
                     uint32_t peers_max) {
  PeerPlan plan;
  const auto set = [&plan](Resource resource, const SharePlan& of) {
    plan[static_cast<size_t>(resource)] = of;
  };
  const SharePlan of_requests = SharePlan::divide(requests, 2, 2, peers_max);
  set(Resource::Requests, of_requests);
  set(Resource::HostWaits, of_requests.half());
  set(Resource::Parked, SharePlan::all_shared(queue_entries * 16, queue_entries * 4));
  set(Resource::SmallBuffers, SharePlan::divide(small_buffers, 1, 1, peers_max));
  set(Resource::LargeBuffers, SharePlan{});
  set(Resource::LentBytes, SharePlan{});
  return plan;
}

}  // namespace

std::array<PeerPlan, kPeerKindCount> peer_plans(const GroupOptions& options, uint32_t small_buffers,
                                                uint32_t large_buffers) {
  const uint32_t entries = options.queue_entries_max;
  const uint32_t peers = options.peers_max;
  const uint32_t other_requests = others_part(options.requests_max);
  const uint32_t other_buffers = others_part(small_buffers);

  PeerPlan hosts;
  const auto set = [&hosts](Resource resource, const SharePlan& of) {
    hosts[static_cast<size_t>(resource)] = of;
  };
  const SharePlan requests = SharePlan::divide(options.requests_max - 2 * other_requests,
                                               kRequestsGuaranteeMin, kRequestsGuaranteeMin, peers);
  set(Resource::Requests, requests);
  set(Resource::HostWaits, requests.half());
  set(Resource::Parked, SharePlan{.total = entries * (peers + peers / 2),
                                  .guarantee = entries,
                                  .members = peers,
                                  .shared_max = entries * std::max(peers / 4, 1u)});
  set(Resource::SmallBuffers, SharePlan::divide(small_buffers - 2 * other_buffers, 1, 1, peers));
  set(Resource::LargeBuffers,
      SharePlan::divide(large_buffers, kLargeGuaranteeMin, kTransferBuffersMax, peers));
  const uint32_t lent_members = std::min(peers, kLentMembersMax);
  set(Resource::LentBytes, SharePlan{.total = kLentBytesMax,
                                     .guarantee = kLentGuaranteedBytes / lent_members,
                                     .members = lent_members,
                                     .shared_max = (kLentBytesMax - kLentGuaranteedBytes) / 4 * 3});
  return {plan_others(other_requests, other_buffers, kEntriesBeforeConnect, peers),
          plan_others(other_requests, other_buffers, entries, peers), hosts};
}

}  // namespace capsuled::transport
