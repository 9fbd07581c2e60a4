// LineWriter: writes the lines of a log to a descriptor that others may hold up or fill: a pipe
// that nobody reads, a terminal that is stopped, a disk that is full or hangs.
//
// A thread of its own writes, because nothing else cannot be held up: O_NONBLOCK would change the
// descriptor for everyone who shares it (the shell's terminal), and does nothing for files. Who has
// a line hands it over and goes on. Between the two are at most `bytes_max` bytes of lines; a line
// that does not fit is refused, and the caller counts it.
//
// A write that fails is tried again every kRetryMs, from the byte where it stopped, so a disk that
// has room again gets every line that was kept. Each line is one write: up to PIPE_BUF bytes, it is
// not torn by others who write to the same pipe.
//
// Thread: push(), flush() and status() are for any thread. Nobody joins the writing thread, which
// may be stuck in the kernel for ever; it owns a share of the state and ends with the process, or
// soon after the LineWriter. Lines that flush() did not see out are lost with the LineWriter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace capsuled::env {

class LineWriter {
 public:
  static constexpr int kRetryMs = 200;
  /// What a line costs beside its bytes.
  static constexpr size_t kLineBytes = sizeof(std::string);

  struct Status {
    size_t pending_bytes = 0;  ///< of lines that are not yet written, with kLineBytes for each
    int errnum = 0;            ///< of the last write; 0: it was taken, or is still waiting
  };

  /// `fd` stays the caller's, and open for as long as the process lives.
  static Result<std::unique_ptr<LineWriter>> start(int fd, size_t bytes_max);
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Never waits for the descriptor. False: there is no room, and the line is not taken.
  [[nodiscard]] bool push(std::string line);
  /// Waits until every line is written, until a write fails, or for `timeout_ms`. False: some are
  /// not written.
  bool flush(uint64_t timeout_ms);
  Status status() const;

 private:
  struct State;
  explicit LineWriter(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace capsuled::env
