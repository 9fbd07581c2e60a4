#include "env/sim/sim_network.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace capsuled::env::sim {

// ---- One end ------------------------------------------------------------------------------------

size_t SimSocket::read(std::span<std::byte> to) {
  size_t most = std::min(to.size(), arrived_.size());
  // In pieces of any size, if in pieces at all.
  if (const uint32_t read_max = other_ == nullptr ? UINT32_MAX : other_->line.read_max;
      most > 0 && read_max != UINT32_MAX) {
    most = machine_.prng().between(1, std::min<size_t>(most, read_max));
  }
  const size_t taken = arrived_.take(to.first(most));
  // The window opens: the other end may have waited for it.
  if (taken > 0 && other_ != nullptr) other_->push_out();
  return taken;
}

uint32_t SimSocket::room() const {
  if (writes_blocked_) return 0;
  const uint32_t limit = std::min(line.send_buffer, unsent_max_);
  const size_t used = unsent_.size();
  return used >= limit ? 0 : limit - static_cast<uint32_t>(used);
}

size_t SimSocket::write(std::span<const std::byte> bytes) {
  if (error_ != 0 || end_queued_) return 0;
  const size_t taken = std::min<size_t>(bytes.size(), room());
  take(bytes.first(taken));
  return taken;
}

void SimSocket::write_all(std::span<const std::byte> bytes) {
  if (error_ == 0 && !end_queued_) take(bytes);
}

void SimSocket::take(std::span<const std::byte> bytes) {
  written_ += bytes.size();
  offered_ = std::max(offered_, written_);
  unsent_.push(bytes);
  push_out();
}

void SimSocket::hand_over(size_t bytes) {
  handed_ += bytes;
  if (handed_over) handed_over();
}

/// What the other end's kernel still takes. It does not say so of little, or all that is sent would
/// be split up more and more (RFC 9293, section 3.8.6.2.2).
size_t SimSocket::window() const {
  constexpr uint32_t kLeast = 1460;
  const size_t used = travelling_ + (other_ == nullptr ? 0 : other_->arrived_.size());
  const size_t least = std::min(line.receive_buffer / 2, kLeast);
  return used + least > line.receive_buffer ? 0 : line.receive_buffer - used;
}

void SimSocket::push_out() {
  if (error_ != 0 || vanished_) return;
  const bool had_room = room() > 0;
  while (!unsent_.empty() && window() > 0) {
    const size_t most = std::min<size_t>({unsent_.size(), window(), line.piece_max});
    const size_t least = std::min<size_t>(line.piece_min, most);
    std::vector<std::byte> bytes = unsent_.take(machine_.prng().between(least, most));
    const uint64_t takes_ns = bytes.size() * 1'000'000'000 / line.bytes_per_second;
    line_free_ns_ = std::max(line_free_ns_, machine_.now_ns()) + takes_ns;
    arrives_ns_ = std::max(arrives_ns_, line_free_ns_ + line.latency.pick(machine_.prng()));
    travelling_ += bytes.size();
    machine_.at(arrives_ns_, [this, bytes = std::move(bytes)]() mutable {
      travelling_ -= bytes.size();
      if (vanished_ || other_ == nullptr) return;
      other_->arrive(std::move(bytes));
    });
  }
  if (unsent_.empty() && end_queued_ && !end_sent_) {
    end_sent_ = true;
    arrives_ns_ = std::max(arrives_ns_, machine_.now_ns() + line.latency.pick(machine_.prng()));
    machine_.at(arrives_ns_, [this] {
      if (!vanished_ && other_ != nullptr) other_->end_arrives();
    });
  }
  if (!had_room && room() > 0) call(writable);
}

void SimSocket::arrive(std::vector<std::byte> bytes) {
  if (error_ != 0) return;
  // Nobody reads here any more: the kernel answers with a reset.
  if (closed_) {
    other_->fail(ECONNRESET);
    return;
  }
  if (reads_shut_) return;
  arrived_.push(std::move(bytes));
  call(readable);
}

void SimSocket::end_arrives() {
  end_arrived_ = true;
  call(readable);
}

/// From an event of its own: a callback may do anything.
void SimSocket::call(std::function<void()>& callback) {
  machine_.after(0, [this, &callback] {
    if (!closed_ && callback != nullptr) callback();
  });
}

void SimSocket::fail(int errnum) {
  if (error_ != 0) return;
  error_ = errnum;
  unsent_.clear();
  call(readable);
  call(writable);
}

void SimSocket::shut_writes() {
  if (end_queued_) return;
  end_queued_ = true;
  push_out();
  call(writable);
}

void SimSocket::shut_both() {
  reads_shut_ = true;
  shut_writes();
  call(readable);
}

void SimSocket::close() {
  ASSERT(!closed_);
  if (!arrived_.empty() || resets_when_closed_) reset();
  shut_writes();
  closed_ = true;
}

void SimSocket::reset() {
  if (error_ != 0) return;
  if (other_ != nullptr && !vanished_) {
    // It may overtake what is on its way.
    machine_.after(line.latency.pick(machine_.prng()),
                   [other = other_] { other->fail(ECONNRESET); });
  }
  fail(ECONNRESET);
}

void SimSocket::vanish() {
  vanished_ = true;
  closed_ = true;
  if (other_ == nullptr) return;
  SimSocket* const other = std::exchange(other_, nullptr);
  other->other_ = nullptr;
  machine_.after(line.gives_up_ns, [other] { other->fail(ETIMEDOUT); });
}

void SimSocket::block_writes(bool block) {
  writes_blocked_ = block;
  if (!block) call(writable);
}

void SimSocket::end_sends(SendEnd end) {
  send_end_ = end;
  call(writable);
}

// ---- The network --------------------------------------------------------------------------------

SimNetwork::~SimNetwork() = default;

size_t SimNetwork::open_sockets() const {
  return static_cast<size_t>(std::ranges::count_if(
      sockets_, [](const std::unique_ptr<SimSocket>& socket) { return !socket->closed_; }));
}

SimSocket& SimNetwork::make_socket(const Endpoint& local, const Endpoint& remote) {
  sockets_.emplace_back(new SimSocket(machine_, line_, local, remote));
  return *sockets_.back();
}

Result<SimNetwork::Listener*> SimNetwork::listen(const Endpoint& endpoint, uint32_t backlog) {
  Endpoint local = endpoint;
  while (local.port == 0 ||
         (endpoint.port == 0 && listeners_.contains({local.address, local.port})))
    local.port = next_port_++;
  std::unique_ptr<Listener>& listener = listeners_[{local.address, local.port}];
  if (listener != nullptr) return Error{EADDRINUSE, "somebody listens there"};
  listener = std::make_unique<Listener>();
  listener->endpoint_ = local;
  listener->backlog_ = backlog;
  return listener.get();
}

void SimNetwork::close(Listener& listener) {
  for (SimSocket* const waiting : listener.waiting_) {
    waiting->reset();
    waiting->close();
  }
  const Endpoint& endpoint = listener.endpoint_;
  listeners_.erase({endpoint.address, endpoint.port});
}

SimSocket* SimNetwork::Listener::accept() {
  if (waiting_.empty()) return nullptr;
  SimSocket* const socket = waiting_.front();
  waiting_.pop_front();
  return socket;
}

void SimNetwork::unplug(const std::string& address) {
  for (const auto& [at, listener] : listeners_) {
    if (at.first != address) continue;
    listener->unplugged_ = true;
    for (SimSocket* const waiting : std::exchange(listener->waiting_, {})) {
      waiting->reset();
      waiting->close();
    }
  }
  for (const auto& socket : sockets_) {
    if (socket->local_.address == address) socket->reset();
  }
}

template <typename Condition>
SimSocket* SimNetwork::pick(Condition fits) {
  std::vector<SimSocket*> found;
  for (const auto& socket : sockets_) {
    if (!socket->closed_ && socket->error_ == 0 && fits(*socket)) found.push_back(socket.get());
  }
  return found.empty() ? nullptr : found[machine_.prng().below(found.size())];
}

void SimNetwork::reset_one() {
  if (SimSocket* const socket = pick([](const SimSocket&) { return true; })) socket->reset();
}

void SimNetwork::shorten_one_send(const std::string& address) {
  SimSocket* const socket = pick([&](const SimSocket& one) {
    return one.local_.address == address && one.send_end_ == SendEnd::Open && one.room() == 0;
  });
  if (socket != nullptr) socket->end_sends(SendEnd::Short);
}

void SimNetwork::connect(const std::string& from, const Endpoint& to,
                         std::function<void(SimSocket*, int errnum)> done) {
  const Endpoint local{from, next_port_++};
  machine_.after(line_.latency.pick(machine_.prng()), [this, local, to, done = std::move(done)] {
    const auto found = listeners_.find({to.address, to.port});
    const auto back_ns = line_.latency.pick(machine_.prng());
    if (found == listeners_.end() || found->second->unplugged_) {
      machine_.after(back_ns, [done] { done(nullptr, ECONNREFUSED); });
      return;
    }
    Listener& listener = *found->second;
    if (listener.waiting_.size() >= listener.backlog_) {
      machine_.after(back_ns, [done] { done(nullptr, ETIMEDOUT); });
      return;
    }
    const auto [theirs, ours] = connected(to, local);
    listener.waiting_.push_back(theirs);
    if (listener.ready != nullptr) listener.ready();
    machine_.after(back_ns, [done, ours] { done(ours, 0); });
  });
}

std::pair<SimSocket*, SimSocket*> SimNetwork::connected(const Endpoint& one,
                                                        const Endpoint& other) {
  SimSocket& first = make_socket(one, other);
  SimSocket& second = make_socket(other, one);
  first.other_ = &second;
  second.other_ = &first;
  return {&first, &second};
}

}  // namespace capsuled::env::sim
