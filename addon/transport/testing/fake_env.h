// FakeEnv and FakeRing: the machine in memory, for fuzzing whole connections. Time passes when the
// test says so or when the reactor sleeps; sockets are byte queues; completions come in an order
// and in pieces that a seed decides.
//
// The reactor's loop runs on a thread of its own, because stop() joins it, but it is the only one
// that does anything: `drive` is called from each poll(), and says by returning false that the test
// is over.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "env/env.h"

namespace capsuled::transport::testing {

/// What becomes of the send that is in flight.
enum class SendEnd : uint8_t {
  Open,       ///< it goes on as the host reads
  Held,       ///< the host has all of it, and the target is not told, whatever happens
  Whole,      ///< it completes
  Failed,     ///< it fails, though the host may have it
  Cancelled,  ///< the same, in the kernel's words for a cancellation
};

/// The host's end is the test's, the other end the target's.
struct FakeSocket {
  std::deque<std::byte> to_target;
  std::vector<std::byte> to_host;
  bool host_closed = false;  ///< no more bytes for the target
  bool reset = false;        ///< sends and receives fail
  bool host_reads = true;    ///< else sends wait
  bool shut_down = false;    ///< by the target
  bool closed = false;       ///< by the target
  uint32_t unsent_max = 0;   ///< as the target said; not kept here, where `host_reads` says it
  /// Open again when the send ended.
  SendEnd send_end = SendEnd::Open;
};

class FakeBuffers : public env::ProvidedBuffers {
 public:
  FakeBuffers(uint32_t buffer_bytes, uint32_t count)
      : buffer_bytes_(buffer_bytes), memory_(size_t{buffer_bytes} * count), taken_(count, false) {}
  ~FakeBuffers() override { ASSERT_MSG(taken() == 0, "receive buffers lost"); }
  std::byte* at(uint16_t index) override { return memory_.data() + size_t{buffer_bytes_} * index; }
  void recycle(uint16_t index) override {
    ASSERT(taken_[index]);
    taken_[index] = false;
    std::memset(at(index), 0xdd, buffer_bytes_);
  }
  uint32_t buffer_bytes() const override { return buffer_bytes_; }
  uint32_t count() const override { return static_cast<uint32_t>(taken_.size()); }
  uint32_t taken() const override {
    return static_cast<uint32_t>(std::count(taken_.begin(), taken_.end(), true));
  }
  /// A free one; count() if there is none.
  uint32_t take() {
    const auto found = std::find(taken_.begin(), taken_.end(), false);
    if (found != taken_.end()) *found = true;
    return static_cast<uint32_t>(found - taken_.begin());
  }

 private:
  uint32_t buffer_bytes_;
  std::vector<std::byte> memory_;
  std::vector<bool> taken_;
};

class FakeRing : public env::Ring {
 public:
  FakeRing(uint64_t& now_ns, uint64_t& owed_ns, Prng& prng, std::function<bool()>& drive)
      : now_ns_(now_ns), owed_ns_(owed_ns), prng_(prng), drive_(drive) {}
  ~FakeRing() override { ASSERT(pending_.empty()); }

  FakeSocket& socket(int fd) { return sockets_.at(fd); }
  int open() {
    sockets_[next_fd_];
    return next_fd_++;
  }
  void shut_down(int fd) { sockets_.at(fd).shut_down = true; }
  void close_now(int fd) { sockets_.at(fd).closed = true; }
  void limit_unsent(int fd, uint32_t bytes) { sockets_.at(fd).unsent_max = bytes; }
  /// Bytes that one receive or send moves at most, until changed.
  uint32_t piece_max = 64 * 1024;
  /// `drive` is no work: the reactor may sleep between two calls of it.
  bool lets_sleep = false;
  /// What happens in the next sleep, and how long it lasts.
  std::function<uint64_t()> in_sleep;

  void accept(env::RingOp&, int) override { UNREACHABLE(); }
  void connect(env::RingOp&, int, const env::SocketAddress&) override { UNREACHABLE(); }
  void receive_provided(env::RingOp& op, int fd, env::ProvidedBuffers& buffers,
                        uint32_t bytes_max) override {
    add({.op = &op, .kind = Kind::Provided, .fd = fd, .buffers = &buffers, .bytes_max = bytes_max});
  }
  void receive(env::RingOp& op, int fd, msghdr& message, env::WaitFor wait_for) override {
    ASSERT(wait_for == env::WaitFor::All);
    add({.op = &op, .kind = Kind::Receive, .fd = fd, .message = &message});
  }
  void send(env::RingOp& op, int fd, msghdr& message) override {
    add({.op = &op, .kind = Kind::Send, .fd = fd, .message = &message});
  }
  void close(env::RingOp& op, int fd) override { add({.op = &op, .kind = Kind::Close, .fd = fd}); }
  void cancel(env::RingOp& op) override { op.cancelled = op.in_flight; }
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
        std::make_unique<FakeBuffers>(buffer_bytes, count));
  }

  uint32_t poll() override {
    const uint64_t step_ns = std::min(owed_ns_, kStepNsMax);
    owed_ns_ -= step_ns;
    now_ns_ += 1000 + step_ns;
    const bool more = !over_ && drive_();
    if (!more) over_ = true;
    uint32_t ran = 0;
    for (size_t turns = pending_.size(); turns > 0; --turns) {
      const size_t index = prng_.below(pending_.size());
      env::RingOp& op = *pending_[index].op;
      env::Completion completion{};
      if (!finish(pending_[index], completion)) continue;
      pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(index));
      op.in_flight = false;
      op.complete(op, completion);
      ++ran;
    }
    return ran + (more && (!lets_sleep || owed_ns_ > 0) ? 1 : 0);
  }
  void sleep(uint64_t deadline_ns) override {
    // Over: the loop is told to stop from outside, and needs no more time.
    if (over_) std::this_thread::yield();
    if (in_sleep != nullptr) {
      now_ns_ += std::exchange(in_sleep, nullptr)();
      return;
    }
    now_ns_ = std::max(now_ns_, std::min(deadline_ns, now_ns_ + 100'000'000));
  }
  uint32_t wait(uint64_t deadline_ns) override {
    sleep(deadline_ns);
    return poll();
  }
  void wake() override {}
  uint32_t in_flight() const override { return static_cast<uint32_t>(pending_.size()); }
  void finish() override {}

 private:
  static constexpr uint64_t kStepNsMax = 250'000'000;  // less than what a reactor takes for a gap
  enum class Kind : uint8_t { Provided, Receive, Send, Close };
  struct Pending {
    env::RingOp* op = nullptr;
    Kind kind = Kind::Close;
    int fd = -1;
    env::ProvidedBuffers* buffers = nullptr;
    msghdr* message = nullptr;
    uint32_t bytes_max = 0;
    size_t moved = 0;
    std::vector<std::byte> held = {};  ///< what a held send had when it was first looked at
  };

  void add(Pending pending) {
    ASSERT(!pending.op->in_flight && pending.op->complete != nullptr);
    ASSERT(!sockets_.at(pending.fd).closed);
    pending.op->in_flight = true;
    pending.op->cancelled = false;
    pending_.push_back(pending);
  }

  static size_t total(const msghdr& message) {
    size_t bytes = 0;
    for (size_t index = 0; index < message.msg_iovlen; ++index) {
      bytes += message.msg_iov[index].iov_len;
    }
    return bytes;
  }
  /// The place `offset` bytes into a message, and what is left of its iovec.
  static iovec place(const msghdr& message, size_t offset) {
    const iovec* iov = message.msg_iov;
    while (offset >= iov->iov_len) offset -= (iov++)->iov_len;
    return {static_cast<std::byte*>(iov->iov_base) + offset, iov->iov_len - offset};
  }

  static size_t take(FakeSocket& socket, void* to, size_t count) {
    const auto end = socket.to_target.begin() + static_cast<ptrdiff_t>(count);
    std::copy(socket.to_target.begin(), end, static_cast<std::byte*>(to));
    socket.to_target.erase(socket.to_target.begin(), end);
    return count;
  }

  /// True: it has completed.
  bool finish(Pending& pending, env::Completion& completion) {
    FakeSocket& socket = sockets_.at(pending.fd);
    switch (pending.kind) {
      case Kind::Close: socket.closed = true; return true;
      case Kind::Provided: return finish_provided(pending, socket, completion);
      case Kind::Receive: return finish_receive(pending, socket, completion);
      case Kind::Send: return finish_send(pending, socket, completion);
    }
    UNREACHABLE();
  }

  static bool ended(const Pending& pending, const FakeSocket& socket, int32_t& result) {
    if (pending.op->cancelled) {
      result = -ECANCELED;
    } else if (socket.reset) {
      result = -ECONNRESET;
    } else if (socket.shut_down ||
               (pending.kind != Kind::Send && socket.to_target.empty() && socket.host_closed)) {
      result = pending.kind == Kind::Send ? -EPIPE : 0;
    } else {
      return false;
    }
    if (pending.moved > 0) result = static_cast<int32_t>(pending.moved);
    return true;
  }

  bool finish_provided(Pending& pending, FakeSocket& socket, env::Completion& completion) {
    if (ended(pending, socket, completion.result)) return true;
    if (socket.to_target.empty()) return false;
    auto& buffers = static_cast<FakeBuffers&>(*pending.buffers);
    const uint32_t index = prng_.chance(1, 16) ? buffers.count() : buffers.take();
    if (index == buffers.count()) {
      completion.result = -ENOBUFS;
      return true;
    }
    const size_t limit = std::min<size_t>(
        {socket.to_target.size(), buffers.buffer_bytes(), pending.bytes_max, piece_max});
    const size_t count = prng_.between(1, limit);
    take(socket, buffers.at(static_cast<uint16_t>(index)), count);
    completion = {static_cast<int32_t>(count), env::Completion::kBuffer,
                  static_cast<uint16_t>(index)};
    return true;
  }

  bool finish_receive(Pending& pending, FakeSocket& socket, env::Completion& completion) {
    if (ended(pending, socket, completion.result)) return true;
    const size_t all = total(*pending.message);
    while (pending.moved < all && !socket.to_target.empty()) {
      const iovec to = place(*pending.message, pending.moved);
      pending.moved += take(socket, to.iov_base, std::min(to.iov_len, socket.to_target.size()));
    }
    completion.result = static_cast<int32_t>(pending.moved);
    return pending.moved == all;
  }

  static std::vector<std::byte> bytes_of(const msghdr& message) {
    std::vector<std::byte> bytes;
    for (size_t index = 0; index < message.msg_iovlen; ++index) {
      const iovec& part = message.msg_iov[index];
      const auto* const at = static_cast<const std::byte*>(part.iov_base);
      bytes.insert(bytes.end(), at, at + part.iov_len);
    }
    return bytes;
  }

  /// A send whose completion the test decides. Until then the kernel may read its memory at any
  /// time, so that must stay as it was.
  static bool finish_held(Pending& pending, FakeSocket& socket, env::Completion& completion) {
    if (pending.held.empty()) {
      pending.held = bytes_of(*pending.message);
      const auto rest = pending.held.begin() + static_cast<ptrdiff_t>(pending.moved);
      socket.to_host.insert(socket.to_host.end(), rest, pending.held.end());
    }
    ASSERT_MSG(bytes_of(*pending.message) == pending.held, "memory of a send was used for others");
    switch (socket.send_end) {
      case SendEnd::Open: UNREACHABLE();
      case SendEnd::Held: return false;
      case SendEnd::Whole: completion.result = static_cast<int32_t>(pending.held.size()); break;
      case SendEnd::Failed: completion.result = -ECONNRESET; break;
      case SendEnd::Cancelled: completion.result = -ECANCELED; break;
    }
    socket.send_end = SendEnd::Open;
    return true;
  }

  bool finish_send(Pending& pending, FakeSocket& socket, env::Completion& completion) {
    if (socket.send_end != SendEnd::Open) return finish_held(pending, socket, completion);
    if (ended(pending, socket, completion.result)) return true;
    if (!socket.host_reads) return false;
    const size_t all = total(*pending.message);
    size_t budget = prng_.between(1, piece_max);
    while (pending.moved < all && budget > 0) {
      const iovec from = place(*pending.message, pending.moved);
      const size_t count = std::min(from.iov_len, budget);
      const auto* const at = static_cast<const std::byte*>(from.iov_base);
      socket.to_host.insert(socket.to_host.end(), at, at + count);
      pending.moved += count;
      budget -= count;
    }
    completion.result = static_cast<int32_t>(pending.moved);
    return pending.moved == all;
  }

  uint64_t& now_ns_;
  uint64_t& owed_ns_;
  Prng& prng_;
  std::function<bool()>& drive_;
  bool over_ = false;
  int next_fd_ = 3;
  std::map<int, FakeSocket> sockets_;
  std::vector<Pending> pending_;
};

class FakeEnv : public env::Env {
 public:
  explicit FakeEnv(uint64_t seed) : prng_(seed) {}

  /// Set before the reactor is started.
  std::function<bool()> drive;
  FakeRing& ring() { return *ring_; }
  Prng& prng() { return prng_; }
  /// So much time passes over the next polls.
  void advance(uint64_t ns) { owed_ns_ += ns; }
  /// advance() is over.
  bool advanced() const { return owed_ns_ == 0; }
  /// So much time passes at once: whoever runs is stopped, or its machine is.
  void jump(uint64_t ns) { now_ns_ += ns; }

  uint64_t now_ns() override { return now_ns_; }
  Result<std::unique_ptr<env::Ring>> make_ring(uint32_t) override {
    auto ring = std::make_unique<FakeRing>(now_ns_, owed_ns_, prng_, drive);
    ring_ = ring.get();
    return std::unique_ptr<env::Ring>(std::move(ring));
  }
  Result<std::unique_ptr<env::Thread>> start_thread(const std::string&, int,
                                                    std::function<void()> run) override {
    return std::unique_ptr<env::Thread>(std::make_unique<FakeThread>(std::move(run)));
  }
  Result<std::unique_ptr<env::Region>> allocate(size_t bytes, env::HugePages) override {
    return std::unique_ptr<env::Region>(std::make_unique<FakeRegion>(bytes));
  }
  Result<int> listen(const env::Endpoint&, int) override { return Error{ENOSYS, "fake"}; }
  Result<env::SocketAddress> resolve(const env::Endpoint&) override {
    return Error{ENOSYS, "fake"};
  }
  Result<int> make_socket(const env::SocketAddress&) override { return Error{ENOSYS, "fake"}; }
  Result<env::Endpoint> local_endpoint(int) override { return env::Endpoint{"127.0.0.1", 4420}; }
  Result<env::Endpoint> peer_endpoint(int) override { return env::Endpoint{"127.0.0.1", 50000}; }
  void prepare_connection(int) override {}
  void limit_unsent(int fd, uint32_t bytes) override { ring_->limit_unsent(fd, bytes); }
  void shutdown(int fd) override { ring_->shut_down(fd); }
  void close(int fd) override { ring_->close_now(fd); }
  Result<env::FileFacts> open_file(const env::FileOpen&) override { return Error{ENOSYS, "fake"}; }
  Result<env::ContentFacts> inspect(const std::string&) override { return Error{ENOSYS, "fake"}; }
  Result<env::ContentFacts> inspect_open(int) override { return Error{ENOSYS, "fake"}; }
  Result<void> record_identity(const std::string&, uint64_t, uint64_t,
                               const std::string&) override {
    return Error{ENOSYS, "fake"};
  }
  Result<int> lock_file(const std::string&) override { return Error{ENOSYS, "fake"}; }
  std::vector<std::string> features() override { return {}; }

 private:
  struct FakeThread : env::Thread {
    explicit FakeThread(std::function<void()> run) : thread(std::move(run)) {}
    ~FakeThread() override { thread.join(); }
    std::thread thread;
  };
  struct FakeRegion : env::Region {
    explicit FakeRegion(size_t size) : size_(size) {
      void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      ASSERT(at != MAP_FAILED);
      base_ = static_cast<std::byte*>(at);
    }
    ~FakeRegion() override { ::munmap(base_, size_); }
    std::byte* base() override { return base_; }
    size_t bytes() const override { return size_; }
    bool discard(size_t, size_t) override { return false; }
    std::byte* base_ = nullptr;
    size_t size_;
  };

  uint64_t now_ns_ = 1'000'000'000;
  uint64_t owed_ns_ = 0;
  Prng prng_;
  FakeRing* ring_ = nullptr;
};

}  // namespace capsuled::transport::testing
