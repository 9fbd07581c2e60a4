// FabricsController: a controller of a remote NVM subsystem, as a host has it: from its first
// connection to ready I/O queues, kept alive, and to its end.
//
// Coming up is one command after the other, each step named by what it waits for:
//
//   Idle ─▶ AdminQueue ─▶ Connect ─▶ Capabilities ─▶ Enable ─▶ Ready ─▶ Identify ─▶ QueueCount
//     ▲                                                                                 │
//     │                         Live ◀── IoQueues ◀── IdentifyNamespace ◀───────────────┘
//     └─ Closing ◀── disconnect(), or an error in any state
//
//   Idle               nothing                              connect()
//   AdminQueue         TCP and ICReq of the admin queue     the qpair
//   Connect            Connect of the admin queue           the controller
//   Capabilities       Property Get of CAP                  the controller
//   Enable             Property Set of CC                   the controller
//   Ready              CSTS.RDY, asked for again and again  the controller, or the time it stated
//   Identify           Identify Controller                  the controller
//   QueueCount         Set Features, Number of Queues       the controller
//   IdentifyNamespace  Identify Namespace                   the controller
//   IoQueues           each I/O queue, one by one           the qpair and the controller
//   Live               I/O                                  disconnect(), or an error
//   Closing            connections end                      the qpairs
//
// Owner: whoever does I/O on it. Thread: the reactor's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nvme/tcp_qpair.h"
#include "wire/admin_command.h"
#include "wire/fabrics.h"
#include "wire/registers.h"

namespace capsuled::nvme {

class FabricsController;

/// Called from the reactor's loop.
class FabricsControllerOwner {
 public:
  virtual ~FabricsControllerOwner() = default;
  virtual void controller_live(FabricsController& controller) = 0;
  /// The end of what connect() began. `reason`: a sentence for people, empty if disconnect() asked
  /// for it. It may be connected again from inside this call, but not destroyed.
  virtual void controller_closed(FabricsController& controller, const std::string& reason) = 0;
};

struct FabricsControllerOptions {
  env::SocketAddress address;
  std::string subnqn;
  std::string hostnqn;
  std::array<std::byte, 16> hostid{};
  uint32_t nsid = 1;
  uint16_t io_queues = 1;
  uint16_t io_entries = 129;  ///< of each I/O queue; one less may be outstanding
  TcpDigests digests;
  uint32_t keep_alive_timeout_ms = 10'000;
  uint64_t timeout_ns = 30'000'000'000;  ///< how long a queue may owe answers in silence
};

/// What the host came to know.
struct NamespaceFacts {
  uint32_t block_bytes = 0;
  uint64_t block_count = 0;
  uint32_t transfer_bytes_max = 0;  ///< MDTS; UINT32_MAX: no limit
  uint32_t in_capsule_bytes = 0;    ///< that an I/O capsule may carry
  uint16_t cntlid = 0;
};

class FabricsController final : public TcpQpairOwner {
 public:
  FabricsController(Reactor& reactor, FabricsControllerOwner& owner);
  ~FabricsController() override;
  FabricsController(const FabricsController&) = delete;
  FabricsController& operator=(const FabricsController&) = delete;

  /// From Idle.
  void connect(const FabricsControllerOptions& options);
  /// Ends all connections at once, whatever is outstanding: that completes with an error.
  void disconnect();
  bool idle() const { return state_ == State::Idle; }
  bool live() const { return state_ == State::Live; }
  const NamespaceFacts& facts() const { return facts_; }
  /// Live: as many as the controller granted, at most what was asked for.
  uint32_t io_queue_count() const { return io_queue_count_; }
  Qpair& io_qpair(uint32_t index) { return *io_qpairs_[index]; }

 private:
  enum class State : uint8_t {
    Idle,
    AdminQueue,
    Connect,
    Capabilities,
    Enable,
    Ready,
    Identify,
    QueueCount,
    IdentifyNamespace,
    IoQueues,
    Live,
    Closing,
  };
  struct AdminRequest : Request {
    FabricsController* controller = nullptr;
  };
  struct ControllerTimer : Timer {
    FabricsController* controller = nullptr;
  };

  void qpair_live(TcpQpair& qpair) override;
  void qpair_closed(TcpQpair& qpair, const char* reason) override;

  void fail(std::string reason);
  void open(TcpQpair& qpair, uint16_t entries);
  void send_connect(TcpQpair& qpair, uint16_t qid, uint16_t entries);
  void send_property_get(wire::Property property, wire::PropertySize size);
  void send_enable();
  void send_identify(wire::Cns cns, uint32_t nsid);
  void send_queue_count();
  void submit(TcpQpair& qpair, uint8_t opcode, Transfer transfer, uint32_t bytes);
  void on_answer(const wire::CompletionQueueEntry& cqe);
  void on_capabilities(const wire::CompletionQueueEntry& cqe);
  void on_status(const wire::CompletionQueueEntry& cqe);
  void on_identify();
  void on_queue_count(const wire::CompletionQueueEntry& cqe);
  void on_identify_namespace();
  void next_io_queue();
  void on_timer();
  bool overdue(const TcpQpair& qpair) const;

  Reactor& reactor_;
  FabricsControllerOwner& owner_;
  FabricsControllerOptions options_;
  State state_ = State::Idle;
  std::string reason_;
  NamespaceFacts facts_;
  std::unique_ptr<TcpQpair> admin_;
  std::vector<std::unique_ptr<TcpQpair>> io_qpairs_;
  uint32_t open_qpairs_ = 0;  // whose qpair_closed() is to come
  uint32_t io_queue_count_ = 0;
  uint32_t io_queue_next_ = 0;
  uint64_t ready_until_ns_ = 0;
  uint64_t keep_alive_ns_ = 0;
  ControllerTimer timer_;
  AdminRequest request_;  // one at a time, while coming up
  iovec request_iov_ = {};
  std::unique_ptr<std::byte[]> page_;
  AdminRequest keep_alive_;
  bool keep_alive_pending_ = false;
};

}  // namespace capsuled::nvme
