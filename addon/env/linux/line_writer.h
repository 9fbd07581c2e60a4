// LineWriter: writes the lines of a log to a descriptor that others may hold up or fill: a pipe
// that nobody reads, a terminal that is stopped, a disk that is full or hangs.
//
// Whoever writes to such a descriptor may have to wait for ever, and no flag prevents that:
// O_NONBLOCK does nothing for files, and would change a terminal for everyone who shares it with
// this process, such as the shell. So only a thread of the LineWriter's own writes. Everybody else
// hands a line over and goes on. At most `bytes_max` bytes of lines wait for the writing thread; a
// line that does not fit is refused, and the caller counts the refused lines.
//
// A write that fails is tried again every kRetryMs, from the byte where the line stopped, so a disk
// that has room again gets every line that was kept. Each line is one write, because the kernel
// never mixes a write of up to PIPE_BUF bytes with what others write to the same pipe.
//
// Thread: push(), flush() and status() are for any thread. Nobody joins the writing thread, which
// may be stuck in the kernel for ever. Therefore the writing thread shares the ownership of the
// state, and ends with the process or soon after the LineWriter. Lines that are not written when
// the LineWriter is destroyed are lost; flush() waits for them.
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
  /// What a line takes of `bytes_max` besides its own bytes.
  static constexpr size_t kLineBytes = sizeof(std::string);

  struct Status {
    size_t pending_bytes = 0;  ///< lines that are not yet written, with kLineBytes for each
    int errnum = 0;            ///< of the last write; 0: it did not fail, but may not be done yet
  };

  /// `fd` stays the caller's, who keeps it open for as long as the process lives, because the
  /// writing thread may use it until then.
  static Result<std::unique_ptr<LineWriter>> start(int fd, size_t bytes_max);
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Never waits for the descriptor. False: there is no room for the line, which is not taken.
  [[nodiscard]] bool push(std::string line);
  /// Waits until every line is written, until a write fails, or for `timeout_ms`. False: some lines
  /// are not written.
  bool flush(uint64_t timeout_ms);
  Status status() const;

 private:
  struct State;
  explicit LineWriter(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace capsuled::env
