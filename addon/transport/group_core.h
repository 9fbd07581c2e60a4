// GroupCore: what the connections of a group share: pools, lines and counters. See group.h.
// Thread: the reactor's.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "reactor/reactor.h"
#include "transport/bdev_shares.h"
#include "transport/connection.h"
#include "transport/control_queue.h"
#include "transport/failure_reports.h"
#include "transport/group.h"
#include "transport/parked_command.h"
#include "transport/peer_plans.h"
#include "transport/peers.h"
#include "transport/pending_aborts.h"
#include "transport/request_pool.h"
#include "transport/send_list.h"

namespace capsuled::transport {

/// Received straight into the I/O buffer if at least so much is still to come; less is copied.
inline constexpr size_t kInPlaceBytesMin = 8 * 1024;
/// Received at once, at most, when anything may come.
inline constexpr uint32_t kReceiveBytesMax = 256 * 1024;
/// And while its peer has more than it can place: what was read and has no place is kept.
inline constexpr uint32_t kReceiveWhileStalledBytes = 4 * 1024;
/// And while data are on their way that should come in place: some headers.
inline constexpr uint32_t kReceiveBesideDataBytes = 8 * 1024;
/// What the machine keeps for a connection of what TCP cannot send yet.
inline constexpr uint32_t kUnsentBytesMax = 128 * 1024;
/// And for an I/O queue whose host takes its answers: so much that a fast network never waits for
/// us.
inline constexpr uint32_t kUnsentIoBytesMax = 1024 * 1024;
/// It has shown so when so much was sent: more than the machines keep of what nobody takes.
inline constexpr uint64_t kTakenBytesMin = 1024 * 1024;
/// How long a host may take to close after a C2HTermReq.
inline constexpr uint64_t kTermReqTimeoutNs = 2'000'000'000;

/// So long after a small send, small ones of its connection are expected.
inline constexpr uint64_t kSmallSendsExpectedNs = 1'000'000;

/// The least rate at which a large PDU must come: so many bytes give it one second more.
inline constexpr uint32_t kPduBytesPerSecondMin = 64 * 1024;

/// Answers with data of their own that a connection has at once, from before they are made until
/// they were sent; each has at most kControlAnswerBytesMax.
inline constexpr uint32_t kDataAnswersMax = 8;

struct GroupCore {
  GroupCore(Reactor& on, const GroupOptions& with, ControlQueue& to)
      : reactor(on),
        options(with),
        control(to),
        peers(peer_plans(with, on.buffers().small_for_transfers(),
                         on.buffers().large_for_transfers()),
              stats) {}

  /// Tells the control plane; keeps the event if its queue is full. What is kept is bounded as what
  /// waits there is: see control_queue.h.
  void post(std::unique_ptr<ControlEvent> event) {
    if (!backlog.empty() || !control.try_push(event)) backlog.push_back(std::move(event));
  }
  uint64_t now_ns() const { return reactor.now_ns(); }
  void publish_parked() { set_stat(stats.commands_parked, parked.used()); }
  /// A connection has at most one send in flight, so that nobody waits for another one's.
  SendBatch& take_batch() {
    if (SendBatch* const batch = free_batches.pop_front()) return *batch;
    batches.push_back(std::make_unique<SendBatch>());
    SendBatch& batch = *batches.back();
    batch.op.batch = &batch;
    batch.op.complete = &Connection::batch_sent;
    return batch;
  }
  /// How much `sender` may send at once.
  size_t send_bytes_enough(const Connection& sender) const {
    const bool small_ones_wait = last_small_sender != nullptr && last_small_sender != &sender &&
                                 now_ns() - last_small_send_ns < kSmallSendsExpectedNs;
    return small_ones_wait ? SendBatch::kBytesEnoughBesideSmall : SendBatch::kBytesEnough;
  }
  void note_send(const Connection& sender, size_t bytes) {
    if (bytes > SendBatch::kSmallBytes) return;
    last_small_sender = &sender;
    last_small_send_ns = now_ns();
  }

  Reactor& reactor;
  const GroupOptions options;
  ControlQueue& control;
  TransportStats stats;
  FailureReports failure_reports;
  PendingAborts aborts;
  Peers peers;
  ParkedPool parked;
  BdevShares bdevs;
  std::unique_ptr<RequestPool> requests;
  std::unique_ptr<env::ProvidedBuffers> receive_buffers;
  /// As many as there ever were sends in flight at a time; at most one for each connection.
  std::vector<std::unique_ptr<SendBatch>> batches;
  Queue<SendBatch, &SendBatch::node> free_batches;

  IntrusiveList<Connection, &Connection::group_node> connections;
  IntrusiveList<Connection, &Connection::send_node> senders;
  IntrusiveList<Connection, &Connection::buffer_node> buffer_line;
  const Connection* last_small_sender = nullptr;  // compared only: it may be gone
  uint64_t last_small_send_ns = 0;

  std::vector<std::unique_ptr<Connection>> slots;
  std::vector<uint32_t> free_slots;                   // a stack
  std::map<uint32_t, nvmf::Controller*> controllers;  // by handle
  std::deque<std::unique_ptr<ControlEvent>> backlog;
};

inline void count(uint64_t& word, uint64_t amount = 1) { add_stat(word, amount); }

}  // namespace capsuled::transport
