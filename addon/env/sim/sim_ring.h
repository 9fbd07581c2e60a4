// SimRing: a Ring on a SimMachine, its sockets and its disks. As io_uring does, it takes operations
// when it is polled or sleeps, ends them in the order in which things happen, and runs completions
// from poll() alone.
//
// Owner: a reactor; its SimEnv outlives it. Thread: the simulated one that polls it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "env/ring.h"
#include "env/sim/sim_machine.h"

namespace capsuled::env::sim {

class SimEnv;
class SimSocket;
class SimDisk;

class SimBuffers final : public ProvidedBuffers {
 public:
  SimBuffers(SimEnv& env, uint32_t buffer_bytes, uint32_t count);
  ~SimBuffers() override;
  std::byte* at(uint16_t index) override;
  void recycle(uint16_t index) override;
  uint32_t buffer_bytes() const override { return buffer_bytes_; }
  uint32_t count() const override { return count_; }
  uint32_t taken() const override { return count_ - static_cast<uint32_t>(free_.size()); }
  /// A free one; count() if there is none.
  uint32_t take();

 private:
  SimEnv& env_;
  const uint32_t buffer_bytes_;
  const uint32_t count_;
  std::vector<std::byte> memory_;
  std::vector<uint16_t> free_;  // the kernel takes them in turn
  std::vector<bool> is_taken_;
};

class SimRing final : public Ring {
 public:
  SimRing(SimEnv& env, SimMachine& machine) : env_(env), machine_(machine) {}
  ~SimRing() override;

  void accept(RingOp& op, int listen_fd) override;
  void connect(RingOp& op, int fd, const SocketAddress& address) override;
  void receive_provided(RingOp& op, int fd, ProvidedBuffers& buffers, uint32_t bytes_max) override;
  void receive(RingOp& op, int fd, msghdr& message, WaitFor wait_for) override;
  void send(RingOp& op, int fd, msghdr& message) override;
  void read(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset) override;
  void write(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset,
             Durability durability) override;
  void sync_data(RingOp& op, int fd) override;
  void allocate(RingOp& op, int fd, AllocateMode mode, uint64_t offset, uint64_t length) override;
  void close(RingOp& op, int fd) override;
  void await_event(RingOp& op, int event_fd, uint64_t& count) override;
  void expect_blocking(int32_t change) override;
  Result<uint64_t> file_bytes(int fd) override;
  void cancel(RingOp& op) override;
  Result<std::unique_ptr<ProvidedBuffers>> provide_buffers(uint32_t buffer_bytes,
                                                           uint32_t count) override;
  uint32_t poll() override;
  void sleep(uint64_t deadline_ns) override;
  uint32_t wait(uint64_t deadline_ns) override;
  void wake() override;
  uint32_t in_flight() const override { return in_flight_; }
  void finish() override;
  /// How many operations that block it has at a time.
  uint32_t workers_max() const { return workers_max_; }

 private:
  enum class Kind : uint8_t {
    Accept,
    Connect,
    ReceiveProvided,
    Receive,
    Send,
    Read,
    Write,
    Sync,
    Allocate,
    Event,
    Close
  };
  /// An operation that the machine has, or is about to have.
  struct Work {
    RingOp* op = nullptr;
    Kind kind = Kind::Close;
    int fd = -1;
    uint64_t begun_ns = 0;
    msghdr* message = nullptr;
    uint64_t* count = nullptr;  ///< of an event
    SimBuffers* buffers = nullptr;
    uint32_t bytes_max = 0;
    std::vector<iovec> iov = {};
    uint64_t offset = 0;
    uint64_t length = 0;
    bool flag = false;  ///< wait for all; durable; punch a hole
    SocketAddress address = {};
    size_t moved = 0;
    std::vector<std::byte> held = {};  ///< what a send is that waits
    uint64_t late_until_ns = 0;        ///< see is_late()
    bool begun = false;                ///< the machine has it
    bool locked = false;               ///< with a device or a worker: it cannot be taken back
    bool cancelled = false;
  };
  using Works = std::list<Work>;

  Work& add(RingOp& op, Kind kind, int fd);
  void submit();
  void begin(Work& work);
  void advance(const RingOp& op);
  void advance_accept(Work& work);
  void advance_receive(Work& work);
  void advance_send(Work& work);
  void advance_event(Work& work);
  void advance_held(Work& work, SimSocket& socket);
  bool is_late(Work& work, uint32_t one_in, const SimSpan& span);
  bool ends_late(Work& work);
  static void check_held(const Work& work);
  void begin_connect(Work& work);
  void begin_file(Work& work);
  void run_file(Work& work, SimDisk& disk);
  int32_t transfer(Work& work, SimDisk& disk);
  void begin_blocking();
  void end(Work& work, int32_t result, uint32_t flags = 0, uint16_t buffer_index = 0);
  void post(RingOp& op, uint64_t begun_ns, const Completion& completion,
            SimSocket* reader = nullptr);
  void shuffle_ended();

  struct Ended {
    RingOp* op;
    Completion completion;
    uint64_t begun_ns;
    uint64_t ended_ns;
    SimSocket* reader;  ///< null: nothing was received
  };

  SimEnv& env_;
  SimMachine& machine_;
  SimThread* thread_ = nullptr;  ///< that polls; known from the first poll() on
  Works works_;
  std::unordered_map<const RingOp*, Works::iterator> by_op_;
  std::vector<RingOp*> submitted_;
  std::deque<Ended> ended_;
  uint32_t in_flight_ = 0;
  bool wake_pending_ = false;
  uint32_t workers_max_ = 8;
  uint32_t workers_busy_ = 0;
  std::deque<RingOp*> blocking_line_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for events that come later
};

}  // namespace capsuled::env::sim
