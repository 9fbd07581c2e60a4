// Group: all connections of one reactor, with their pools: connection slots, requests, receive
// buffers.
//
// A connection is adopted from an acceptor, lives here until it closed, and leaves nothing behind:
// at the end of the last one every per-state counter but the `free` ones is zero. The control plane
// reaches connections by id and commands by token; both carry a generation, so that a late word for
// something gone is ignored.
//
// Thread: the reactor's own, except create() and the destructor (control thread, reactor not
// running or idle).
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "nvmf/controller.h"
#include "nvmf/namespace_table.h"
#include "nvmf/qpair.h"
#include "reactor/reactor.h"
#include "transport/control_queue.h"
#include "transport/pending_aborts.h"
#include "transport/transport_stats.h"

namespace capsuled::transport {

class Admission;

/// Commands that may be under way on a connection before it is a queue.
inline constexpr uint32_t kEntriesBeforeConnect = 8;

struct GroupOptions {
  uint32_t connections_max = 1024;  ///< of this reactor
  uint32_t requests_max =
      32768;  ///< commands under way on this reactor, <= 65535; unused ones cost no RSS
  uint32_t receive_buffer_bytes = 32 * 1024;
  uint32_t receive_buffers = 512;
  uint32_t queue_entries_max = 1024;  ///< that a Connect may ask for
  uint32_t peers_max = 256;          ///< how many of each kind have a guaranteed part of everything
  uint32_t in_capsule_bytes = 8192;  ///< I/O queues; admin and Fabrics always take 8192
  uint64_t icreq_timeout_ns = 10'000'000'000;
  uint64_t connect_timeout_ns = 10'000'000'000;
  uint64_t pdu_timeout_ns = 30'000'000'000;
  Admission* admission = nullptr;  ///< is told what becomes of the places it gave; null: nobody is
};

/// Memory that each request has for what comes in its capsule.
uint32_t capsule_bytes(const GroupOptions& options);

class Group {
 public:
  static Result<std::unique_ptr<Group>> create(Reactor& reactor, const GroupOptions& options,
                                               ControlQueue& control);
  ~Group();

  /// Takes over an accepted socket. False: no slot is free; it was closed, and nobody hears of it.
  /// `ticket`: its place, of Admission; 0: none.
  bool adopt(int fd, uint32_t listener, const env::Endpoint& local, const env::Endpoint& peer,
             uint32_t ticket = 0);
  /// A socket was closed at once, for want of a place.
  void count_rejected();
  /// A connection was terminated to make room for another.
  void count_displaced();
  uint32_t connection_count() const;

  // What the control plane asks.
  void answer(ControlAnswer&& answer);
  /// `table` is this reactor's table or null, `stats` the controller's counters on this reactor.
  void attach(const QueueAttach& attach, nvmf::NamespaceTable* table, nvmf::QueueStats* stats);
  /// The namespaces of a connection that is an I/O queue; nothing if it is none any more.
  void set_table(ConnectionId connection, nvmf::NamespaceTable& table);
  void terminate(ConnectionId connection, const char* reason);
  void set_keep_alive(uint32_t controller, uint64_t timeout_ms);
  void asynchronous_event(uint32_t controller, uint32_t dw0);
  /// The part of a controller reset that concerns its admin queue: see nvmf::Controller::reset().
  void reset_controller(uint32_t controller);
  /// `done` runs once, from this call or later; true: the command with `cid` on that connection has
  /// ended with Abort Requested. False: there is none, or it cannot be taken back, or it was asked
  /// to end and has not done so within kAbortWaitNs; then it goes on.
  void abort(ConnectionId connection, uint16_t cid, AbortDone done);
  /// Terminates every connection; `stopped` runs when the last one is gone and the group holds
  /// nothing of the ring.
  void stop(std::function<void()> stopped);

  /// Any thread may read.
  const TransportStats& stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit Group(std::unique_ptr<Impl> impl);
};

}  // namespace capsuled::transport
