// FabricsIoQueue: an I/O queue pair of a remote controller, on the reactor that uses it, between
// the two that have to do with it: the controller at home, which says when the queue is to be
// there, and the user, who does I/O on it.
//
//   Closed ──open()──▶ Opening ──▶ Live ──▶ Ended ──close()──▶ Closed
//                         └──────────────────▲
//
//   Closed   nothing of it is there                            the home reactor: open()
//   Opening  TCP, ICReq and Connect                            the controller, its time, or close()
//   Live     its user does I/O                                 an error, or close()
//   Ended    it takes no more requests, and has none           the home reactor: close()
//
// Home is told once that it is open, or that it is broken, which it may also be later. close() is
// always due, at any time, and answered when nothing is left.
//
// Owner: a FabricsController. Thread: open() and close() are home's; all else is the queue's
// reactor's. Invariant: no message is under way when it is Closed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "nvme/fabrics_connect.h"
#include "nvme/io_queue_user.h"
#include "reactor/reactor_flags.h"

namespace capsuled::nvme {

class FabricsIoQueue;

/// Called from the home reactor's loop.
class FabricsIoQueueOwner {
 public:
  virtual ~FabricsIoQueueOwner() = default;
  virtual void queue_opened(FabricsIoQueue& queue) = 0;
  /// `reason`: a sentence for people.
  virtual void queue_broken(FabricsIoQueue& queue, const std::string& reason) = 0;
  virtual void queue_closed(FabricsIoQueue& queue) = 0;
};

class FabricsIoQueue final : private TcpQpairOwner {
 public:
  /// `options` are the controller's; they change only while the queue is Closed.
  FabricsIoQueue(FabricsIoQueueOwner& owner, Reactor& home, Reactor& reactor,
                 const FabricsControllerOptions& options, uint16_t qid);
  /// When it is Closed, and nobody uses it.
  ~FabricsIoQueue() override;
  FabricsIoQueue(const FabricsIoQueue&) = delete;
  FabricsIoQueue& operator=(const FabricsIoQueue&) = delete;

  // At home.
  void open(const NamespaceFacts& controller);
  /// `by_controller`: the controller has ended the association.
  void close(bool by_controller);
  /// From queue_broken() until open(): the controller has ended it.
  bool ended_by_controller() const { return ended_by_controller_; }

  // On its reactor.
  /// From queue_opened() until close().
  Qpair& qpair() { return *qpair_; }
  /// queue_live() follows, from inside this call if it is.
  void attach(IoQueueUser& user);
  /// Its user has nothing outstanding.
  void detach();

 private:
  enum class State : uint8_t { Closed, Opening, Live, Ended };
  enum Order : uint32_t { kOpen = 1, kClose = 2 };
  enum News : uint32_t { kOpened = 1, kBroken = 2, kClosed = 4 };
  static constexpr uint64_t kTickNs = 250'000'000;
  struct ConnectRequest : Request {
    FabricsIoQueue* queue = nullptr;
  };
  struct QueueTimer : Timer {
    FabricsIoQueue* queue = nullptr;
  };

  void heard(uint32_t news);
  void told(uint32_t orders);
  void set_state(State state);
  void begin();
  void end(std::string reason);
  void finish();
  void on_connected(const wire::CompletionQueueEntry& cqe);
  void on_timer();
  void qpair_live(TcpQpair& qpair) override;
  void qpair_stopped(TcpQpair& qpair) override;
  void qpair_closed(TcpQpair& qpair, const char* reason) override;

  FabricsIoQueueOwner& owner_;
  Reactor& reactor_;
  const FabricsControllerOptions& options_;
  const uint16_t qid_;
  ReactorFlags orders_;
  ReactorFlags news_;
  uint16_t cntlid_ = 0;               // home's, for there
  uint32_t in_capsule_bytes_ = 0;     // likewise
  uint16_t entries_ = 0;              // likewise
  bool close_by_controller_ = false;  // likewise
  std::string reason_;                // there's, for home
  bool ended_by_controller_ = false;  // likewise

  State state_ = State::Closed;
  bool close_asked_ = false;
  std::unique_ptr<TcpQpair> qpair_;  // null: Closed
  ConnectRequest connect_;
  wire::ConnectData connect_data_ = {};
  iovec connect_iov_ = {};
  QueueTimer timer_;
  IoQueueUser* user_ = nullptr;
};

}  // namespace capsuled::nvme
