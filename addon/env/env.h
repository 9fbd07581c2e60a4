// Env: the only door to the machine besides Ring: clock, threads, memory, sockets and files at
// set-up time.
//
// Ownership: one Env per process, outliving every reactor. Calls marked "may block" are for the
// control thread or a worker thread; reactors use Ring. `env/linux` is production.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "env/content.h"
#include "env/memory_registry.h"
#include "env/pci_device.h"
#include "env/ring.h"

namespace capsuled::env {

/// A thread pinned to a core; joins in its destructor.
class Thread {
 public:
  virtual ~Thread() = default;
};

/// Memory for pools: page-aligned, zeroed, touched by nobody yet (costs no RSS until used).
class Region {
 public:
  virtual ~Region() = default;
  virtual std::byte* base() = 0;
  virtual size_t bytes() const = 0;
  /// Gives the memory of whole pages back: they read as zeros and cost no RSS until they are used
  /// again. False: it cannot (huge pages); nothing changed. Any thread, if nobody uses the range.
  [[nodiscard]] virtual bool discard(size_t offset, size_t length) = 0;
};

/// A socket address as text and number, IPv4 or IPv6. A link-local address has its zone
/// (`fe80::1%eth0`); an IPv4 address is never written as IPv6 (`::ffff:192.0.2.1`).
struct Endpoint {
  std::string address;
  uint16_t port = 0;
};

/// What a file or block device is.
struct FileFacts {
  int fd = -1;
  uint64_t bytes = 0;
  uint32_t direct_alignment = 512;  ///< what O_DIRECT needs of offsets and lengths
  bool block_device = false;
  bool direct = false;   ///< opened with O_DIRECT
  bool created = false;  ///< open_file() gave it its size
  bool made = false;     ///< there was no such file before open_file()
};

struct FileOpen {
  std::string path;
  uint64_t create_bytes = 0;  ///< with `create`: size of a new file
  bool create = false;
  bool read_only = false;
  bool claim = true;  ///< false: to look at it, while somebody else may write it; without `create`
};

/// A small file that somebody names, as it was found.
struct FileRead {
  size_t bytes = 0;    ///< that were read
  uint32_t mode = 0;   ///< permissions
  uint32_t owner = 0;  ///< a number of a user
  uint32_t user = 0;   ///< as whom this process reads
};

/// What a thread does: at most so many steps of it. False: it is over.
using Steps = std::function<bool(uint32_t most)>;

enum class HugePages : uint8_t { Auto, Never, Required };

class Env {
 public:
  virtual ~Env() = default;
  /// Monotonic nanoseconds.
  virtual uint64_t now_ns() = 0;
  /// The ring belongs to the thread that first calls poll(), sleep() or wait(); operations and
  /// buffers may be prepared before that. `entries`: operations prepared between two polls without
  /// an extra system call.
  virtual Result<std::unique_ptr<Ring>> make_ring(uint32_t entries) = 0;
  /// Calls `steps` again and again until it returns false, on a thread named `name`, pinned to
  /// `core` (-1: not pinned). What looks like a thread to `steps` may be one of several on a thread
  /// of the machine, if no step waits for the others.
  virtual Result<std::unique_ptr<Thread>> start_thread(const std::string& name, int core,
                                                       Steps steps) = 0;
  /// Lets others run, whom the calling thread waits for.
  virtual void yield() = 0;
  /// The same for a thread that may wait for long, and whom a fraction of a millisecond more does
  /// not harm. May block.
  virtual void rest() { yield(); }
  /// Raises the limit of open files of this process as far as it may; returns it.
  virtual uint64_t raise_open_files_max() = 0;
  virtual Result<std::unique_ptr<Region>> allocate(size_t bytes, HugePages huge_pages) = 0;
  /// What of it devices may reach: see ReachableMemory.
  MemoryRegistry& memory() { return memory_; }
  /// Bound and listening, SO_REUSEADDR, close-on-exec; port 0 picks one. `::` listens on all
  /// addresses of IPv6 and IPv4, any other address on itself. Not O_NONBLOCK: Ring::accept() wants
  /// it blocking. EADDRINUSE is tried again for a moment, because the kernel lets go of the sockets
  /// of a killed process's io_uring a little after the process is gone. May block.
  virtual Result<int> listen(const Endpoint& endpoint, int backlog) = 0;
  /// The kernel's form of an endpoint. EINVAL: not an IPv4 or IPv6 address; names are not resolved.
  virtual Result<SocketAddress> resolve(const Endpoint& endpoint) = 0;
  /// A TCP socket for Ring::connect(), close-on-exec. When it is closed, by us or because this
  /// process ends, the connection is reset, and what the kernel still has to send is discarded: who
  /// has given a connection up may do elsewhere what it asked for there.
  virtual Result<int> make_socket(const SocketAddress& address) = 0;
  /// Something that a device, or another thread, signals, and Ring::await_event() waits for.
  virtual Result<int> make_event() = 0;
  /// Any thread.
  virtual void signal_event(int event_fd) = 0;
  virtual Result<Endpoint> local_endpoint(int fd) = 0;
  virtual Result<Endpoint> peer_endpoint(int fd) = 0;
  /// TCP_NODELAY of a connection; and its end when the peer has vanished, after a minute without an
  /// answer of the peer's kernel. Its buffer sizes are left to the kernel, which adapts them.
  virtual void prepare_connection(int fd) = 0;
  /// Of what is sent on `fd`, how much the machine may keep that TCP cannot send yet, because the
  /// peer does not read or the network is slower than we are. What is on its way to the peer is not
  /// counted. Without a limit the kernel keeps some megabytes for each connection.
  virtual void limit_unsent(int fd, uint32_t bytes) = 0;
  /// Both directions: pending receives and sends of `fd` complete, later ones fail.
  virtual void shutdown(int fd) = 0;
  virtual void close(int fd) = 0;
  /// May block. O_DIRECT where the file system has it. Nobody else may write meanwhile: a block
  /// device is claimed unless `read_only` (EBUSY: mounted, or claimed already), a regular file is
  /// locked until close(), for all others or, if `read_only`, for writers (EAGAIN: locked already,
  /// by this process or another). With `create` a missing or empty file gets `create_bytes`
  /// (sparse) and is durable on return, name and all.
  /// If that fails, a file that was made is removed again.
  virtual Result<FileFacts> open_file(const FileOpen& request) = 0;
  /// Closes a file that is not wanted after all, and removes it if open_file() made it.
  virtual void discard_file(const FileFacts& file) { close(file.fd); }
  /// May block, as long as the file system does. Fills `into` from the front of a regular file; if
  /// it is filled, there may be more. EISDIR, EINVAL: a folder, or something else that is no
  /// regular file; it was not opened.
  virtual Result<FileRead> read_file(const std::string& path, std::span<std::byte> into) = 0;
  /// Where the service manager has put what it keeps secret for this process; empty: nowhere.
  virtual const std::string& credentials_directory() const = 0;
  /// May block. What `path` points at now. ENOENT: nothing.
  virtual Result<ContentFacts> inspect(const std::string& path) = 0;
  /// May block. As inspect(), of a file or block device that is open.
  virtual Result<ContentFacts> inspect_open(int fd) = 0;
  /// May block. Writes `identity` into the file's extended attribute and makes it durable; empty
  /// removes it. ESTALE: `path` is not the file of `device` and `inode` any more. ENOTSUP, EROFS,
  /// EACCES, EPERM, ENOSPC, …: it cannot be written there.
  virtual Result<void> record_identity(const std::string& path, uint64_t device, uint64_t inode,
                                       const std::string& identity) = 0;
  /// May block. Creates the file if it is missing and locks it for this process, until close() or
  /// its end. EAGAIN: another process has it.
  virtual Result<int> lock_file(const std::string& path) = 0;
  /// May block. The PCI device at `address`, "0000:01:00.0", for this process alone.
  virtual PciOpened open_pci_device(const std::string& address) {
    return {nullptr, ENODEV, "there is no PCI device " + address + " here"};
  }
  /// Kernel release and the io_uring features found, for the log: "recv_provided",
  /// "accept_multishot", …
  virtual std::vector<std::string> features() = 0;

 private:
  MemoryRegistry memory_;
};

/// The production environment. Error: io_uring missing or forbidden, kernel too old; `what` says
/// which and the fix.
Result<std::unique_ptr<Env>> make_linux_env();

}  // namespace capsuled::env
