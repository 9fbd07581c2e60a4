// ScriptedController: the controller's end of the connections of an initiator, for tests: it
// listens on the loopback, and the test says each PDU. OnReactor is the initiator's side: a reactor
// on a thread of its own. Thread: the test's, but for what run() is given.
#pragma once

#include <netinet/in.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/assert.h"
#include "pdu/testing/pdu_peer.h"
#include "reactor/reactor.h"

namespace capsuled::nvme::testing {

using namespace capsuled::testing;

class ScriptedController {
 public:
  ScriptedController() : listen_fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    ASSERT(::bind(listen_fd_, raw, sizeof(address)) == 0 && ::listen(listen_fd_, 16) == 0);
    ASSERT(::getsockname(listen_fd_, raw, &length) == 0);
    timeval limit = {.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(listen_fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    std::memcpy(&address_.storage, &address, sizeof(address));
    address_.length = sizeof(address);
  }
  ~ScriptedController() { stop_listening(); }
  ScriptedController(const ScriptedController&) = delete;
  ScriptedController& operator=(const ScriptedController&) = delete;

  void stop_listening() {
    if (listen_fd_ >= 0) ::close(listen_fd_);
    listen_fd_ = -1;
  }
  /// Of the connections to come, as little as the kernel can keep that was not read.
  void keep_little() {
    const int least = 1;
    ASSERT(::setsockopt(listen_fd_, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)) == 0);
  }
  PduPeer accept() {
    int fd = -1;
    // The end of an earlier test's ring may interrupt.
    do fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    ASSERT_MSG(fd >= 0, "nobody connects");
    return PduPeer(fd);
  }
  const env::SocketAddress& address() const { return address_; }

 private:
  int listen_fd_;
  env::SocketAddress address_;
};

/// What the callbacks of the reactor's thread write down, and the test waits for.
class Journal {
 public:
  void add(std::string entry) {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
    changed_.notify_all();
  }
  /// The next entry; empty if none comes.
  std::string next() {
    std::unique_lock lock(mutex_);
    const auto there = [this] { return taken_ < entries_.size(); };
    if (!changed_.wait_for(lock, std::chrono::seconds(20), there)) return {};
    return entries_[taken_++];
  }
  bool empty() {
    const std::lock_guard lock(mutex_);
    return taken_ == entries_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> entries_;
  size_t taken_ = 0;
};

class OnReactor {
 public:
  explicit OnReactor(PollMode mode = PollMode::Interrupt) {
    ReactorOptions options;
    options.mode = mode;
    options.memory_bytes = kBufferMemoryBytesMin;
    options.huge_pages = env::HugePages::Never;
    options.ring_entries = 64;
    reactor_ = Reactor::create(*env_, options).value();
    ASSERT(reactor_->start().ok());
  }

  /// On the reactor's thread; waits for its end.
  void run(std::function<void()> task) {
    struct Call {
      std::function<void()> task;
      std::promise<void> done;
    } call{std::move(task), {}};
    reactor_->send_message_wait({[](Reactor&, void* argument) {
                                   auto* const self = static_cast<Call*>(argument);
                                   self->task();
                                   self->done.set_value();
                                 },
                                 &call});
    call.done.get_future().wait();
  }
  Reactor& reactor() { return *reactor_; }

 private:
  std::unique_ptr<env::Env> env_ = env::make_linux_env().value();
  std::unique_ptr<Reactor> reactor_;
};

inline wire::CompletionQueueEntry make_cqe(uint16_t cid, wire::Status status = {}) {
  wire::CompletionQueueEntry cqe = {};
  cqe.cid.set(cid);
  cqe.status.set(status.pack());
  return cqe;
}

}  // namespace capsuled::nvme::testing
