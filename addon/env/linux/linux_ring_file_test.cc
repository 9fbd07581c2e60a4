#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "env/linux/test_ring.h"

namespace capsuled::env {
namespace {

struct TemporaryFile {
  TemporaryFile() { REQUIRE((fd = ::mkstemp(path.data())) >= 0); }
  ~TemporaryFile() {
    ::close(fd);
    ::unlink(path.c_str());
  }
  std::string path = "/tmp/capsuled_ring_test_XXXXXX";
  int fd = -1;
};

}  // namespace

TEST_CASE("ring: a file is written, made durable, read, and its blocks given back") {
  RingFixture fixture;
  TemporaryFile file;
  std::vector<char> bytes = numbered_bytes(256 * 1024);
  std::array<iovec, 2> iov{iovec{bytes.data(), 4096},
                           iovec{bytes.data() + 4096, bytes.size() - 4096}};
  TestOp op;
  fixture.ring->write(op, file.fd, iov.data(), 2, 0, Durability::Cached);
  fixture.finish(op);
  CHECK(op.result() == static_cast<int32_t>(bytes.size()));
  fixture.ring->write(op, file.fd, iov.data(), 1, bytes.size(), Durability::Durable);
  fixture.finish(op);
  CHECK(op.result() == 4096);
  fixture.ring->sync_data(op, file.fd);
  fixture.finish(op);
  CHECK(op.result() == 0);

  std::vector<char> back(bytes.size());
  iovec whole{back.data(), back.size()};
  fixture.ring->read(op, file.fd, &whole, 1, 0);
  fixture.finish(op);
  CHECK(op.result() == static_cast<int32_t>(bytes.size()));
  CHECK(back == bytes);
  fixture.ring->read(op, file.fd, &whole, 1, bytes.size());
  fixture.finish(op);
  CHECK(op.result() == 4096);  // short at the end of the file

  struct stat before = {};
  REQUIRE(::fstat(file.fd, &before) == 0);
  for (const AllocateMode mode : {AllocateMode::PunchHole, AllocateMode::ZeroRange}) {
    const uint64_t offset = mode == AllocateMode::PunchHole ? 0 : 128 * 1024;
    fixture.ring->allocate(op, file.fd, mode, offset, 128 * 1024);
    fixture.finish(op);
    if (op.result() == -EOPNOTSUPP) continue;  // tmpfs has no zero range
    CHECK(op.result() == 0);
    fixture.ring->read(op, file.fd, &whole, 1, 0);
    fixture.finish(op);
    CHECK(std::accumulate(back.begin() + static_cast<ptrdiff_t>(offset),
                          back.begin() + static_cast<ptrdiff_t>(offset + 128 * 1024), 0,
                          [](int sum, char byte) { return sum | byte; }) == 0);
  }
  struct stat after = {};
  REQUIRE(::fstat(file.fd, &after) == 0);
  CHECK(after.st_size == before.st_size);
  CHECK(after.st_blocks < before.st_blocks);

  fixture.ring->close(op, ::dup(file.fd));
  fixture.finish(op);
  CHECK(op.result() == 0);
  fixture.ring->read(op, -1, &whole, 1, 0);
  fixture.finish(op);
  CHECK(op.result() == -EBADF);
}

TEST_CASE("ring: the size of a file is what it is now, and of no file an error") {
  RingFixture fixture;
  char path[] = "/tmp/capsuled-ring-XXXXXX";
  const int fd = ::mkstemp(path);
  REQUIRE(fd >= 0);
  REQUIRE(::ftruncate(fd, 12'345) == 0);
  CHECK(fixture.ring->file_bytes(fd).value() == 12'345);
  REQUIRE(::ftruncate(fd, 5) == 0);
  CHECK(fixture.ring->file_bytes(fd).value() == 5);
  ::unlink(path);
  ::close(fd);
  CHECK(fixture.ring->file_bytes(fd).error().errnum == EBADF);
}

TEST_CASE("ring: operations that may block can be expected before its thread is known, and after") {
  RingFixture fixture;
  fixture.ring->expect_blocking(100);
  (void)fixture.ring->poll();
  fixture.ring->expect_blocking(50);
  const int fd = ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0);
  TestOp sync;
  fixture.ring->sync_data(sync, fd);
  fixture.drive([&] { return sync.done(); });
  CHECK(sync.result() == 0);
  fixture.ring->expect_blocking(-150);
  ::close(fd);
}

TEST_CASE("ring: transfers of files begin in small groups, before the next poll") {
  RingFixture fixture;
  TemporaryFile file;
  const std::vector<char> bytes = numbered_bytes(8192);
  REQUIRE(::write(file.fd, bytes.data(), bytes.size()) == 8192);
  CHECK(fixture.ring->poll() == 0);
  std::vector<char> back(bytes.size());
  std::array<iovec, 2> places{iovec{back.data(), 4096}, iovec{back.data() + 4096, 4096}};
  std::array<TestOp, 2> ops;
  for (size_t index = 0; index < ops.size(); ++index) {
    fixture.ring->read(ops[index], file.fd, &places[index], 1, index * 4096);
  }
  for (int attempt = 0; attempt < 10'000 && back != bytes; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(back == bytes);
  CHECK(!ops[0].done());  // it completes in a poll, as ever
  fixture.drive([&] { return ops[0].done() && ops[1].done(); });
  for (const TestOp& op : ops) CHECK(op.result() == 4096);
}

}  // namespace capsuled::env
