#include "env/linux/line_writer.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <future>
#include <string>

namespace capsuled::env {
namespace {

constexpr size_t kBytesMax = 4096;
constexpr uint64_t kLongMs = 10'000;  // ends early, or the test has failed

/// A pipe whose reader is the test. Its ends outlive the writers, as LineWriter wants.
struct Pipe {
  explicit Pipe(int writer_flags = 0) {
    std::array<int, 2> ends;
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    reader = ends[0];
    writer = ends[1];
    REQUIRE(::fcntl(writer, F_SETFL, writer_flags) == 0);
  }
  /// So that the next write waits for the reader. Returns the bytes.
  size_t fill() const {
    const int flags = ::fcntl(writer, F_GETFL);
    REQUIRE(::fcntl(writer, F_SETFL, flags | O_NONBLOCK) == 0);
    const std::string filling(4096, '#');
    size_t bytes = 0;
    for (;;) {
      const ssize_t count = ::write(writer, filling.data(), filling.size());
      if (count < 0) break;
      bytes += static_cast<size_t>(count);
    }
    REQUIRE(::fcntl(writer, F_SETFL, flags) == 0);
    return bytes;
  }
  std::string read_exactly(size_t bytes) const {
    std::string text(bytes, '\0');
    size_t done = 0;
    while (done < bytes) {
      const ssize_t count = ::read(reader, text.data() + done, bytes - done);
      REQUIRE(count > 0);
      done += static_cast<size_t>(count);
    }
    return text;
  }
  int reader = -1;
  int writer = -1;
};

size_t push_until_refused(LineWriter& lines, const std::string& line) {
  size_t taken = 0;
  while (lines.push(line)) {
    ++taken;
    REQUIRE(taken <= kBytesMax);
  }
  return taken;
}

std::string repeated(const std::string& line, size_t count) {
  std::string all;
  for (size_t index = 0; index < count; ++index) all += line;
  return all;
}

}  // namespace

TEST_CASE("line writer: lines come out whole and in order") {
  const Pipe pipe;
  auto lines = LineWriter::start(pipe.writer, kBytesMax).value();
  CHECK(lines->flush(kLongMs));
  CHECK(lines->push("one\n"));
  CHECK(lines->push(""));
  CHECK(lines->push("two\n"));
  CHECK(lines->flush(kLongMs));
  CHECK(pipe.read_exactly(8) == "one\ntwo\n");
  CHECK(lines->status().pending_bytes == 0);
  CHECK(lines->status().errnum == 0);
}

TEST_CASE("line writer: a reader that stops costs lines, and holds nobody up") {
  // As it is inherited: from a shell, or from somebody who made the pipe non-blocking for all.
  for (const int flags : {0, O_NONBLOCK}) {
    const Pipe pipe(flags);
    auto lines = LineWriter::start(pipe.writer, kBytesMax).value();
    const size_t filling = pipe.fill();
    const std::string line(100, 'x');
    const size_t taken = push_until_refused(*lines, line);
    CHECK(taken == kBytesMax / (line.size() + LineWriter::kLineBytes));
    CHECK(lines->status().pending_bytes == taken * (line.size() + LineWriter::kLineBytes));
    CHECK(lines->status().errnum == 0);
    CHECK(!lines->flush(1));

    // It reads again: nothing of what was taken is lost, and there is room.
    (void)pipe.read_exactly(filling);
    CHECK(lines->flush(kLongMs));
    CHECK(lines->push("after\n"));
    CHECK(pipe.read_exactly(taken * line.size() + 6) == repeated(line, taken) + "after\n");
  }
}

TEST_CASE("line writer: a slow reader gets every line, also one longer than the pipe") {
  const Pipe pipe;
  auto lines = LineWriter::start(pipe.writer, 4u << 20).value();
  const std::string line = std::string(3u << 20, 'y') + "\n";
  CHECK(lines->push(line));
  CHECK(!lines->push(line));
  auto flushed = std::async(std::launch::async, [&] { return lines->flush(kLongMs); });
  CHECK(pipe.read_exactly(line.size()) == line);
  CHECK(flushed.get());
}

TEST_CASE("line writer: a full disk costs lines beyond the bound, with its reason") {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  REQUIRE(full >= 0);
  auto lines = LineWriter::start(full, kBytesMax).value();
  CHECK(lines->push("kept\n"));
  CHECK(!lines->flush(kLongMs));
  CHECK(lines->status().errnum == ENOSPC);
  (void)push_until_refused(*lines, "kept too\n");
  CHECK(!lines->flush(kLongMs));

  // There is room again, under the same descriptor.
  const Pipe pipe;
  REQUIRE(::dup2(pipe.writer, full) == full);
  CHECK(lines->flush(kLongMs));
  CHECK(lines->status().errnum == 0);
  CHECK(pipe.read_exactly(14) == "kept\nkept too\n");
}

TEST_CASE("line writer: a reader that went away is an error of the write and no signal") {
  (void)std::signal(SIGPIPE, SIG_IGN);  // as Node does
  const Pipe pipe;
  auto lines = LineWriter::start(pipe.writer, kBytesMax).value();
  REQUIRE(::close(pipe.reader) == 0);
  CHECK(lines->push("for nobody\n"));
  CHECK(!lines->flush(kLongMs));
  CHECK(lines->status().errnum == EPIPE);
}

TEST_CASE("line writer: it can be given up while its thread is held up") {
  const Pipe pipe;
  const size_t filling = pipe.fill();
  auto lines = LineWriter::start(pipe.writer, kBytesMax).value();
  CHECK(lines->push("late\n"));
  CHECK(!lines->flush(1));
  lines.reset();
  // The thread is still at it; what it holds lives with it.
  (void)pipe.read_exactly(filling);
}

}  // namespace capsuled::env
