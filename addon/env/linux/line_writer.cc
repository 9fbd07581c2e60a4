#include "env/linux/line_writer.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "env/linux/start_thread.h"

namespace capsuled::env {

struct LineWriter::State {
  State(int descriptor, size_t bytes) : fd(descriptor), bytes_max(bytes) {}

  void run();
  int write_some(const std::string& line);
  static void* body(void* argument);

  const int fd;
  const size_t bytes_max;
  size_t written = 0;  // bytes of the first line; only the writing thread uses this

  mutable std::mutex mutex;  // for all members below; nobody holds it during a write
  std::condition_variable wake;
  std::condition_variable progress;
  std::deque<std::string> lines;  // the first line stays here until all of it is written
  size_t pending_bytes = 0;
  int errnum = 0;
  uint64_t failures = 0;
  bool hurry = false;  // somebody flushes, so the next attempt does not wait for kRetryMs
  bool closed = false;
};

/// What the writing thread does until the LineWriter is gone.
void LineWriter::State::run() {
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    wake.wait(lock, [this] { return closed || !lines.empty(); });
    if (closed) return;
    // The line is written without the mutex. It stays where it is meanwhile: push_back() moves no
    // element of a deque, and only this thread takes elements out.
    const std::string& line = lines.front();
    lock.unlock();
    const int failed = write_some(line);
    lock.lock();
    errnum = failed;
    if (failed == 0) {
      if (written < line.size()) continue;
      written = 0;
      pending_bytes -= line.size() + kLineBytes;
      lines.pop_front();
      if (lines.empty()) progress.notify_all();
      continue;
    }
    ++failures;
    progress.notify_all();
    wake.wait_for(lock, std::chrono::milliseconds(kRetryMs), [this] { return closed || hurry; });
    hurry = false;
  }
}

/// Writes once, and advances `written`. Returns an errno value, or 0; with 0, the write may have
/// written all of the rest, a part of it or nothing.
int LineWriter::State::write_some(const std::string& line) {
  const ssize_t count = ::write(fd, line.data() + written, line.size() - written);
  // Some strange device takes nothing. An error makes the next attempt wait for kRetryMs.
  if (count == 0 && written < line.size()) return EIO;
  if (count >= 0) {
    written += static_cast<size_t>(count);
    return 0;
  }
  if (errno == EINTR) return 0;
  if (errno != EAGAIN) return errno;
  // Somebody else, who shares the descriptor, has set O_NONBLOCK.
  pollfd writable{.fd = fd, .events = POLLOUT, .revents = 0};
  (void)::poll(&writable, 1, kRetryMs);
  return 0;
}

void* LineWriter::State::body(void* argument) {
  const std::unique_ptr<std::shared_ptr<State>> state(
      static_cast<std::shared_ptr<State>*>(argument));
  (void)::pthread_setname_np(::pthread_self(), "log");
  (*state)->run();
  return nullptr;
}

Result<std::unique_ptr<LineWriter>> LineWriter::start(int fd, size_t bytes_max) {
  auto state = std::make_shared<State>(fd, bytes_max);
  auto share = std::make_unique<std::shared_ptr<State>>(state);
  const int errnum = start_detached_thread(&State::body, share.get());
  if (errnum != 0) return Error{errnum, "cannot start a thread for the log"};
  // body() has this share of the state now, and deletes it.
  [[maybe_unused]] auto* const handed_over = share.release();
  return std::unique_ptr<LineWriter>(new LineWriter(std::move(state)));
}

LineWriter::LineWriter(std::shared_ptr<State> state) : state_(std::move(state)) {}

LineWriter::~LineWriter() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->closed = true;
  state_->wake.notify_all();
}

bool LineWriter::push(std::string line) {
  const size_t bytes = line.size() + kLineBytes;
  const std::lock_guard<std::mutex> lock(state_->mutex);
  if (bytes > state_->bytes_max - state_->pending_bytes) return false;
  state_->pending_bytes += bytes;
  state_->lines.push_back(std::move(line));
  if (state_->lines.size() == 1) state_->wake.notify_all();
  return true;
}

bool LineWriter::flush(uint64_t timeout_ms) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  const uint64_t failures_before = state_->failures;
  state_->hurry = true;
  state_->wake.notify_all();
  state_->progress.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] {
    return state_->lines.empty() || state_->failures != failures_before;
  });
  state_->hurry = false;
  return state_->lines.empty();
}

LineWriter::Status LineWriter::status() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return {.pending_bytes = state_->pending_bytes, .errnum = state_->errnum};
}

}  // namespace capsuled::env
