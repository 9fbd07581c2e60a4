#include "transport/peer_plans.h"

#include <algorithm>

#include "reactor/buffer_pool.h"

namespace capsuled::transport {

namespace {

/// Of requests, before Connect and on discovery: a thirty-second part each, at least two.
constexpr uint32_t kOthersPart = 32;
constexpr uint32_t kOthersMin = 2;
/// And on admin queues a sixteenth. And as many again for Asynchronous Event Requests that are
/// parked.
constexpr uint32_t kAdminPart = 16;
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

SharePlan& of(PeerPlan& plan, Resource resource) { return plan[static_cast<size_t>(resource)]; }

/// Of those that do no I/O: no buffers, for what they send fits a request.
PeerPlan plan_without_buffers(const SharePlan& requests, const SharePlan& events,
                              const SharePlan& parked) {
  PeerPlan plan;
  of(plan, Resource::Requests) = requests.rest();
  of(plan, Resource::HostWaits) = requests.quarter();
  of(plan, Resource::EventWaits) = events;
  of(plan, Resource::Parked) = parked;
  return plan;
}

/// Few of them write.
SharePlan few_parked(uint32_t queue_entries) {
  return SharePlan::all_shared(queue_entries * 16, queue_entries * 4);
}

}  // namespace

PeerPlans peer_plans(const GroupOptions& options, uint32_t small_buffers, uint32_t large_buffers) {
  const uint32_t entries = options.queue_entries_max;
  const uint32_t peers = options.peers_max;
  const uint32_t all = options.requests_max;
  const uint32_t others = std::max(all / kOthersPart, kOthersMin);
  const uint32_t admin = std::max(all / kAdminPart, kRequestsGuaranteeMin);
  const auto divided = [peers](uint32_t requests, uint32_t least) {
    return SharePlan::divide(requests, least, least, peers);
  };
  const SharePlan of_others = divided(others, kOthersMin);
  const SharePlan of_admin = divided(admin, kRequestsGuaranteeMin);
  const SharePlan of_io = divided(all - 3 * others - 2 * admin, kRequestsGuaranteeMin);
  const SharePlan parked = {.total = entries * (peers + peers / 2),
                            .guarantee = entries,
                            .members = peers,
                            .shared_max = entries * std::max(peers / 4, 1u)};

  PeerPlan io;
  of(io, Resource::Requests) = of_io.rest();
  of(io, Resource::HostWaits) = of_io.quarter();
  of(io, Resource::Parked) = parked;
  of(io, Resource::SmallBuffers) = SharePlan::divide(small_buffers, 1, 1, peers);
  of(io, Resource::LargeBuffers) =
      SharePlan::divide(large_buffers, kLargeGuaranteeMin, kTransferBuffersMax, peers);
  const uint32_t lent_members = std::min(peers, kLentMembersMax);
  of(io, Resource::LentBytes) = {.total = kLentBytesMax,
                                 .guarantee = kLentGuaranteedBytes / lent_members,
                                 .members = lent_members,
                                 .shared_max = (kLentBytesMax - kLentGuaranteedBytes) / 4 * 3};
  return {plan_without_buffers(of_others, {}, few_parked(kEntriesBeforeConnect)),
          plan_without_buffers(of_others, of_others, few_parked(entries)),
          plan_without_buffers(of_admin, of_admin, parked), io};
}

}  // namespace capsuled::transport
