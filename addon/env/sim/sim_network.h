// SimNetwork: TCP as programs see it: listeners, connections, and two streams of bytes for each
// connection, which arrive late and in pieces of any size.
//
// A SimSocket is one end of a connection. What is written to it waits in its send buffer, leaves as
// the line and the other end's window allow, travels, and waits at the other end to be read. An end
// may close, reset the connection, or vanish with its machine: then nothing of it arrives any more,
// and the other end hears of it when its kernel gives up.
//
// Owner: the simulation; sockets belong to the network. Thread: the machine's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "env/env.h"
#include "env/sim/byte_queue.h"
#include "env/sim/sim_machine.h"

namespace capsuled::env::sim {

/// The way from one end to the other.
struct SimLine {
  SimSpan latency{20'000, 60'000, 0, 0};
  uint64_t bytes_per_second = 1'000'000'000;
  uint32_t piece_min = 1;  ///< of what arrives at once, if there is so much
  uint32_t piece_max = 64 * 1024;
  uint32_t read_max = UINT32_MAX;         ///< of what is read at once
  uint32_t send_buffer = 512 * 1024;      ///< what an end keeps that has not left
  uint32_t receive_buffer = 256 * 1024;   ///< what has left and is not read
  uint64_t gives_up_ns = 60'000'000'000;  ///< after so long without an answer of the other end
  uint32_t late_sends_one_in = 0;  ///< of a ring's; half of those that fail end late; 0: none
};

/// What becomes of an operation that sends, when somebody decides it.
enum class SendEnd : uint8_t {
  Open,       ///< it goes on as the line and the other end let it
  Short,      ///< it ends with what the kernel has taken, which has no memory for more
  Held,       ///< the kernel has taken all of it, and who sends is not told, whatever happens
  Whole,      ///< it completes; then the next one is Open, as behind the other ends
  Failed,     ///< it fails, though the other end may have it
  Cancelled,  ///< the same, in the kernel's words for a cancellation
};

class SimNetwork;

class SimSocket {
 public:
  SimLine line;  ///< that what is written to it takes; the network's at first
  /// Called, from an event, when there may be something to read: bytes, the end, an error.
  std::function<void()> readable;
  /// When write() may take more, or never will.
  std::function<void()> writable;

  const Endpoint& local() const { return local_; }
  const Endpoint& peer() const { return remote_; }
  /// The other end; null if one of the two has vanished.
  SimSocket* other() const { return other_; }
  /// 0, or the errno value that all calls end with.
  int error() const { return error_; }
  /// When the program here has bytes in its hands that a ring has read for it, before it knows.
  std::function<void()> handed_over;

  /// How many bytes read() would take now.
  size_t readable_bytes() const { return arrived_.size(); }
  /// All was read, and no more comes.
  bool at_end() const { return arrived_.empty() && (end_arrived_ || reads_shut_); }

  size_t read(std::span<std::byte> to);
  /// Takes as much as there is room for.
  size_t write(std::span<const std::byte> bytes);
  bool writes_shut() const { return end_queued_; }
  bool reads_shut() const { return reads_shut_; }
  /// Of all that is ever written here: what was, and what an operation is to write that the ring
  /// was given.
  uint64_t offered_bytes() const { return offered_; }
  /// An operation is to write so much.
  void offer(size_t bytes) { offered_ = written_ + bytes; }
  /// Of all that is ever read here: what the program has.
  uint64_t handed_bytes() const { return handed_; }
  /// It gets so much.
  void hand_over(size_t bytes);
  /// What was written and has not left.
  size_t unsent_bytes() const { return unsent_.size(); }
  /// As TCP_NOTSENT_LOWAT: what write() leaves room for.
  void limit_unsent(uint32_t bytes) { unsent_max_ = bytes; }
  uint32_t unsent_max() const { return unsent_max_; }
  /// No room, until it is called with false.
  void block_writes(bool block);
  /// Of the operation that sends here now, or next.
  void end_sends(SendEnd end);
  SendEnd send_end() const { return send_end_; }
  /// As write(), and takes all, whatever there is room for.
  void write_all(std::span<const std::byte> bytes);

  /// The end of what this end writes, behind what was written.
  void shut_writes();
  /// And of what it reads.
  void shut_both();
  /// The descriptor is closed. A reset, if bytes were not read.
  void close();
  /// As SO_LINGER with no time: close() is a reset, whatever was read.
  void reset_when_closed() { resets_when_closed_ = true; }
  void reset();
  /// This end's machine is gone.
  void vanish();
  bool closed() const { return closed_; }

 private:
  friend class SimNetwork;
  SimSocket(SimMachine& machine, const SimLine& line_of, const Endpoint& local,
            const Endpoint& remote)
      : line(line_of),
        machine_(machine),
        local_(local),
        remote_(remote),
        unsent_max_(line_of.send_buffer) {}

  void take(std::span<const std::byte> bytes);
  void push_out();
  void arrive(std::vector<std::byte> bytes);
  void end_arrives();
  void fail(int errnum);
  void call(std::function<void()>& callback);
  uint32_t room() const;
  size_t window() const;

  SimMachine& machine_;
  const Endpoint local_;
  const Endpoint remote_;
  SimSocket* other_ = nullptr;  ///< null: it is gone, and nobody answers
  ByteQueue unsent_;
  uint64_t written_ = 0;
  uint64_t offered_ = 0;
  uint64_t handed_ = 0;
  size_t travelling_ = 0;      ///< bytes that have left and not arrived
  uint64_t line_free_ns_ = 0;  ///< when the last byte that left is on the line
  uint64_t arrives_ns_ = 0;    ///< when the last one is at the other end: they arrive in order
  ByteQueue arrived_;
  uint32_t unsent_max_;
  int error_ = 0;
  SendEnd send_end_ = SendEnd::Open;
  bool writes_blocked_ = false;
  bool end_queued_ = false;
  bool end_sent_ = false;
  bool end_arrived_ = false;
  bool reads_shut_ = false;
  bool closed_ = false;
  bool resets_when_closed_ = false;
  bool vanished_ = false;
};

class SimNetwork {
 public:
  explicit SimNetwork(SimMachine& machine, const SimLine& line = {})
      : machine_(machine), line_(line) {}
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  class Listener {
   public:
    /// Called, from an event, when a connection may be taken.
    std::function<void()> ready;
    /// The next connection's end, or null.
    SimSocket* accept();
    const Endpoint& endpoint() const { return endpoint_; }

   private:
    friend class SimNetwork;
    Endpoint endpoint_;
    uint32_t backlog_ = 0;
    std::deque<SimSocket*> waiting_;
    bool unplugged_ = false;
  };

  /// EADDRINUSE. Port 0 picks one.
  Result<Listener*> listen(const Endpoint& endpoint, uint32_t backlog);
  /// Resets who waits there.
  void close(Listener& listener);
  /// The process at this address is killed: nobody listens there any more, and its connections are
  /// reset. It may go on with its ends of them, as if it had not noticed yet.
  void unplug(const std::string& address);
  /// One of the connections, by chance.
  void reset_one();
  /// Of those at this address that wait for room, one has its operation that sends end short.
  void shorten_one_send(const std::string& address);
  /// `done` gets this end, or null and why: nobody listens, or the backlog is full.
  void connect(const std::string& from, const Endpoint& to,
               std::function<void(SimSocket*, int errnum)> done);
  /// The two ends of a connection that is there at once.
  std::pair<SimSocket*, SimSocket*> connected(const Endpoint& one, const Endpoint& other);

  SimMachine& machine() { return machine_; }
  const SimLine& line() const { return line_; }
  void set_line(const SimLine& line) { line_ = line; }
  /// Ends that were not closed.
  size_t open_sockets() const;

 private:
  friend class SimSocket;
  SimSocket& make_socket(const Endpoint& local, const Endpoint& remote);
  /// One of the open ones that fit, by chance, or null.
  template <typename Condition>
  SimSocket* pick(Condition fits);

  SimMachine& machine_;
  SimLine line_;
  std::map<std::pair<std::string, uint16_t>, std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<SimSocket>> sockets_;  // all that ever were
  uint16_t next_port_ = 40'000;
};

}  // namespace capsuled::env::sim
