#include "env/sim/sim_env.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace capsuled::env::sim {

// ---- Files --------------------------------------------------------------------------------------

SimDisk& SimFiles::make(const std::string& path, uint64_t bytes) {
  std::unique_ptr<SimDisk>& disk = disks_[path];
  ASSERT_MSG(disk == nullptr, "there is such a file");
  disk = std::make_unique<SimDisk>(path, bytes);
  return *disk;
}

SimDisk* SimFiles::find(const std::string& path) {
  const auto found = disks_.find(path);
  return found == disks_.end() ? nullptr : found->second.get();
}

void SimFiles::crash(bool power, Prng& prng) {
  for (auto& [path, disk] : disks_) {
    if (power) disk->power_cut(prng);
    std::unique_ptr<SimDisk> next = disk->take_over();
    gone_.push_back(std::exchange(disk, std::move(next)));
  }
}

// ---- Threads and memory -------------------------------------------------------------------------

namespace {

class StepThread final : public Thread {
 public:
  StepThread(SimMachine& machine, SimThread& thread) : machine_(machine), thread_(thread) {}
  ~StepThread() override {
    while (!thread_.over()) ASSERT_MSG(machine_.turn(), "a thread that never ends is joined");
    machine_.remove(thread_);
  }

 private:
  SimMachine& machine_;
  SimThread& thread_;
};

}  // namespace

class SimEnv::Memory final : public Region {
 public:
  Memory(SimEnv& env, size_t bytes) : env_(env), bytes_(bytes) {
    void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(at != MAP_FAILED);
    base_ = static_cast<std::byte*>(at);
    env_.memory_used_ += bytes;
  }
  ~Memory() override {
    ::munmap(base_, bytes_);
    env_.memory_used_ -= bytes_;
  }
  std::byte* base() override { return base_; }
  size_t bytes() const override { return bytes_; }
  bool discard(size_t offset, size_t length) override {
    return ::madvise(base_ + offset, length, MADV_DONTNEED) == 0;
  }

 private:
  SimEnv& env_;
  const size_t bytes_;
  std::byte* base_;
};

SimEnv::SimEnv(SimMachine& machine, SimNetwork& network, SimFiles& files,
               const SimEnvOptions& options)
    : machine_(machine), network_(network), files_(files), options_(options) {}

SimEnv::~SimEnv() { ASSERT_MSG(memory_used_ == 0, "memory outlives its process"); }

Result<std::unique_ptr<Ring>> SimEnv::make_ring(uint32_t) {
  return std::unique_ptr<Ring>(std::make_unique<SimRing>(*this, machine_));
}

Result<std::unique_ptr<Thread>> SimEnv::start_thread(const std::string& name, int, Steps steps) {
  SimThread& thread = machine_.start(name, [steps = std::move(steps)] { return steps(1); });
  return std::unique_ptr<Thread>(std::make_unique<StepThread>(machine_, thread));
}

void SimEnv::yield() { ASSERT_MSG(machine_.turn(), "nobody is left to wait for"); }

Result<std::unique_ptr<Region>> SimEnv::allocate(size_t bytes, HugePages huge_pages) {
  if (bytes == 0) return Error{EINVAL, "no memory was asked for"};
  if (huge_pages == HugePages::Required) return Error{ENOMEM, "no huge pages"};
  if (bytes > options_.memory_max - memory_used_) return Error{ENOMEM, "out of memory"};
  return std::unique_ptr<Region>(std::make_unique<Memory>(*this, bytes));
}

// ---- Sockets ------------------------------------------------------------------------------------

int SimEnv::open(Descriptor descriptor) {
  descriptors_.emplace(next_fd_, descriptor);
  return next_fd_++;
}

Result<int> SimEnv::listen(const Endpoint& endpoint, int backlog) {
  const auto listener = network_.listen(endpoint, static_cast<uint32_t>(backlog));
  if (!listener.ok()) return listener.error();
  return open(listener.value());
}

Result<SocketAddress> SimEnv::resolve(const Endpoint& endpoint) {
  SocketAddress address;
  auto* const ipv4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* const ipv6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &ipv4->sin_addr) == 1) {
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(endpoint.port);
    address.length = sizeof(*ipv4);
  } else if (::inet_pton(AF_INET6, endpoint.address.c_str(), &ipv6->sin6_addr) == 1) {
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(endpoint.port);
    address.length = sizeof(*ipv6);
  } else {
    return Error{EINVAL, "not an address"};
  }
  return address;
}

Endpoint endpoint_of(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(address.storage);
    ASSERT(::inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof(text)) != nullptr);
    return {text, ntohs(ipv4.sin_port)};
  }
  const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
  ASSERT(::inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof(text)) != nullptr);
  return {text, ntohs(ipv6.sin6_port)};
}

Result<int> SimEnv::make_socket(const SocketAddress&) { return open(NewSocket{}); }

Result<int> SimEnv::make_event() { return open(Event{}); }

void SimEnv::signal_event(int event_fd) {
  Event& signaled = event(event_fd);
  ++signaled.count;
  if (signaled.signaled) signaled.signaled();
}

Result<Endpoint> SimEnv::local_endpoint(int fd) {
  if (const auto* const listener = std::get_if<SimNetwork::Listener*>(&descriptor(fd))) {
    return (*listener)->endpoint();
  }
  return socket(fd).local();
}

Result<Endpoint> SimEnv::peer_endpoint(int fd) {
  auto* const* const socket = std::get_if<SimSocket*>(&descriptor(fd));
  if (socket == nullptr || (*socket)->error() != 0) return Error{ENOTCONN, "not connected"};
  return (*socket)->peer();
}

void SimEnv::limit_unsent(int fd, uint32_t bytes) { socket(fd).limit_unsent(bytes); }

void SimEnv::shutdown(int fd) {
  if (auto* const* const socket = std::get_if<SimSocket*>(&descriptor(fd))) (*socket)->shut_both();
}

void SimEnv::close(int fd) {
  Descriptor& closed = descriptor(fd);
  if (auto* const* const listener = std::get_if<SimNetwork::Listener*>(&closed)) {
    network_.close(**listener);
  } else if (auto* const* const socket = std::get_if<SimSocket*>(&closed)) {
    (*socket)->readable = nullptr;
    (*socket)->writable = nullptr;
    (*socket)->close();
  } else if (claims_.erase(fd) > 0) {
    disk(fd).in_use = false;
  }
  descriptors_.erase(fd);
}

// ---- Files --------------------------------------------------------------------------------------

Result<FileFacts> SimEnv::open_file(const FileOpen& request) {
  SimDisk* disk = files_.find(request.path);
  FileFacts facts;
  if (disk == nullptr) {
    if (!request.create) return Error{ENOENT, "cannot open the file"};
    disk = &files_.make(request.path, request.create_bytes);
    facts.created = true;
    facts.made = true;
  }
  if (request.claim) {
    if (disk->in_use) return Error{EAGAIN, "the file is locked"};
    disk->in_use = !request.read_only;
  }
  facts.fd = open(disk);
  if (request.claim && !request.read_only) claims_.insert(facts.fd);
  facts.bytes = disk->bytes();
  facts.block_device = disk->block_device;
  facts.direct = disk->direct;
  facts.direct_alignment = disk->direct_alignment;
  return facts;
}

Result<FileRead> SimEnv::read_file(const std::string& path, std::span<std::byte> into) {
  const SimDisk* const disk = files_.find(path);
  if (disk == nullptr) return Error{ENOENT, "there is no such file"};
  FileRead found;
  found.bytes = std::min<uint64_t>(into.size(), disk->bytes());
  found.mode = 0600;
  disk->read(0, into.first(found.bytes));
  return found;
}

Result<ContentFacts> SimEnv::inspect(const std::string& path) {
  const SimDisk* const disk = files_.find(path);
  if (disk == nullptr) return Error{ENOENT, "there is no such file"};
  ContentFacts facts;
  facts.kind = disk->block_device ? ContentKind::BlockDevice : ContentKind::File;
  facts.bytes = disk->bytes();
  facts.links = 1;
  return facts;
}

Result<ContentFacts> SimEnv::inspect_open(int fd) { return inspect(disk(fd).path()); }

Result<void> SimEnv::record_identity(const std::string&, uint64_t, uint64_t, const std::string&) {
  return Error{ENOTSUP, "simulated files have no attributes"};
}

Result<int> SimEnv::lock_file(const std::string& path) {
  SimDisk* disk = files_.find(path);
  if (disk == nullptr) disk = &files_.make(path, 0);
  if (disk->in_use) return Error{EAGAIN, "the file is locked"};
  disk->in_use = true;
  const int fd = open(disk);
  claims_.insert(fd);
  return fd;
}

}  // namespace capsuled::env::sim
