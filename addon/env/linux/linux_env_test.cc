#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "env/env.h"

namespace capsuled::env {
namespace {

struct TemporaryDirectory {
  TemporaryDirectory() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~TemporaryDirectory() {
    ::unlink((path + "/disk").c_str());
    ::rmdir(path.c_str());
  }
  std::string path = "/tmp/capsuled_env_test_XXXXXX";
};

size_t touched_pages(Region& region) {
  std::vector<unsigned char> resident((region.bytes() + 4095) / 4096);
  REQUIRE(::mincore(region.base(), region.bytes(), resident.data()) == 0);
  size_t count = 0;
  for (const unsigned char page : resident) count += page & 1u;
  return count;
}

}  // namespace

TEST_CASE("env: features name the kernel first") {
  auto env = make_linux_env().value();
  const std::vector<std::string> features = env->features();
  REQUIRE(features.size() > 1);
  CHECK(features[0].starts_with("linux "));
}

TEST_CASE("env: a region is zeroed, aligned, and costs nothing until it is touched") {
  auto env = make_linux_env().value();
  auto region = env->allocate(64u << 20, HugePages::Never).value();
  CHECK(region->bytes() == 64u << 20);
  CHECK(reinterpret_cast<uintptr_t>(region->base()) % 4096 == 0);
  CHECK(touched_pages(*region) == 0);
  CHECK(region->base()[12'345] == std::byte{0});
  region->base()[5'000'000] = std::byte{1};
  CHECK(touched_pages(*region) == 2);
  CHECK(env->allocate(0, HugePages::Auto).error().errnum == EINVAL);
}

TEST_CASE(
    "env: a thread has its name and core, steps to its end, takes no signals, and is joined") {
  auto env = make_linux_env().value();
  char name[16] = "";
  int core = -1;
  int steps = 0;
  sigset_t mask;
  ::sigemptyset(&mask);
  // The first core that we may use, which is not always core 0.
  cpu_set_t allowed;
  REQUIRE(::sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
  int wanted = 0;
  while (!CPU_ISSET(static_cast<size_t>(wanted), &allowed)) ++wanted;
  {
    auto thread = env->start_thread("a name that is too long", wanted, [&](uint32_t) {
      ::pthread_getname_np(::pthread_self(), name, sizeof(name));
      core = ::sched_getcpu();
      ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
      return ++steps < 3;
    });
    REQUIRE(thread.ok());
  }
  CHECK(std::string(name) == "a name that is ");
  CHECK(core == wanted);
  CHECK(sigismember(&mask, SIGTERM) == 1);
  CHECK(steps == 3);
  CHECK(env->start_thread("x", 1023, [](uint32_t) { return false; }).error().errnum == EINVAL);
  CHECK(env->start_thread("x", 100'000, [](uint32_t) { return false; }).error().errnum == EINVAL);
}

TEST_CASE("env: a thread asks for short slices, and keeps the priority that the process has") {
  // Of the kernel's `struct sched_attr`, whose header cannot be included beside sched.h.
  struct Attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
  };
  const auto attributes_here = [] {
    Attributes attributes = {};
    CHECK(::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) == 0);
    return attributes;
  };
  auto env = make_linux_env().value();
  Attributes there = {};
  {
    auto thread = env->start_thread("slices", -1, [&](uint32_t) {
      there = attributes_here();
      return false;
    });
    REQUIRE(thread.ok());
  }
  const Attributes here = attributes_here();
  CHECK(there.policy == here.policy);
  CHECK(there.nice == here.nice);
  // Linux tells the slice, and does as it is asked, from 6.12 on.
  const bool tells = here.runtime > 0;
  CHECK(there.runtime == (tells ? 100'000u : 0u));
}

TEST_CASE("env: IPv4 and IPv6 listen on the same port, and a taken one is refused") {
  auto env = make_linux_env().value();
  const int ipv4 = env->listen({"127.0.0.1", 0}, 4).value();
  const Endpoint endpoint = env->local_endpoint(ipv4).value();
  CHECK(endpoint.address == "127.0.0.1");
  CHECK(endpoint.port != 0);
  CHECK((::fcntl(ipv4, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(ipv4, F_GETFL) & O_NONBLOCK) == 0);

  const Result<int> ipv6 = env->listen({"::1", endpoint.port}, 4);
  if (ipv6.ok()) {  // a machine without IPv6 has nothing to test here
    CHECK(env->local_endpoint(ipv6.value()).value().address == "::1");
    env->close(ipv6.value());
  } else {
    CHECK(ipv6.error().errnum == EADDRNOTAVAIL);
  }
  CHECK(env->listen(endpoint, 4).error().errnum == EADDRINUSE);
  CHECK(env->listen({"localhost", 0}, 4).error().errnum == EINVAL);
  CHECK(env->listen({"fe80::1%nosuch", 0}, 4).error().errnum == ENODEV);
  CHECK(env->peer_endpoint(ipv4).error().errnum == ENOTCONN);
  env->close(ipv4);
}

TEST_CASE("env: :: listens for IPv4 too, whose peers are known by their IPv4 addresses") {
  auto env = make_linux_env().value();
  const Result<int> all = env->listen({"::", 0}, 4);
  if (!all.ok()) {  // a machine without IPv6 has nothing to test here
    CHECK(all.error().errnum == EAFNOSUPPORT);
    return;
  }
  const uint16_t port = env->local_endpoint(all.value()).value().port;
  for (const char* const address : {"127.0.0.1", "::1"}) {
    const SocketAddress target = env->resolve({address, port}).value();
    const int host = env->make_socket(target).value();
    REQUIRE(::connect(host, target.raw(), target.length) == 0);
    const int accepted = ::accept4(all.value(), nullptr, nullptr, SOCK_CLOEXEC);
    REQUIRE(accepted >= 0);
    CHECK(env->local_endpoint(accepted).value().address == address);
    CHECK(env->peer_endpoint(accepted).value().address == address);
    env->close(accepted);
    env->close(host);
  }
  CHECK(env->listen({"0.0.0.0", port}, 4).error().errnum == EADDRINUSE);
  env->close(all.value());
}

TEST_CASE("env: a link-local address is listened on by its zone, and has it when it is asked for") {
  auto env = make_linux_env().value();
  bool permitted = false;
  // A network of the thread's own, in which the loopback interface has such an address.
  std::thread([&] {
    permitted = ::unshare(CLONE_NEWNET) == 0;
    if (!permitted) return;
    REQUIRE(std::system("ip link set lo up && ip address add fe80::1/64 dev lo nodad") == 0);
    CHECK(env->listen({"fe80::1", 0}, 4).error().errnum == EINVAL);
    const int fd = env->listen({"fe80::1%lo", 0}, 4).value();
    CHECK(env->local_endpoint(fd).value().address == "fe80::1%lo");
    env->close(fd);
  }).join();
  if (!permitted) MESSAGE("not tested: this user may not make a network namespace");
}

/// The process may write no file beyond `bytes` meanwhile: to size a larger one fails.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*const handler_)(int);
  rlimit before_{};
};

TEST_CASE("env: what cannot be given its size is not there, and an empty file stays empty") {
  auto env = make_linux_env().value();
  TemporaryDirectory directory;
  const std::string path = directory.path + "/disk";
  const std::string link = directory.path + "/link";
  const FileOpen request{.path = path, .create_bytes = 8ull << 20, .create = true};
  const FileSizeLimit limit(1u << 20);
  CHECK(env->open_file(request).error().errnum == EFBIG);
  CHECK(::access(path.c_str(), F_OK) != 0);

  // Who made the empty file, or a link to it, may want to keep it.
  ::close(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  REQUIRE(::symlink(path.c_str(), link.c_str()) == 0);
  for (const std::string& name : {path, link}) {
    CHECK(
        env->open_file({.path = name, .create_bytes = 8ull << 20, .create = true}).error().errnum ==
        EFBIG);
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK(status.st_size == 0);
    CHECK(status.st_mode == (S_IFREG | 0644));
  }
  CHECK(::unlink(link.c_str()) == 0);
}

TEST_CASE("env: a file that is not wanted after all is removed if it was made") {
  auto env = make_linux_env().value();
  TemporaryDirectory directory;
  const FileOpen request{
      .path = directory.path + "/disk", .create_bytes = 1u << 20, .create = true};
  env->discard_file(env->open_file(request).value());
  CHECK(::access(request.path.c_str(), F_OK) != 0);
  env->close(env->open_file(request).value().fd);
  env->discard_file(env->open_file(request).value());
  CHECK(::access(request.path.c_str(), F_OK) == 0);
}

TEST_CASE("env: a connection whose peer vanished ends, though nobody speaks on it") {
  const auto env = make_linux_env().value();
  const int fd = env->make_socket(env->resolve({"127.0.0.1", 1}).value()).value();
  env->prepare_connection(fd);
  const auto option = [fd](int level, int name) {
    int value = -1;
    socklen_t length = sizeof(value);
    CHECK(::getsockopt(fd, level, name, &value, &length) == 0);
    return value;
  };
  CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
  const int idle = option(IPPROTO_TCP, TCP_KEEPIDLE);
  const int probing = option(IPPROTO_TCP, TCP_KEEPINTVL) * option(IPPROTO_TCP, TCP_KEEPCNT);
  CHECK(idle + probing <= 60);
  // The kernel takes this for the limit of both, when it is set.
  CHECK(option(IPPROTO_TCP, TCP_USER_TIMEOUT) == (idle + probing) * 1000);
  CHECK(option(IPPROTO_TCP, TCP_NODELAY) == 1);
  env->close(fd);
}

TEST_CASE("env: the kernel keeps little for a peer that does not read") {
  const auto env = make_linux_env().value();
  const int listener = env->listen({"127.0.0.1", 0}, 1).value();
  const SocketAddress target = env->resolve(env->local_endpoint(listener).value()).value();
  const int peer = env->make_socket(target).value();
  REQUIRE(::connect(peer, target.raw(), target.length) == 0);
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  REQUIRE(fd >= 0);
  env->limit_unsent(fd, 128 * 1024);
  const std::vector<std::byte> much(size_t{1} << 20);
  int unsent = 0;
  size_t sends = 0;
  // The kernel may be late with what it can send. Once the peer has no room for more, something
  // stays unsent.
  for (bool is_writable = true; sends < 1000 && (is_writable || unsent == 0);) {
    while (sends < 1000 && ::send(fd, much.data(), much.size(), MSG_DONTWAIT) > 0) ++sends;
    REQUIRE(::ioctl(fd, SIOCOUTQNSD, &unsent) == 0);
    // The limit is looked at once for each piece of a send, of 64 KiB or so.
    CHECK(unsent <= (128 + 64) * 1024);
    pollfd writable{.fd = fd, .events = POLLOUT, .revents = 0};
    is_writable = ::poll(&writable, 1, 100) == 1;
    ++sends;
  }
  CHECK(sends < 1000);
  CHECK(unsent > 0);
  for (const int each : {fd, peer, listener}) env->close(each);
}

TEST_CASE("env: the limit of open files is raised to what the process may have") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit low{.rlim_cur = 100, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  CHECK(make_linux_env().value()->raise_open_files_max() == before.rlim_max);
  rlimit after{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &after) == 0);
  CHECK(after.rlim_cur == before.rlim_max);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
}

TEST_CASE("env: a file is created once, at its size, and opened for direct I/O where possible") {
  auto env = make_linux_env().value();
  TemporaryDirectory directory;
  FileOpen request{.path = directory.path + "/disk", .create_bytes = 64u << 20, .create = false};
  CHECK(env->open_file(request).error().errnum == ENOENT);

  request.create = true;
  FileFacts facts = env->open_file(request).value();
  CHECK(facts.created);
  CHECK(facts.bytes == request.create_bytes);
  CHECK_FALSE(facts.block_device);
  CHECK(facts.direct_alignment >= 1);
  CHECK(facts.direct_alignment <= 4096);
  CHECK(((::fcntl(facts.fd, F_GETFL) & O_DIRECT) != 0) == facts.direct);
  struct stat status = {};
  REQUIRE(::fstat(facts.fd, &status) == 0);
  CHECK(static_cast<uint64_t>(status.st_blocks) * 512 < request.create_bytes);  // sparse
  env->close(facts.fd);

  request.create_bytes *= 2;  // only for a new file
  facts = env->open_file(request).value();
  CHECK_FALSE(facts.created);
  CHECK(facts.bytes == 64u << 20);
  env->close(facts.fd);

  REQUIRE(::truncate(request.path.c_str(), 0) == 0);  // as a crash during creation leaves it
  facts = env->open_file(request).value();
  CHECK(facts.created);
  CHECK(facts.bytes == request.create_bytes);
  env->close(facts.fd);

  request.read_only = true;
  facts = env->open_file(request).value();
  CHECK((::fcntl(facts.fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
  env->close(facts.fd);
}

TEST_CASE("env: a file has one writer or several readers in a process, until they close it") {
  auto env = make_linux_env().value();
  TemporaryDirectory directory;
  const FileOpen writer{.path = directory.path + "/disk", .create_bytes = 1u << 20, .create = true};
  const FileOpen reader{.path = writer.path, .read_only = true};
  const auto open = [&](const FileOpen& request) { return env->open_file(request); };

  int fd = open(writer).value().fd;
  // Each is refused after some time, so all at once.
  auto second_writer = std::async(std::launch::async, open, writer);
  CHECK(open(reader).error().errnum == EAGAIN);
  CHECK(second_writer.get().error().errnum == EAGAIN);
  env->close(fd);

  fd = open(reader).value().fd;
  const int second = open(reader).value().fd;
  CHECK(open(writer).error().errnum == EAGAIN);
  env->close(fd);
  auto patient = std::async(std::launch::async, open, writer);
  env->close(second);
  env->close(patient.get().value().fd);
}

TEST_CASE("env: an empty file that another opens is not sized") {
  auto env = make_linux_env().value();
  TemporaryDirectory directory;
  const FileOpen request{.path = directory.path + "/disk", .create_bytes = 4096, .create = true};
  const int fd = env->open_file(request).value().fd;
  REQUIRE(::ftruncate(fd, 0) == 0);  // as it is before its creator sizes it
  CHECK(env->open_file(request).error().errnum == EAGAIN);
  struct stat status = {};
  REQUIRE(::fstat(fd, &status) == 0);
  CHECK(status.st_size == 0);
  env->close(fd);
}

TEST_CASE("env: a file that a process has open is free when the process was killed") {
  auto env = make_linux_env().value();
  TemporaryDirectory directory;
  const FileOpen request{.path = directory.path + "/disk", .create_bytes = 4096, .create = true};
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const char opened = env->open_file(request).ok() ? 'y' : 'n';
    if (::write(ready[1], &opened, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char opened = 0;
  CHECK(::read(ready[0], &opened, 1) == 1);
  CHECK(opened == 'y');
  CHECK(env->open_file(request).error().errnum == EAGAIN);
  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  const auto facts = env->open_file(request);
  REQUIRE(facts.ok());
  env->close(facts.value().fd);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("env: what is neither file nor block device is refused") {
  auto env = make_linux_env().value();
  CHECK(env->open_file({.path = "/tmp"}).error().errnum == EISDIR);
  CHECK(env->open_file({.path = "/dev/null"}).error().errnum == EINVAL);
  CHECK(env->open_file({.path = "/nonexistent/disk", .create_bytes = 4096, .create = true})
            .error()
            .errnum == ENOENT);
}

TEST_CASE("env: a FIFO is refused, and not waited for") {
  auto env = make_linux_env().value();
  TemporaryDirectory directory;
  const std::string path = directory.path + "/disk";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  auto opened = std::async(std::launch::async,
                           [&] { return env->open_file({.path = path, .read_only = true}); });
  const bool in_time = opened.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  CHECK(in_time);
  const int other_end = in_time ? -1 : ::open(path.c_str(), O_RDWR | O_CLOEXEC);  // ends the wait
  CHECK(opened.get().error().errnum == EINVAL);
  if (other_end >= 0) ::close(other_end);
}

TEST_CASE("env: tmpfs files open, direct or not") {
  if (::access("/dev/shm", W_OK) != 0) return;
  auto env = make_linux_env().value();
  const std::string path = "/dev/shm/capsuled_env_test_" + std::to_string(::getpid());
  const FileFacts facts =
      env->open_file({.path = path, .create_bytes = 1u << 20, .create = true}).value();
  CHECK(facts.created);
  CHECK(facts.bytes == 1u << 20);
  env->close(facts.fd);
  REQUIRE(::unlink(path.c_str()) == 0);
}

}  // namespace capsuled::env
