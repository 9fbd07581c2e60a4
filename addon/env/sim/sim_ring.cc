#include "env/sim/sim_ring.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "env/sim/sim_env.h"

namespace capsuled::env::sim {

namespace {

/// So late a worker of the kernel looks at a send.
constexpr SimSpan kBeginsLate{1, 100'000, 0, 0};
/// One that is cancelled, or whose connection is over, is given back when its worker looks.
constexpr SimSpan kEndsLate{1, 100'000, 3, 50'000'000};

/// While the machine does something for the process.
class InMachine {
 public:
  explicit InMachine(const SimEnv& env) : door_(env.door()) {
    if (door_ != nullptr) door_->enter_machine();
  }
  ~InMachine() {
    if (door_ != nullptr) door_->leave_machine();
  }
  InMachine(const InMachine&) = delete;
  InMachine& operator=(const InMachine&) = delete;

 private:
  SimDoor* const door_;
};

/// Within that, while the process goes on.
class InProcess {
 public:
  explicit InProcess(const SimEnv& env) : door_(env.door()) {
    if (door_ != nullptr) door_->leave_machine();
  }
  ~InProcess() {
    if (door_ != nullptr) door_->enter_machine();
  }
  InProcess(const InProcess&) = delete;
  InProcess& operator=(const InProcess&) = delete;

 private:
  SimDoor* const door_;
};

size_t bytes_of(const msghdr& message) {
  size_t bytes = 0;
  for (size_t index = 0; index < message.msg_iovlen; ++index) {
    bytes += message.msg_iov[index].iov_len;
  }
  return bytes;
}

size_t bytes_of(const std::vector<iovec>& iov) {
  size_t bytes = 0;
  for (const iovec& part : iov) bytes += part.iov_len;
  return bytes;
}

std::vector<std::byte> bytes_in(const msghdr& message) {
  std::vector<std::byte> bytes;
  for (const iovec& part : std::span(message.msg_iov, message.msg_iovlen)) {
    const auto* const at = static_cast<const std::byte*>(part.iov_base);
    bytes.insert(bytes.end(), at, at + part.iov_len);
  }
  return bytes;
}

/// The place `offset` bytes into a message, up to the end of its iovec.
std::span<std::byte> place(const msghdr& message, size_t offset) {
  const iovec* part = message.msg_iov;
  while (offset >= part->iov_len) offset -= (part++)->iov_len;
  return {static_cast<std::byte*>(part->iov_base) + offset, part->iov_len - offset};
}

}  // namespace

// ---- Provided buffers ---------------------------------------------------------------------------

SimBuffers::SimBuffers(SimEnv& env, uint32_t buffer_bytes, uint32_t count)
    : env_(env),
      buffer_bytes_(buffer_bytes),
      count_(count),
      memory_(size_t{buffer_bytes} * count),
      is_taken_(count) {
  for (uint32_t index = count; index > 0; --index)
    free_.push_back(static_cast<uint16_t>(index - 1));
}

SimBuffers::~SimBuffers() { ASSERT_MSG(taken() == 0, "receive buffers lost"); }

std::byte* SimBuffers::at(uint16_t index) { return memory_.data() + size_t{buffer_bytes_} * index; }

void SimBuffers::recycle(uint16_t index) {
  const InMachine door(env_);
  ASSERT_MSG(is_taken_[index], "a buffer recycled twice");
  is_taken_[index] = false;
  // The kernel may write there at any time from now on.
  std::memset(at(index), 0xdd, buffer_bytes_);
  free_.push_back(index);
}

uint32_t SimBuffers::take() {
  if (free_.empty()) return count_;
  const uint16_t index = free_.back();
  free_.pop_back();
  is_taken_[index] = true;
  return index;
}

// ---- Preparing ----------------------------------------------------------------------------------

SimRing::~SimRing() { ASSERT_MSG(in_flight_ == 0, "a ring destroyed with operations in flight"); }

/// Within the machine.
SimRing::Work& SimRing::add(RingOp& op, Kind kind, int fd) {
  ASSERT_MSG(!op.in_flight, "a RingOp prepared twice");
  ASSERT(op.complete != nullptr);
  op.in_flight = true;
  op.cancelled = false;
  ++in_flight_;
  Work& work = works_.emplace_back();
  work.op = &op;
  work.kind = kind;
  work.fd = fd;
  work.begun_ns = machine_.now_ns();
  by_op_[&op] = std::prev(works_.end());
  submitted_.push_back(&op);
  return work;
}

void SimRing::accept(RingOp& op, int listen_fd) {
  const InMachine door(env_);
  add(op, Kind::Accept, listen_fd);
}

void SimRing::connect(RingOp& op, int fd, const SocketAddress& address) {
  const InMachine door(env_);
  add(op, Kind::Connect, fd).address = address;
}

void SimRing::receive_provided(RingOp& op, int fd, ProvidedBuffers& buffers, uint32_t bytes_max) {
  const InMachine door(env_);
  ++env_.calls().receives;
  Work& work = add(op, Kind::ReceiveProvided, fd);
  work.buffers = &static_cast<SimBuffers&>(buffers);
  work.bytes_max = bytes_max;
}

void SimRing::receive(RingOp& op, int fd, msghdr& message, WaitFor wait_for) {
  const InMachine door(env_);
  ++env_.calls().receives;
  Work& work = add(op, Kind::Receive, fd);
  work.message = &message;
  work.flag = wait_for == WaitFor::All;
}

void SimRing::send(RingOp& op, int fd, msghdr& message) {
  const InMachine door(env_);
  ++env_.calls().sends;
  add(op, Kind::Send, fd).message = &message;
  env_.socket(fd).offer(bytes_of(message));
}

void SimRing::read(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset) {
  const InMachine door(env_);
  Work& work = add(op, Kind::Read, fd);
  work.iov.assign(iov, iov + iov_count);
  work.offset = offset;
}

void SimRing::write(RingOp& op, int fd, const iovec* iov, uint32_t iov_count, uint64_t offset,
                    Durability durability) {
  const InMachine door(env_);
  env_.disk(fd).write_begins();
  Work& work = add(op, Kind::Write, fd);
  work.iov.assign(iov, iov + iov_count);
  work.offset = offset;
  work.flag = durability == Durability::Durable;
}

void SimRing::sync_data(RingOp& op, int fd) {
  const InMachine door(env_);
  add(op, Kind::Sync, fd);
}

void SimRing::allocate(RingOp& op, int fd, AllocateMode mode, uint64_t offset, uint64_t length) {
  const InMachine door(env_);
  Work& work = add(op, Kind::Allocate, fd);
  work.offset = offset;
  work.length = length;
  work.flag = mode == AllocateMode::PunchHole;
}

void SimRing::close(RingOp& op, int fd) {
  const InMachine door(env_);
  add(op, Kind::Close, fd);
}

void SimRing::await_event(RingOp& op, int event_fd, uint64_t& count) {
  const InMachine door(env_);
  add(op, Kind::Event, event_fd).count = &count;
}

void SimRing::expect_blocking(int32_t change) {
  ASSERT(change >= 0 || workers_max_ > static_cast<uint32_t>(-change));
  workers_max_ += static_cast<uint32_t>(change);
}

Result<uint64_t> SimRing::file_bytes(int fd) {
  ++env_.calls().size_reads;
  return env_.disk(fd).bytes();
}

void SimRing::cancel(RingOp& op) {
  const InMachine door(env_);
  if (!op.in_flight) return;
  op.cancelled = true;
  // What has ended already is answered as it ended.
  if (const auto found = by_op_.find(&op); found != by_op_.end()) found->second->cancelled = true;
}

Result<std::unique_ptr<ProvidedBuffers>> SimRing::provide_buffers(uint32_t buffer_bytes,
                                                                  uint32_t count) {
  return std::unique_ptr<ProvidedBuffers>(std::make_unique<SimBuffers>(env_, buffer_bytes, count));
}

// ---- The machine's side -------------------------------------------------------------------------

/// Hands over what was prepared, in order, and then what is to end early.
void SimRing::submit() {
  for (RingOp* const op : std::exchange(submitted_, {})) begin(*by_op_.at(op));
  for (auto next = works_.begin(); next != works_.end();) {
    Work& work = *next++;
    if (!work.cancelled || work.locked) continue;
    if (work.kind == Kind::Send && ends_late(work)) continue;
    std::erase(blocking_line_, work.op);
    end(work, work.moved > 0 ? static_cast<int32_t>(work.moved) : -ECANCELED);
  }
}

/// Whether a worker of the kernel has the send, which looks at it only some time later: one time in
/// `one_in`, and once for each send, when it begins or is to end.
bool SimRing::is_late(Work& work, uint32_t one_in, const SimSpan& span) {
  if (one_in == 0) return false;
  if (work.late_until_ns == 0) {
    const bool late = machine_.prng().chance(1, one_in);
    work.late_until_ns = machine_.now_ns() + (late ? span.pick(machine_.prng()) : 0);
    if (!late) return false;
    const std::weak_ptr<bool> alive = alive_;
    machine_.at(work.late_until_ns, [this, alive, op = work.op] {
      if (!alive.expired()) advance(*op);
    });
  }
  return machine_.now_ns() < work.late_until_ns;
}

bool SimRing::ends_late(Work& work) {
  return is_late(work, env_.socket(work.fd).line.late_sends_one_in == 0 ? 0 : 2, kEndsLate);
}

void SimRing::begin(Work& work) {
  work.begun = true;
  switch (work.kind) {
    case Kind::Accept: {
      auto& listener = *std::get<SimNetwork::Listener*>(env_.descriptor(work.fd));
      listener.ready = [this, op = work.op] { advance(*op); };
      return advance_accept(work);
    }
    case Kind::Connect: return begin_connect(work);
    case Kind::ReceiveProvided:
    case Kind::Receive:
      env_.socket(work.fd).readable = [this, op = work.op] { advance(*op); };
      return advance_receive(work);
    case Kind::Send:
      env_.socket(work.fd).writable = [this, op = work.op] { advance(*op); };
      if (is_late(work, env_.socket(work.fd).line.late_sends_one_in, kBeginsLate)) return;
      work.late_until_ns = 0;
      return advance_send(work);
    case Kind::Event:
      env_.event(work.fd).signaled = [this, op = work.op] { advance(*op); };
      return advance_event(work);
    case Kind::Read:
    case Kind::Write: return begin_file(work);
    case Kind::Sync:
    case Kind::Allocate: blocking_line_.push_back(work.op); return begin_blocking();
    case Kind::Close: {
      for (const Work& other : works_) {
        ASSERT_MSG(&other == &work || other.fd != work.fd, "closed with operations in flight");
      }
      env_.close(work.fd);
      return end(work, 0);
    }
  }
}

/// Something happened that `op` waits for, if the machine has it.
void SimRing::advance(const RingOp& op) {
  const auto found = by_op_.find(&op);
  if (found == by_op_.end() || !found->second->begun) return;
  Work& work = *found->second;
  switch (work.kind) {
    case Kind::Accept: return advance_accept(work);
    case Kind::ReceiveProvided:
    case Kind::Receive: return advance_receive(work);
    case Kind::Send: return advance_send(work);
    case Kind::Event: return advance_event(work);
    default: UNREACHABLE();
  }
}

void SimRing::advance_accept(Work& work) {
  auto& listener = *std::get<SimNetwork::Listener*>(env_.descriptor(work.fd));
  while (SimSocket* const accepted = listener.accept()) {
    post(*work.op, work.begun_ns, {env_.open(accepted), Completion::kMore, 0});
  }
}

void SimRing::advance_receive(Work& work) {
  SimSocket& socket = env_.socket(work.fd);
  if (work.kind == Kind::ReceiveProvided) {
    if (socket.readable_bytes() == 0) {
      if (socket.error() != 0) return end(work, -socket.error());
      if (socket.at_end()) return end(work, 0);
      return;
    }
    const uint32_t index = work.buffers->take();
    if (index == work.buffers->count()) return end(work, -ENOBUFS);
    const auto buffer = static_cast<uint16_t>(index);
    const uint32_t bytes_max = std::min(work.bytes_max, work.buffers->buffer_bytes());
    const size_t count = socket.read({work.buffers->at(buffer), bytes_max});
    return end(work, static_cast<int32_t>(count), Completion::kBuffer, buffer);
  }
  const size_t all = bytes_of(*work.message);
  while (work.moved < all && socket.readable_bytes() > 0) {
    work.moved += socket.read(place(*work.message, work.moved));
  }
  const auto had = static_cast<int32_t>(work.moved);
  const bool enough = work.moved == all || (work.moved > 0 && !work.flag);
  if (!enough && socket.error() != 0) return end(work, had > 0 ? had : -socket.error());
  if (enough || socket.at_end()) end(work, had);
}

void SimRing::advance_event(Work& work) {
  SimEnv::Event& event = env_.event(work.fd);
  if (event.count == 0) return;
  *work.count = std::exchange(event.count, 0);
  end(work, sizeof(uint64_t));
}

/// Until a send ends the kernel may read its memory at any time, so that must stay as it was.
void SimRing::check_held(const Work& work) {
  ASSERT_MSG(bytes_in(*work.message) == work.held, "memory of a send was used for others");
}

/// A send whose end a test decides.
void SimRing::advance_held(Work& work, SimSocket& socket) {
  if (!work.locked) {
    work.locked = true;
    work.held = bytes_in(*work.message);
    socket.write_all(std::span(work.held).subspan(work.moved));
  }
  int32_t result = 0;
  switch (socket.send_end()) {
    case SendEnd::Open:
    case SendEnd::Short: UNREACHABLE();
    case SendEnd::Held: return;
    case SendEnd::Whole: result = static_cast<int32_t>(work.held.size()); break;
    case SendEnd::Failed: result = -ECONNRESET; break;
    case SendEnd::Cancelled: result = -ECANCELED; break;
  }
  socket.end_sends(SendEnd::Open);
  end(work, result);
}

void SimRing::advance_send(Work& work) {
  SimSocket& socket = env_.socket(work.fd);
  const size_t all = bytes_of(*work.message);
  const bool over = socket.error() != 0 || socket.writes_shut() || work.cancelled;
  if (over && work.moved < all && ends_late(work)) return;
  if (socket.send_end() == SendEnd::Short) {
    socket.end_sends(SendEnd::Open);
    if (work.moved > 0 && work.moved < all) return end(work, static_cast<int32_t>(work.moved));
  }
  if (work.locked && socket.send_end() == SendEnd::Open) socket.end_sends(SendEnd::Whole);
  if (socket.send_end() != SendEnd::Open) return advance_held(work, socket);
  while (work.moved < all) {
    const auto had = static_cast<int32_t>(work.moved);
    if (socket.error() != 0) return end(work, had > 0 ? had : -socket.error());
    if (socket.writes_shut()) return end(work, had > 0 ? had : -EPIPE);
    const size_t count = socket.write(place(*work.message, work.moved));
    if (count == 0) {
      if (work.cancelled) return end(work, had > 0 ? had : -ECANCELED);
      if (work.held.empty()) work.held = bytes_in(*work.message);
      return;
    }
    work.moved += count;
  }
  end(work, static_cast<int32_t>(all));
}

void SimRing::begin_connect(Work& work) {
  const std::weak_ptr<bool> alive = alive_;
  env_.network().connect(env_.address(), endpoint_of(work.address),
                         [this, alive, op = work.op, fd = work.fd](SimSocket* socket, int errnum) {
                           const auto found = alive.expired() ? by_op_.end() : by_op_.find(op);
                           // If it was cancelled its RingOp may be another operation's by now.
                           const bool wanted = !alive.expired() && found != by_op_.end() &&
                                               found->second->kind == Kind::Connect &&
                                               found->second->fd == fd;
                           if (socket != nullptr) socket->reset_when_closed();
                           if (socket != nullptr && !wanted) return socket->close();
                           if (!wanted) return;
                           if (socket != nullptr) env_.descriptor(fd) = socket;
                           end(*found->second, -errnum);
                         });
}

// ---- Files --------------------------------------------------------------------------------------

void SimRing::begin_file(Work& work) {
  work.locked = true;
  SimDisk& disk = env_.disk(work.fd);
  const bool reads = work.kind == Kind::Read;
  const SimSpan& span = reads ? disk.latency.read : disk.latency.write;
  const std::weak_ptr<bool> alive = alive_;
  machine_.after(span.pick(machine_.prng()), [this, alive, op = work.op, &disk] {
    disk.when_running([this, alive, op, &disk] {
      if (alive.expired()) return;
      run_file(*by_op_.at(op), disk);
    });
  });
}

void SimRing::run_file(Work& work, SimDisk& disk) { end(work, transfer(work, disk)); }

int32_t SimRing::transfer(Work& work, SimDisk& disk) {
  const bool reads = work.kind == Kind::Read;
  uint64_t bytes = bytes_of(work.iov);
  if (disk.outcome != nullptr) {
    const DiskOp op = reads ? DiskOp::Read : DiskOp::Write;
    const int32_t most = disk.outcome({op, work.offset, bytes, work.flag});
    if (most <= 0) return most;
    bytes = std::min<uint64_t>(bytes, static_cast<uint32_t>(most));
  }
  if (!reads && !disk.block_device && work.offset + bytes > disk.bytes()) {
    disk.resize(work.offset + bytes);
  }
  if (work.offset >= disk.bytes()) return reads ? 0 : -ENOSPC;
  bytes = std::min(bytes, disk.bytes() - work.offset);
  const uint32_t unit = disk.atomic_bytes;
  if (disk.short_transfers && bytes > unit && machine_.prng().chance(1, 4)) {
    bytes = machine_.prng().between(1, (bytes - 1) / unit) * unit;
  }
  uint64_t moved = 0;
  for (const iovec& part : work.iov) {
    const size_t count = std::min<uint64_t>(part.iov_len, bytes - moved);
    const std::span at(static_cast<std::byte*>(part.iov_base), count);
    if (reads) {
      disk.read(work.offset + moved, at);
    } else {
      disk.write(work.offset + moved, at);
    }
    moved += count;
  }
  if (work.flag) disk.flush(work.offset, moved);
  return static_cast<int32_t>(moved);
}

/// Each of these holds one of the ring's workers until it ends.
void SimRing::begin_blocking() {
  while (workers_busy_ < workers_max_ && !blocking_line_.empty()) {
    Work& work = *by_op_.at(blocking_line_.front());
    blocking_line_.pop_front();
    ++workers_busy_;
    work.locked = true;
    SimDisk& disk = env_.disk(work.fd);
    const bool syncs = work.kind == Kind::Sync;
    const SimSpan& span = syncs ? disk.latency.flush : disk.latency.allocate;
    const uint64_t version = disk.version();
    const std::weak_ptr<bool> alive = alive_;
    machine_.after(span.pick(machine_.prng()), [this, alive, op = work.op, &disk, version, syncs] {
      disk.when_running([this, alive, op, &disk, version, syncs] {
        if (alive.expired()) return;
        Work& done = *by_op_.at(op);
        const DiskOp zeroes = done.flag ? DiskOp::PunchHole : DiskOp::ZeroRange;
        const DiskRequest asked{syncs ? DiskOp::Flush : zeroes, done.offset, done.length, false};
        const int32_t result = disk.outcome == nullptr ? 0 : std::min(disk.outcome(asked), 0);
        if (result == 0 && syncs) disk.flush(version);
        if (result == 0 && !syncs) disk.zero(done.offset, done.length);
        --workers_busy_;
        end(done, result);
        begin_blocking();
      });
    });
  }
}

// ---- Ends ---------------------------------------------------------------------------------------

void SimRing::end(Work& work, int32_t result, uint32_t flags, uint16_t buffer_index) {
  RingOp& op = *work.op;
  if (work.kind == Kind::Write) env_.disk(work.fd).write_ends();
  if (!work.held.empty()) check_held(work);
  const bool receives = work.kind == Kind::Receive || work.kind == Kind::ReceiveProvided;
  SimSocket* const reader = receives && result > 0 ? &env_.socket(work.fd) : nullptr;
  const uint64_t begun_ns = work.begun_ns;
  const auto found = by_op_.find(&op);
  works_.erase(found->second);
  by_op_.erase(found);
  post(op, begun_ns, {result, flags, buffer_index}, reader);
}

void SimRing::post(RingOp& op, uint64_t begun_ns, const Completion& completion, SimSocket* reader) {
  ended_.push_back({&op, completion, begun_ns, machine_.now_ns(), reader});
  if (thread_ != nullptr) machine_.wake(*thread_);
}

/// Of one operation they stay in order; and nothing overtakes what had ended before it began.
void SimRing::shuffle_ended() {
  std::deque<Ended> mixed;
  while (!ended_.empty()) {
    const Ended& any = ended_[machine_.prng().below(ended_.size())];
    const bool is_later = ended_.front().ended_ns <= any.begun_ns;
    const auto next = is_later ? ended_.begin() : std::ranges::find(ended_, any.op, &Ended::op);
    mixed.push_back(*next);
    ended_.erase(next);
  }
  ended_ = std::move(mixed);
}

uint32_t SimRing::poll() {
  const InMachine door(env_);
  ++env_.calls().polls;
  thread_ = machine_.running();
  wake_pending_ = false;
  submit();
  // What completions prepare is for the next time; and now and then the kernel has another order,
  // and is late with some.
  if (ended_.size() > 1 && machine_.prng().chance(1, 4)) shuffle_ended();
  size_t count = ended_.size();
  if (count > 1 && machine_.prng().chance(1, 8)) count = machine_.prng().between(1, count);
  for (size_t ran = 0; ran < count; ++ran) {
    const Ended next = ended_.front();
    ended_.pop_front();
    if ((next.completion.flags & Completion::kMore) == 0) {
      next.op->in_flight = false;
      --in_flight_;
    }
    if (next.reader != nullptr) {
      next.reader->hand_over(static_cast<size_t>(next.completion.result));
    }
    const InProcess process(env_);
    next.op->complete(*next.op, next.completion);
  }
  return static_cast<uint32_t>(count);
}

void SimRing::sleep(uint64_t deadline_ns) {
  const InMachine door(env_);
  submit();
  const auto has_work = [this] { return !ended_.empty() || wake_pending_; };
  if (has_work()) return;
  thread_ = machine_.running();
  if (thread_ != nullptr) {
    machine_.sleep(*thread_, deadline_ns);
  } else {
    // The control thread, or a worker: it is not a thread of the machine, and waits here.
    machine_.until(has_work, deadline_ns);
  }
}

uint32_t SimRing::wait(uint64_t deadline_ns) {
  sleep(deadline_ns);
  return poll();
}

void SimRing::wake() {
  wake_pending_ = true;
  if (thread_ != nullptr) machine_.wake(*thread_);
}

void SimRing::finish() { ASSERT_MSG(in_flight_ == 0, "finished with operations in flight"); }

}  // namespace capsuled::env::sim
