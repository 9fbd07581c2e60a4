// Controller: an NVMe controller as a host has it, whatever carries its queues: from nothing to
// ready I/O queues, and to its end. What is the same over PCI Express and over fabrics is here; how
// a queue is opened and a property is set is the subclass's.
//
// Coming up is one command after the other, each step named by what it waits for:
//
//   Idle ─▶ Opening ─▶ Enable ─▶ Ready ─▶ Identify ─▶ Limits ─▶ QueueCount
//     ▲                                     │                       │
//     │                                     │                       ▼
//     │                                     │         IdentifyNamespace ⇄ IdentifyIds
//     │                                     ▼                       │
//     │                                   Live ◀── IoQueues ◀── Health
//     └─ Closing ◀── disconnect(), or an error in any state
//
//   Idle               nothing                              begin()
//   Opening            the admin queue                      the subclass
//   Enable             CC is set                            the subclass
//   Ready              CSTS.RDY, asked for again and again  the controller, or the time it stated
//   Identify           Identify Controller                  the controller
//   Limits             what it takes at once                the controller
//   QueueCount         Set Features, Number of Queues       the controller
//   IdentifyNamespace  Identify Namespace, one by one       the controller
//   IdentifyIds        the namespace's list of identifiers  the controller
//   Health             its SMART log, if that is asked for  the controller
//   IoQueues           each I/O queue, one by one           the subclass
//   Live               I/O                                  disconnect(), or an error
//   Closing            queues end                           the subclass
//
// Owner: whoever does I/O on it. Thread: the reactor's.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "env/env.h"
#include "nvme/admin_line.h"
#include "nvme/namespace_facts.h"
#include "nvme/qpair.h"
#include "reactor/reactor.h"
#include "wire/admin_command.h"
#include "wire/log_page.h"
#include "wire/registers.h"

namespace capsuled::nvme {

class Controller;

/// Called from the reactor's loop.
class ControllerOwner {
 public:
  virtual ~ControllerOwner() = default;
  /// What it is, and what its namespaces are, is known, and no I/O queue is there yet. Answers why
  /// it is not to be used, for people; empty: it is. By default it needs every namespace.
  virtual std::string controller_identified(Controller& controller);
  virtual void controller_live(Controller& controller) = 0;
  /// The end of what was begun. `reason`: a sentence for people, empty if disconnect() asked for
  /// it. It may be begun again from inside this call, but not destroyed.
  virtual void controller_closed(Controller& controller, const std::string& reason) = 0;
  /// Namespaces are not as they were; empty: any may be. Only if it asked for events.
  virtual void namespaces_changed(Controller& controller, std::span<const uint32_t> nsids) {
    (void)controller, (void)nsids;
  }
  /// How namespaces can be reached by this controller is not as it was: the log page of asymmetric
  /// namespace access says how it is, and is to be read. Only if it asked for events.
  virtual void access_changed(Controller& controller) { (void)controller; }
  /// Its health, before controller_identified() if `health` was asked for; and when the controller
  /// warns of it, if events were.
  virtual void health_changed(Controller& controller, const wire::SmartLog& log) {
    (void)controller, (void)log;
  }
};

/// What a host asks of any controller.
struct ControllerOptions {
  std::vector<uint32_t> nsids = {1};  ///< namespaces to identify when it comes up
  uint16_t io_queues = 1;      ///< 0: of a discovery controller, which has no namespaces either
  uint16_t io_entries = 129;   ///< of each I/O queue; one less may be outstanding
  bool fewer_entries = false;  ///< if the controller has fewer, it has those
  uint64_t timeout_ns = 30'000'000'000;  ///< how long a command may be unanswered
  bool events = false;                   ///< asynchronous events are asked for
  bool health = false;                   ///< the SMART log is read before there is an I/O queue
};

class Controller {
 public:
  virtual ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  /// Ends it at once, whatever is outstanding: that completes with an error.
  void disconnect();
  bool idle() const { return state_ == State::Idle; }
  bool live() const { return state_ == State::Live; }
  /// Of the first namespace, and of the controller.
  const NamespaceFacts& facts() const { return namespaces_.empty() ? facts_ : namespaces_.front(); }
  /// As it came up: what was asked for, in that order.
  const std::vector<NamespaceFacts>& namespaces() const { return namespaces_; }
  /// Live: what a namespace is now. `done` is given null if that is not known: the controller ended
  /// first, or says that it may be asked again.
  void identify_namespace(uint32_t nsid, std::function<void(const NamespaceFacts* facts)> done);
  /// Live: a log page, from its beginning, at most kAdminDataBytes. `read` is called if it is
  /// there.
  void read_log(wire::LogPage page, uint32_t bytes,
                std::function<void(std::span<const std::byte>)> read);
  /// One more command, when it is its turn; it ends unanswered if the controller is not Live.
  void add_command(AdminCommand command) { line_.add(std::move(command)); }
  /// Live: as many as the controller granted, at most what was asked for.
  uint32_t io_queue_count() const { return io_queue_count_; }
  virtual Qpair& io_qpair(uint32_t index) = 0;
  /// For people: "Invalid Field in Command (SCT 0h, SC 02h)".
  static std::string words_of(wire::Status status);

 protected:
  Controller(Reactor& reactor, ControllerOwner& owner);

  // For the subclass.

  /// The memory of page(), if there is none yet. begin() does it for who has not.
  Result<void> make_page();
  /// From Idle.
  void begin(const ControllerOptions& options);
  /// Opening is over: the admin queue takes commands. `cap` is CAP.
  void opened(uint64_t cap);
  /// Enable is over.
  void configured();
  /// Of Ready.
  void status_read(uint32_t csts);
  /// The I/O queue is open that was asked for last.
  void io_queue_opened();
  /// Nothing if it is Idle or Closing.
  void fail(std::string reason);
  /// Closing is over: nothing of it is left. Not from inside close().
  void closed();
  /// From inside close(): there is nothing to wait for.
  void closed_soon();
  bool opening() const { return state_ == State::Opening; }
  /// Of Closing: disconnect() asked for it.
  bool is_wanted() const { return reason_.empty(); }
  bool closing() const { return state_ == State::Closing; }
  bool is_enabling() const { return state_ == State::Enable; }
  bool opening_io_queues() const { return state_ == State::IoQueues; }
  /// The I/O queue that is being opened.
  uint32_t io_queue_next() const { return io_queue_next_; }

  /// The one command of coming up: `request().sqe` is filled but for the opcode, and `page()` if
  /// data go out. Its answer moves things on; in Opening and IoQueues by answered().
  void submit(Qpair& qpair, uint8_t opcode, Transfer transfer, uint32_t bytes);
  /// The same, of data that are elsewhere.
  void submit(Qpair& qpair, uint8_t opcode, Transfer transfer, iovec place);
  Request& request() { return request_; }
  std::byte* page() { return page_->base(); }
  template <typename Command>
  void put_command(const Command& command) {
    static_assert(sizeof(Command) == sizeof(request_.sqe));
    std::memcpy(static_cast<void*>(&request_.sqe), static_cast<const void*>(&command),
                sizeof(command));
  }
  Reactor& reactor() { return reactor_; }
  uint64_t now_ns() const { return reactor_.now_ns(); }
  /// CAP.TO: how long it may take until CSTS.RDY is as CC.EN says.
  static uint64_t stated_ns(uint64_t cap);
  const ControllerOptions& options() const { return options_; }
  NamespaceFacts& facts_found() { return facts_; }
  static constexpr uint32_t kPageBytes = 4096;

 private:
  static constexpr uint32_t kEventRequests = 2;
  enum class State : uint8_t {
    Idle,
    Opening,
    Enable,
    Ready,
    Identify,
    Limits,
    QueueCount,
    IdentifyNamespace,
    IdentifyIds,
    Health,
    IoQueues,
    Live,
    Closing,
  };
  struct AdminRequest : Request {
    Controller* controller = nullptr;
  };
  struct ControllerTimer : Timer {
    Controller* controller = nullptr;
  };
  struct EventRequest : Request {
    Controller* controller = nullptr;
  };

  // What the subclass does. Each may fail().

  /// Makes the admin queue: opened().
  virtual void open() = 0;
  virtual Qpair& admin_qpair() = 0;
  /// Sets CC: configured().
  virtual void set_configuration(uint32_t cc) = 0;
  /// Reads CSTS: status_read().
  virtual void get_status() = 0;
  /// What the controller says of itself, and facts_found() has not. Answers why it is not to be
  /// used, for people; empty: it is.
  virtual std::string identified(const wire::IdentifyController& found) {
    (void)found;
    return "";
  }
  /// Opens the I/O queue io_queue_next(): io_queue_opened().
  virtual void open_io_queue() = 0;
  /// Ends all queues: closed().
  virtual void close() = 0;
  /// Of the command that is under way in Opening or IoQueues: answered() hears of a refusal, too.
  virtual bool may_be_refused() const { return false; }
  /// In Opening and IoQueues: the command was answered, well unless it may be refused.
  virtual void answered(const wire::CompletionQueueEntry& cqe) = 0;
  /// For people: the command that is under way in Opening, Enable, Ready or IoQueues.
  virtual const char* step_name() const = 0;
  /// The queue of the command of coming up has ended; whoever ended it says why.
  virtual bool has_ended() const = 0;
  /// From time to time, but when Closing: looks whether answers are overdue, and the like.
  virtual void tick() = 0;

  void on_answer(const wire::CompletionQueueEntry& cqe);
  void send_identify(wire::Cns cns, uint32_t nsid);
  void on_identify();
  void on_limits(const wire::CompletionQueueEntry& cqe);
  void ask_for_queues();
  void on_queue_count(const wire::CompletionQueueEntry& cqe);
  void next_namespace();
  void on_identify_namespace(const wire::CompletionQueueEntry& cqe);
  void on_identify_ids(const wire::CompletionQueueEntry& cqe);
  void on_health(const wire::CompletionQueueEntry& cqe);
  void all_identified();
  void next_io_queue();
  void go_live();
  void ask_for_events();
  void configure_events(uint32_t events, uint32_t instead);
  void on_event(EventRequest& asked, const wire::CompletionQueueEntry& cqe);
  void on_notice(EventRequest& asked, wire::AsyncEventNotice notice);
  void read_log_of(EventRequest& asked, wire::LogPage page, uint32_t bytes,
                   std::function<void(std::span<const std::byte>)> read);
  void on_timer();
  const char* name_of_step() const;
  /// Of its smallest memory page.
  uint32_t page_shift() const { return 12 + static_cast<uint32_t>(wire::Cap::Mpsmin::get(cap_)); }

  Reactor& reactor_;
  ControllerOwner& owner_;
  ControllerOptions options_;
  State state_ = State::Idle;
  std::string reason_;
  NamespaceFacts facts_;  ///< of the controller alone
  std::vector<NamespaceFacts> namespaces_;
  uint64_t cap_ = 0;
  uint32_t io_queue_count_ = 0;
  uint32_t io_queue_next_ = 0;
  uint64_t ready_until_ns_ = 0;
  bool closed_soon_ = false;
  ControllerTimer timer_;
  std::unique_ptr<env::Region> page_;
  AdminRequest request_;
  iovec request_iov_ = {};
  AdminLine line_;  // open when Live
  std::array<EventRequest, kEventRequests> events_;
  uint32_t oaes_ = 0;
  uint32_t event_requests_max_ = 0;
};

}  // namespace capsuled::nvme
