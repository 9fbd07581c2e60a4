// ReplayEnv and ReplayRing: the machine for measuring the target's own instructions. One connection
// whose host is a ReplayPeer: what it sent is received at the next poll(), in pieces as large as
// the receive takes; what the target sends is there at once. Nothing is allocated, copied or
// searched after the start, and time passes in equal steps, so that two runs are the same to the
// instruction.
//
// Like io_uring, a poll() completes what was prepared before it; what completions prepare waits for
// the next one. A receive in place is told that its bytes came and gets none: nobody looks at them
// unless there is a data digest.
//
// Everything here and in the benchmark that uses it is in namespace `replay`: by this name
// bench/instructions.ts leaves it out of the count. What is left in the count is the call itself.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "env/env.h"

namespace capsuled::transport::replay {

/// The host's end of the one connection, and the director of the run. Thread: the reactor's.
class ReplayPeer {
 public:
  virtual ~ReplayPeer() = default;
  /// At the start of each poll(). False: the run is over, nothing is in flight.
  virtual bool direct() = 0;
  /// The next bytes for the target, at most `bytes_max`, in one piece; empty: none now. They stay
  /// where they are until the target has recycled the buffer that they stand for.
  virtual std::span<std::byte> take(size_t bytes_max) = 0;
  /// What the target sent.
  virtual void sent(std::span<const iovec> parts) = 0;
  /// The reactor fell asleep after direct() said that the run is over.
  virtual void asleep() = 0;
};

/// What crossed the door.
struct ReplayCounts {
  uint64_t polls = 0;
  uint64_t receives = 0;
  uint64_t sends = 0;
  uint64_t clock_reads = 0;
};

/// One buffer at a time is with the target, and it is the peer's own memory.
class ReplayBuffers final : public env::ProvidedBuffers {
 public:
  ReplayBuffers(uint32_t buffer_bytes, uint32_t count)
      : buffer_bytes_(buffer_bytes), count_(count) {}
  std::byte* at(uint16_t) override { return bytes_; }
  void recycle(uint16_t) override {
    ASSERT(bytes_ != nullptr);
    bytes_ = nullptr;
  }
  uint32_t buffer_bytes() const override { return buffer_bytes_; }
  uint32_t count() const override { return count_; }
  uint32_t taken() const override { return bytes_ != nullptr ? 1 : 0; }
  void fill(std::byte* bytes) {
    ASSERT(bytes_ == nullptr);
    bytes_ = bytes;
  }

 private:
  const uint32_t buffer_bytes_;
  const uint32_t count_;
  std::byte* bytes_ = nullptr;
};

class ReplayRing final : public env::Ring {
 public:
  ReplayRing(ReplayPeer& peer, ReplayCounts& counts, uint64_t& now_ns)
      : peer_(peer), counts_(counts), now_ns_(now_ns) {}
  ~ReplayRing() override { ASSERT(in_flight_ == 0); }
  void shut_down() { shut_down_ = true; }

  void accept(env::RingOp&, int) override { UNREACHABLE(); }
  void connect(env::RingOp&, int, const env::SocketAddress&) override { UNREACHABLE(); }
  void receive_provided(env::RingOp& op, int, env::ProvidedBuffers& buffers,
                        uint32_t bytes_max) override {
    ++counts_.receives;
    begin(receive_, op);
    receive_.buffers = static_cast<ReplayBuffers*>(&buffers);
    receive_.bytes = bytes_max;
  }
  void receive(env::RingOp& op, int, msghdr& message, env::WaitFor wait_for) override {
    ASSERT(wait_for == env::WaitFor::All);
    ++counts_.receives;
    begin(receive_, op);
    receive_.buffers = nullptr;
    receive_.missing = 0;
    for (const iovec& part : parts(message)) receive_.missing += part.iov_len;
    receive_.bytes = receive_.missing;
  }
  void send(env::RingOp& op, int, msghdr& message) override {
    ++counts_.sends;
    begin(send_, op);
    send_.message = &message;
  }
  void close(env::RingOp& op, int) override { begin(close_, op); }
  void cancel(env::RingOp&) override {}
  void read(env::RingOp&, int, const iovec*, uint32_t, uint64_t) override { UNREACHABLE(); }
  void write(env::RingOp&, int, const iovec*, uint32_t, uint64_t, env::Durability) override {
    UNREACHABLE();
  }
  void sync_data(env::RingOp&, int) override { UNREACHABLE(); }
  void allocate(env::RingOp&, int, env::AllocateMode, uint64_t, uint64_t) override {
    UNREACHABLE();
  }
  Result<std::unique_ptr<env::ProvidedBuffers>> provide_buffers(uint32_t buffer_bytes,
                                                                uint32_t count) override {
    return std::unique_ptr<env::ProvidedBuffers>(
        std::make_unique<ReplayBuffers>(buffer_bytes, count));
  }

  uint32_t poll() override {
    now_ns_ += kPollNs;
    ++counts_.polls;
    over_ = over_ || !peer_.direct();
    // The receive comes first: it was prepared first, and what the host answers to the send is not
    // there yet.
    const bool had_send = send_.op != nullptr;
    const bool had_close = close_.op != nullptr;
    uint32_t ran = receive_.op != nullptr ? finish_receive() : 0;
    if (had_send) ran += finish_send();
    if (had_close) {
      complete(close_, {});
      ++ran;
    }
    return ran;
  }
  void sleep(uint64_t) override {
    ASSERT_MSG(over_, "the target sleeps in the middle of the run");
    peer_.asleep();
    std::unique_lock lock(mutex_);
    woken_.wait(lock, [this] { return wake_; });
  }
  uint32_t wait(uint64_t deadline_ns) override {
    sleep(deadline_ns);
    return poll();
  }
  void wake() override {
    const std::scoped_lock lock(mutex_);
    wake_ = true;
    woken_.notify_one();
  }
  uint32_t in_flight() const override { return in_flight_; }
  void finish() override {}

 private:
  static constexpr uint64_t kPollNs = 2000;

  struct Pending {
    env::RingOp* op = nullptr;
    ReplayBuffers* buffers = nullptr;  ///< a receive: provided, else in place
    msghdr* message = nullptr;         ///< a send
    size_t bytes = 0;                  ///< a receive in place: all
    size_t missing = 0;                ///< and of these the ones to come
  };

  static std::span<const iovec> parts(const msghdr& message) {
    return {message.msg_iov, message.msg_iovlen};
  }
  void begin(Pending& pending, env::RingOp& op) {
    ASSERT(pending.op == nullptr && !op.in_flight && op.complete != nullptr);
    pending.op = &op;
    op.in_flight = true;
    op.cancelled = false;
    ++in_flight_;
  }
  void complete(Pending& pending, env::Completion completion) {
    env::RingOp& op = *pending.op;
    pending.op = nullptr;
    op.in_flight = false;
    --in_flight_;
    op.complete(op, completion);
  }
  uint32_t finish_receive() {
    if (shut_down_) {
      complete(receive_, {});
      return 1;
    }
    if (receive_.buffers != nullptr) {
      const std::span<std::byte> bytes = peer_.take(receive_.bytes);
      if (bytes.empty()) return 0;
      receive_.buffers->fill(bytes.data());
      complete(receive_, {static_cast<int32_t>(bytes.size()), env::Completion::kBuffer, 0});
      return 1;
    }
    while (receive_.missing > 0) {
      const size_t count = peer_.take(receive_.missing).size();
      if (count == 0) return 0;
      receive_.missing -= count;
    }
    complete(receive_, {static_cast<int32_t>(receive_.bytes), 0, 0});
    return 1;
  }
  uint32_t finish_send() {
    size_t bytes = 0;
    for (const iovec& part : parts(*send_.message)) bytes += part.iov_len;
    peer_.sent(parts(*send_.message));
    complete(send_, {static_cast<int32_t>(bytes), 0, 0});
    return 1;
  }

  ReplayPeer& peer_;
  ReplayCounts& counts_;
  uint64_t& now_ns_;
  Pending receive_;
  Pending send_;
  Pending close_;
  uint32_t in_flight_ = 0;
  bool shut_down_ = false;
  bool over_ = false;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool wake_ = false;
};

class ReplayEnv final : public env::Env {
 public:
  explicit ReplayEnv(ReplayPeer& peer) : peer_(peer) {}
  const ReplayCounts& counts() const { return counts_; }

  uint64_t now_ns() override {
    ++counts_.clock_reads;
    return now_ns_;
  }
  Result<std::unique_ptr<env::Ring>> make_ring(uint32_t) override {
    auto ring = std::make_unique<ReplayRing>(peer_, counts_, now_ns_);
    ring_ = ring.get();
    return std::unique_ptr<env::Ring>(std::move(ring));
  }
  Result<std::unique_ptr<env::Thread>> start_thread(const std::string&, int,
                                                    std::function<void()> run) override {
    return std::unique_ptr<env::Thread>(std::make_unique<ReplayThread>(std::move(run)));
  }
  Result<std::unique_ptr<env::Region>> allocate(size_t bytes, env::HugePages) override {
    return std::unique_ptr<env::Region>(std::make_unique<ReplayRegion>(bytes));
  }
  Result<int> listen(const env::Endpoint&, int) override { UNREACHABLE(); }
  Result<env::SocketAddress> resolve(const env::Endpoint&) override {
    return Error{ENOSYS, "replayed"};
  }
  Result<int> make_socket(const env::SocketAddress&) override { return Error{ENOSYS, "replayed"}; }
  Result<env::Endpoint> local_endpoint(int) override { UNREACHABLE(); }
  Result<env::Endpoint> peer_endpoint(int) override { UNREACHABLE(); }
  void prepare_connection(int) override {}
  void limit_unsent(int, uint32_t) override {}
  void shutdown(int) override { ring_->shut_down(); }
  void close(int) override {}
  Result<env::FileFacts> open_file(const env::FileOpen&) override { UNREACHABLE(); }
  Result<env::ContentFacts> inspect(const std::string&) override { UNREACHABLE(); }
  Result<env::ContentFacts> inspect_open(int) override { UNREACHABLE(); }
  Result<void> record_identity(const std::string&, uint64_t, uint64_t,
                               const std::string&) override {
    UNREACHABLE();
  }
  Result<int> lock_file(const std::string&) override { UNREACHABLE(); }
  std::vector<std::string> features() override { return {}; }

 private:
  struct ReplayThread final : env::Thread {
    explicit ReplayThread(std::function<void()> run) : thread(std::move(run)) {}
    ~ReplayThread() override { thread.join(); }
    std::thread thread;
  };
  struct ReplayRegion final : env::Region {
    explicit ReplayRegion(size_t size) : size_(size) {
      void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      ASSERT(at != MAP_FAILED);
      base_ = static_cast<std::byte*>(at);
    }
    ~ReplayRegion() override { ::munmap(base_, size_); }
    std::byte* base() override { return base_; }
    size_t bytes() const override { return size_; }
    bool discard(size_t, size_t) override { return false; }
    std::byte* base_ = nullptr;
    size_t size_;
  };

  ReplayPeer& peer_;
  ReplayCounts counts_;
  uint64_t now_ns_ = 1'000'000'000;
  ReplayRing* ring_ = nullptr;
};

}  // namespace capsuled::transport::replay
