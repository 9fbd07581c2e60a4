#include "transport/acceptor.h"

#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace capsuled::transport {

namespace {

/// After an error such as EMFILE: a moment for something to be closed.
constexpr uint64_t kRetryAfterNs = 100'000'000;

enum class AcceptorState : uint8_t {
  Stopped,    ///< start() moves it on
  Accepting,  ///< an accept is armed: stop(), or its completion with an error
  Retrying,   ///< waits after an error: the timer
  Stopping,   ///< the completion of the accept, then that of the close
};

}  // namespace

struct Acceptor::Impl {
  struct Op : env::RingOp {
    Impl* impl = nullptr;
  };
  struct RetryTimer : Timer {
    Impl* impl = nullptr;
  };

  Impl(Reactor& on, int listen_fd, uint32_t number, std::function<void(int, uint32_t)> to)
      : reactor(on), fd(listen_fd), listener(number), accepted(std::move(to)) {
    accept_op.impl = this;
    accept_op.complete = [](env::RingOp& op, env::Completion completion) {
      static_cast<Op&>(op).impl->on_accept(completion);
    };
    close_op.impl = this;
    close_op.complete = [](env::RingOp& op, env::Completion) {
      static_cast<Op&>(op).impl->on_close();
    };
    timer.impl = this;
    timer.expired = [](Timer& expired) { static_cast<RetryTimer&>(expired).impl->arm(); };
  }

  void arm() {
    state = AcceptorState::Accepting;
    reactor.ring().accept(accept_op, fd);
  }

  void on_accept(env::Completion completion) {
    const bool more = (completion.flags & env::Completion::kMore) != 0;
    if (completion.result >= 0) {
      if (state == AcceptorState::Stopping) {
        reactor.env().close(completion.result);
      } else {
        accepted(completion.result, listener);
      }
    }
    if (more) return;
    if (state == AcceptorState::Stopping) {
      reactor.ring().close(close_op, fd);
    } else if (completion.result >= 0 || completion.result == -ECONNABORTED ||
               completion.result == -EINTR) {
      arm();
    } else {
      state = AcceptorState::Retrying;
      reactor.start_timer(timer, reactor.now_ns() + kRetryAfterNs);
    }
  }

  void stop(std::function<void()> then) {
    ASSERT(state != AcceptorState::Stopping);
    stopped = std::move(then);
    const AcceptorState before = state;
    state = AcceptorState::Stopping;
    if (before == AcceptorState::Accepting) {
      reactor.ring().cancel(accept_op);
      return;
    }
    if (before == AcceptorState::Retrying) reactor.cancel_timer(timer);
    reactor.ring().close(close_op, fd);
  }

  void on_close() {
    state = AcceptorState::Stopped;
    // It may destroy this object's owner's reference, but not the object: that is another
    // message's.
    const std::function<void()> then = std::move(stopped);
    if (then) then();
  }

  Reactor& reactor;
  const int fd;
  const uint32_t listener;
  const std::function<void(int, uint32_t)> accepted;
  std::function<void()> stopped;
  AcceptorState state = AcceptorState::Stopped;
  Op accept_op;
  Op close_op;
  RetryTimer timer;
};

Acceptor::Acceptor(Reactor& reactor, int listen_fd, uint32_t listener,
                   std::function<void(int fd, uint32_t listener)> accepted)
    : impl_(std::make_unique<Impl>(reactor, listen_fd, listener, std::move(accepted))) {}

Acceptor::~Acceptor() {
  ASSERT_MSG(impl_->state == AcceptorState::Stopped, "an acceptor destroyed before it stopped");
}

void Acceptor::start() {
  ASSERT(impl_->state == AcceptorState::Stopped);
  impl_->arm();
}

void Acceptor::stop(std::function<void()> stopped) { impl_->stop(std::move(stopped)); }

}  // namespace capsuled::transport
