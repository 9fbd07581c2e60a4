#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "env/env.h"
#include "env/linux/linux_parts.h"
#include "env/linux/linux_ring.h"
#include "env/linux/vfio_device.h"

namespace capsuled::env {
namespace {

/// After half a minute of silence the kernel asks whether the peer is still there; after another
/// half minute without an answer the connection fails.
constexpr int kVanishedIdleS = 30;
constexpr int kVanishedIntervalS = 10;
constexpr int kVanishedProbes = 3;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class LinuxEnv final : public Env {
 public:
  uint64_t now_ns() override {
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
  }

  Result<std::unique_ptr<Ring>> make_ring(uint32_t entries) override {
    Result<std::unique_ptr<LinuxRing>> ring = LinuxRing::create(entries);
    if (!ring.ok()) return ring.error();
    return std::unique_ptr<Ring>(std::move(ring).value());
  }

  Result<std::unique_ptr<Thread>> start_thread(const std::string& name, int core,
                                               Steps steps) override {
    return linux_start_thread(name, core, std::move(steps));
  }
  void yield() override { (void)::sched_yield(); }
  void rest() override { std::this_thread::sleep_for(std::chrono::microseconds(200)); }
  uint64_t raise_open_files_max() override;

  Result<std::unique_ptr<Region>> allocate(size_t bytes, HugePages huge_pages) override {
    return linux_allocate(bytes, huge_pages);
  }

  Result<int> listen(const Endpoint& endpoint, int backlog) override {
    return linux_listen(endpoint, backlog);
  }
  Result<SocketAddress> resolve(const Endpoint& endpoint) override {
    return linux_resolve(endpoint);
  }
  Result<int> make_socket(const SocketAddress& address) override {
    const Result<int> fd = linux_make_socket(address);
    if (!fd.ok()) return fd;
    const linger discard = {.l_onoff = 1, .l_linger = 0};
    if (::setsockopt(fd.value(), SOL_SOCKET, SO_LINGER, &discard, sizeof(discard)) == 0) return fd;
    const int errnum = errno;
    ::close(fd.value());
    return Error{errnum, "SO_LINGER of a socket"};
  }
  Result<int> make_event() override {
    const int fd = ::eventfd(0, EFD_CLOEXEC);
    if (fd < 0) return Error{errno, "cannot make an event"};
    return fd;
  }
  void signal_event(int event_fd) override {
    // It fails only if it was signaled 2^64 times, and then it is signaled.
    (void)::eventfd_write(event_fd, 1);
  }
  Result<Endpoint> local_endpoint(int fd) override { return linux_local_endpoint(fd); }
  Result<Endpoint> peer_endpoint(int fd) override { return linux_peer_endpoint(fd); }

  void prepare_connection(int fd) override {
    const auto set = [fd](int level, int name, int value) {
      // Setting an option fails if the peer has gone already. That is ignored here, because the
      // first receive will report that the peer has gone.
      (void)::setsockopt(fd, level, name, &value, sizeof(value));
    };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, kVanishedIdleS);
    set(IPPROTO_TCP, TCP_KEEPINTVL, kVanishedIntervalS);
    set(IPPROTO_TCP, TCP_KEEPCNT, kVanishedProbes);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT,
        (kVanishedIdleS + kVanishedProbes * kVanishedIntervalS) * 1000);
  }

  void limit_unsent(int fd, uint32_t bytes) override {
    const auto value = static_cast<int>(bytes);
    // Setting an option fails if the peer has gone already, and then nothing is sent any more.
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof(value));
  }

  void shutdown(int fd) override { (void)::shutdown(fd, SHUT_RDWR); }
  void close(int fd) override { ASSERT(::close(fd) == 0 || errno != EBADF); }

  Result<FileFacts> open_file(const FileOpen& request) override { return linux_open_file(request); }
  void discard_file(const FileFacts& file) override { linux_discard_file(file); }
  Result<ContentFacts> inspect(const std::string& path) override { return linux_inspect(path); }
  Result<ContentFacts> inspect_open(int fd) override { return linux_inspect_open(fd); }
  Result<void> record_identity(const std::string& path, uint64_t device, uint64_t inode,
                               const std::string& identity) override {
    return linux_record_identity(path, device, inode, identity);
  }
  Result<int> lock_file(const std::string& path) override { return linux_lock_file(path); }
  Result<FileRead> read_file(const std::string& path, std::span<std::byte> into) override {
    return linux_read_file(path, into);
  }
  const std::string& credentials_directory() const override { return credentials_directory_; }

  PciOpened open_pci_device(const std::string& address) override {
    return open_vfio_device(vfio_groups_, address);
  }

  std::vector<std::string> features() override;

 private:
  VfioGroups vfio_groups_{memory()};
  /// Read once, because another thread may change the process's environment later.
  const std::string credentials_directory_ = environment("CREDENTIALS_DIRECTORY");
};

/// Kernel release as major * 1000 + minor; 0 if it cannot be read.
int kernel_release(const utsname& name) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return 0;
  return major * 1000 + minor;
}

constexpr int kKernelReleaseMin = 6001;

/// The setting kernel.io_uring_disabled; 0 if this kernel has no such setting.
int io_uring_disabled() {
  std::FILE* const file = std::fopen("/proc/sys/kernel/io_uring_disabled", "re");
  if (file == nullptr) return 0;
  int value = 0;
  if (std::fscanf(file, "%d", &value) != 1) value = 0;
  std::fclose(file);
  return value;
}

Error explain(Error error) {
  switch (error.errnum) {
    case ENOSYS:
      return {ENOSYS,
              "this kernel has no io_uring: use one built with CONFIG_IO_URING, 6.1 or newer"};
    case EPERM:
    case EACCES:
      if (io_uring_disabled() != 0) {
        return {error.errnum,
                "io_uring is switched off: set it with `sysctl -w kernel.io_uring_disabled=0`, or "
                "put this user's group in kernel.io_uring_group"};
      }
      return {error.errnum,
              "io_uring is forbidden here, probably by a container's seccomp profile: allow "
              "io_uring_setup, io_uring_enter and io_uring_register"};
    case EINVAL: return {EINVAL, "this kernel's io_uring is too old: Linux 6.1 or newer is needed"};
    default: return error;
  }
}

std::vector<std::string> LinuxEnv::features() {
  std::vector<std::string> features;
  utsname name = {};
  if (::uname(&name) == 0) features.emplace_back(std::string("linux ") + name.release);
  // Every kernel that make_linux_env() accepts has these.
  for (const char* const feature : {"single_issuer", "defer_taskrun", "recv_provided",
                                    "accept_multishot", "poll_multishot", "send_waitall"}) {
    features.emplace_back(feature);
  }
  return features;
}

uint64_t LinuxEnv::raise_open_files_max() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
  const rlim_t before = files.rlim_cur;
  files.rlim_cur = files.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_max : before;
}

}  // namespace

Result<std::unique_ptr<Env>> make_linux_env() {
  utsname name = {};
  if (::uname(&name) == 0) {
    const int release = kernel_release(name);
    if (release != 0 && release < kKernelReleaseMin) {
      return Error{ENOSYS, "this kernel is too old: Linux 6.1 or newer is needed"};
    }
  }
  // A ring with the flags that reactors will use shows whether rings can be made at all.
  Result<std::unique_ptr<LinuxRing>> probe = LinuxRing::create(8);
  if (!probe.ok()) return explain(probe.error());
  return std::unique_ptr<Env>(std::make_unique<LinuxEnv>());
}

}  // namespace capsuled::env
