#include "bdev/uring/uring_bdev.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "bdev/test_reactors.h"
#include "env/sim/sim_env.h"

namespace capsuled {
namespace {

constexpr uint64_t kBytes = uint64_t{4} << 20;

/// A folder below TMPDIR that goes away with the test.
class TestFolder {
 public:
  TestFolder() {
    const char* base = std::getenv("TMPDIR");
    std::string name = std::string(base == nullptr ? "/tmp" : base) + "/capsuled-uring-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string path(const std::string& name = "disk.img") const { return path_ + "/" + name; }
  /// A file of `bytes` zeros.
  std::string file(uint64_t bytes) const {
    const int fd = ::open(path().c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    REQUIRE(::ftruncate(fd, static_cast<off_t>(bytes)) == 0);
    ::close(fd);
    return path();
  }

 private:
  std::string path_;
};

/// Page-aligned memory, as O_DIRECT needs it.
class Pages {
 public:
  Pages(size_t bytes, uint8_t value)
      : memory_(static_cast<std::byte*>(std::aligned_alloc(4096, bytes)), std::free),
        bytes_(bytes) {
    std::memset(memory_.get(), value, bytes);
  }
  std::span<std::byte> span() { return {memory_.get(), bytes_}; }
  bool all_are(uint8_t value) {
    return std::ranges::all_of(span(), [=](std::byte byte) { return byte == std::byte{value}; });
  }

 private:
  std::unique_ptr<std::byte, void (*)(void*)> memory_;
  size_t bytes_;
};

std::unique_ptr<Bdev> make(TestReactors& reactors, const UringBdevOptions& options) {
  BdevResult made = make_uring_bdev(reactors.env(), options);
  INFO((made.ok() ? std::string() : made.error().message));
  REQUIRE(made.ok());
  return std::move(made).value();
}

BdevError error_of(const UringBdevOptions& options) {
  auto env = env::make_linux_env();
  REQUIRE(env.ok());
  BdevResult made = make_uring_bdev(*env.value(), options);
  REQUIRE(!made.ok());
  return made.error();
}

bool mentions(const BdevError& error, const std::string& words) {
  INFO(error.message);
  return error.message.find(words) != std::string::npos;
}

TEST_CASE("a file is created at its size and keeps its data over a reopen") {
  TestFolder folder;
  TestReactors reactors;
  Pages data(64 * 1024, 0xc3);
  {
    TestBdevUser user(
        reactors,
        make(reactors, {.name = "file", .path = folder.path(), .bytes = kBytes, .create = true}));
    CHECK(user.facts().block_count == kBytes / user.facts().block_size);
    CHECK(user.facts().volatile_cache);
    CHECK(user.run(BdevIoType::Write, 8, data.span()) == BdevStatus::Success);
    CHECK(user.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
  }
  CHECK(std::filesystem::file_size(folder.path()) == kBytes);
  // `create` takes the file that is there.
  for (const bool create : {false, true}) {
    TestBdevUser user(
        reactors,
        make(reactors, {.name = "file", .path = folder.path(), .bytes = kBytes, .create = create}));
    Pages found(64 * 1024, 0);
    CHECK(user.run(BdevIoType::Read, 8, found.span()) == BdevStatus::Success);
    CHECK(found.all_are(0xc3));
    Pages before(4096, 1);
    CHECK(user.run(BdevIoType::Read, 0, before.span()) == BdevStatus::Success);
    CHECK(before.all_are(0));
  }
}

TEST_CASE("Force Unit Access, Compare and scattered buffers") {
  TestFolder folder;
  TestReactors reactors;
  TestBdevUser user(reactors, make(reactors, {.name = "file", .path = folder.file(kBytes)}));
  Pages first(8192, 1), second(128 * 1024, 2);
  const uint64_t count = (8192 + 128 * 1024) / user.facts().block_size;
  const std::vector iov = {iovec{first.span().data(), 8192},
                           iovec{second.span().data(), 128 * 1024}};
  TestIo write(BdevIoType::Write, 0, count, iov);
  write.io.force_unit_access = true;
  CHECK(user.run(write) == BdevStatus::Success);
  TestIo equal(BdevIoType::Compare, 0, count, iov);
  CHECK(user.run(equal) == BdevStatus::Success);
  second.span()[100'000] = std::byte{9};
  TestIo different(BdevIoType::Compare, 0, count, iov);
  CHECK(user.run(different) == BdevStatus::Miscompare);
}

TEST_CASE("Unmap and WriteZeroes punch holes that read as zeros") {
  TestFolder folder;
  TestReactors reactors;
  TestBdevUser user(
      reactors, make(reactors, {.name = "file", .path = folder.file(kBytes), .block_size = 4096}));
  if (!user.facts().can_unmap) return;  // a file system without holes
  Pages data(kBytes, 7), found(kBytes, 1);
  for (const BdevIoType type : {BdevIoType::Unmap, BdevIoType::WriteZeroes}) {
    CHECK(user.run(BdevIoType::Write, 0, data.span()) == BdevStatus::Success);
    TestIo zero(type, 0, user.facts().block_count / 2);
    zero.io.force_unit_access = type == BdevIoType::WriteZeroes;
    CHECK(user.run(zero) == BdevStatus::Success);
    CHECK(user.run(BdevIoType::Read, 0, found.span().first(kBytes / 2)) == BdevStatus::Success);
    CHECK(std::ranges::all_of(found.span().first(kBytes / 2),
                              [](std::byte byte) { return byte == std::byte{0}; }));
    CHECK(user.run(BdevIoType::Flush, 0, 0) == BdevStatus::Success);
    const int fd = ::open(folder.path().c_str(), O_RDONLY | O_CLOEXEC);
    CHECK(::lseek(fd, 0, SEEK_DATA) == static_cast<off_t>(kBytes / 2));
    ::close(fd);
  }
}

TEST_CASE("a file cut short below us is lost, not an endless loop, and nothing extends it again") {
  TestFolder folder;
  TestReactors reactors;
  TestBdevUser user(
      reactors, make(reactors, {.name = "file", .path = folder.file(kBytes), .block_size = 4096}));
  REQUIRE(::truncate(folder.path().c_str(), 8192) == 0);
  Pages data(16384, 1);
  CHECK(user.run(BdevIoType::Read, 0, data.span()) == BdevStatus::Lost);
  CHECK(user.run(BdevIoType::Write, 8, data.span()) == BdevStatus::Lost);
  CHECK(user.run(BdevIoType::Flush, 0, 0) == BdevStatus::Lost);
  CHECK(std::filesystem::file_size(folder.path()) == 8192);

  TestIo too_early(BdevIoType::Flush, 0, 0), mended(BdevIoType::Flush, 0, 0);
  user.start_recheck(too_early);
  CHECK(too_early.wait() == BdevStatus::Lost);
  REQUIRE(::truncate(folder.path().c_str(), kBytes) == 0);
  CHECK(user.run(BdevIoType::Write, 8, data.span()) == BdevStatus::Lost);
  user.start_recheck(mended);
  CHECK(mended.wait() == BdevStatus::Success);
  CHECK(user.run(BdevIoType::Write, 8, data.span()) == BdevStatus::Success);
}

TEST_CASE("a file cut short below us is found though nobody reads or writes it") {
  TestFolder folder;
  TestReactors reactors;
  TestBdevUser user(
      reactors, make(reactors, {.name = "file", .path = folder.file(kBytes), .block_size = 4096}));
  REQUIRE(::truncate(folder.path().c_str(), 8192) == 0);
  const uint64_t limit_ns = reactors.env().now_ns() + 20'000'000'000;
  while (user.health().faults() == 0 && reactors.env().now_ns() < limit_ns) {
    reactors.run(0, [](Reactor&) {});
  }
  CHECK(user.health().faults() == kLostData);
}

TEST_CASE("cancel of an operation in the ring ends it one way or the other") {
  TestFolder folder;
  TestReactors reactors;
  TestBdevUser user(
      reactors, make(reactors, {.name = "file", .path = folder.file(kBytes), .block_size = 4096}));
  Pages data(kBytes, 1);
  TestIo io(BdevIoType::Read, 0, kBytes / 4096, {iovec{data.span().data(), kBytes}});
  reactors.run(0, [&](Reactor&) {
    user.channel().submit(io.io);
    user.channel().cancel(io.io);
  });
  const BdevStatus status = io.wait();
  CHECK((status == BdevStatus::Success || status == BdevStatus::Aborted));
}

TEST_CASE("read-only opens a file that cannot be written and refuses changes") {
  TestFolder folder;
  TestReactors reactors;
  REQUIRE(::chmod(folder.file(kBytes).c_str(), 0400) == 0);
  TestBdevUser user(reactors,
                    make(reactors, {.name = "file", .path = folder.path(), .read_only = true}));
  Pages data(4096, 1);
  CHECK(user.run(BdevIoType::Write, 0, data.span()) == BdevStatus::ReadOnly);
  CHECK(user.run(BdevIoType::Unmap, 0, 8) == BdevStatus::ReadOnly);
  CHECK(user.run(BdevIoType::Read, 0, data.span()) == BdevStatus::Success);
  CHECK(data.all_are(0));
}

TEST_CASE("errors name the key, the path and the sizes") {
  TestFolder folder;
  BdevError error = error_of({.name = "file", .path = folder.path("none")});
  CHECK(error.errnum == ENOENT);
  CHECK(error.field == "path");
  CHECK(mentions(error, folder.path("none") + " does not exist; set `create: true`"));

  error =
      error_of({.name = "file", .path = folder.path("no/where"), .bytes = kBytes, .create = true});
  CHECK(error.field == "path");
  CHECK(mentions(error, "directory"));

  error = error_of({.name = "file", .path = folder.path("none"), .create = true});
  CHECK(error.field == "size");

  error = error_of({.name = "file", .path = folder.path("none"), .bytes = 1000, .create = true});
  CHECK(error.field == "size");
  CHECK(!std::filesystem::exists(folder.path("none")));

  for (const bool read_only : {false, true}) {
    error = error_of({.name = "file", .path = folder.path("."), .read_only = read_only});
    CHECK(error.field == "path");
    CHECK(mentions(error, "expected a regular file or a block device"));
  }

  std::filesystem::create_symlink("loop", folder.path("loop"));
  error = error_of({.name = "file", .path = folder.path("loop")});
  CHECK(error.field == "path");
  CHECK(mentions(error, "the symbolic links of " + folder.path("loop") + " lead in a circle"));

  error = error_of({.name = "file", .path = folder.path(std::string(300, 'a'))});
  CHECK(error.field == "path");
  CHECK(mentions(error, "is longer than a name may be"));

  folder.file(kBytes);
  error = error_of({.name = "file", .path = folder.path(), .bytes = 2 * kBytes});
  CHECK(error.field == "size");
  CHECK(mentions(error, folder.path()));
  CHECK(mentions(error, "8388608"));
  CHECK(mentions(error, "4194304"));

  error = error_of({.name = "file", .path = folder.path(), .block_size = 1000});
  CHECK(error.field == "block_size");

  error = error_of({.name = "file", .path = folder.file(kBytes + 512), .block_size = 4096});
  CHECK(error.field == "size");
  CHECK(mentions(error, "multiple of the block size (4096 bytes)"));

  error = error_of({.name = "file", .path = folder.file(0)});
  CHECK(error.field == "size");
  CHECK(mentions(error, "empty"));
}

TEST_CASE("the block size is what direct I/O on the file needs, unless a partition table says no") {
  env::sim::SimMachine machine(1);
  env::sim::SimNetwork network(machine);
  env::sim::SimFiles files;
  env::sim::SimEnv env(machine, network, files);
  env::sim::SimDisk& disk = files.make("disk", kBytes);
  const auto made = [&](uint32_t block_size = 0) {
    return make_uring_bdev(env, {.name = "disk", .path = "disk", .block_size = block_size});
  };
  CHECK(made().value()->facts().block_size == 512);
  disk.direct_alignment = 4096;
  CHECK(made().value()->facts().block_size == 4096);
  CHECK(made().value()->facts().warning == "");
  CHECK(made(512).error().field == "block_size");

  constexpr std::array kSignature = {'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'};
  disk.write(512, std::as_bytes(std::span(kSignature)));
  const BdevResult refused = made();
  REQUIRE(!refused.ok());
  CHECK(refused.error().field == "block_size");
  CHECK(mentions(refused.error(), "512-byte blocks"));
  // Who says so has it all the same; and nothing has kept the file.
  CHECK(made(4096).value()->facts().block_size == 4096);
  disk.direct_alignment = 512;
  CHECK(made().value()->facts().block_size == 512);
  disk.direct = false;
  CHECK(made().value()->facts().block_size == 512);
  CHECK(made().value()->facts().warning.find("page cache") != std::string::npos);
}

TEST_CASE("a file is one bdev: a second one is an error that names it, until the first is gone") {
  TestFolder folder;
  TestReactors reactors;
  const UringBdevOptions options{.name = "file", .path = folder.file(kBytes)};
  std::unique_ptr<Bdev> first = make(reactors, options);
  const BdevError error = error_of(options);
  CHECK(error.errnum == EBUSY);
  CHECK(error.field == "path");
  CHECK(mentions(error, options.path + " is in use: another bdev, or another process"));
  CHECK(mentions(error, "fuser -v " + options.path));
  first.reset();
  first = make(reactors, options);
}

TEST_CASE(
    "a file that is open can be looked at beside it, as it would be opened, and stays locked") {
  TestFolder folder;
  TestReactors reactors;
  const UringBdevOptions options{.name = "file", .path = folder.file(kBytes)};
  const std::unique_ptr<Bdev> first = make(reactors, options);
  UringBdevOptions look{.name = "look", .path = options.path, .claim = false};
  const std::unique_ptr<Bdev> second = make(reactors, look);
  CHECK(second->facts().content->inode == first->facts().content->inode);
  look.bytes = 2 * kBytes;
  CHECK(error_of(look).field == "size");
  look.create = true;
  CHECK(error_of(look).field == "create");
  make(reactors, {.name = "look", .path = options.path, .claim = false}).reset();
  CHECK(error_of(options).errnum == EBUSY);
}

/// The calling thread is an ordinary user meanwhile, if it is root: root may open everything.
class OrdinaryUser {
 public:
  // The system call, because the C library's function would change all threads.
  OrdinaryUser() : was_root_(::geteuid() == 0) {
    if (was_root_) REQUIRE(::syscall(SYS_setresuid, -1, 65534, -1) == 0);
  }
  ~OrdinaryUser() {
    if (was_root_) ASSERT(::syscall(SYS_setresuid, -1, 0, -1) == 0);
  }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;

 private:
  const bool was_root_;
};

TEST_CASE("a file that its user may not open is an error of path") {
  TestFolder folder;
  REQUIRE(::chmod(folder.file(kBytes).c_str(), 0) == 0);
  const OrdinaryUser user;
  const BdevError error = error_of({.name = "file", .path = folder.path()});
  CHECK(error.errnum == EACCES);
  CHECK(error.field == "path");
  CHECK(mentions(error, "no permission to open " + folder.path()));
}

}  // namespace
}  // namespace capsuled
