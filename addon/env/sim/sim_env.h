// SimEnv: an Env, one simulated process's door to a SimMachine, a SimNetwork and the files of
// SimFiles. The network and the files outlive it, as they outlive a process that is killed.
//
// Owner: whoever made it, an Engine in most cases. Thread: the machine's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "env/env.h"
#include "env/sim/sim_disk.h"
#include "env/sim/sim_machine.h"
#include "env/sim/sim_network.h"
#include "env/sim/sim_ring.h"

namespace capsuled::env::sim {

/// By path.
class SimFiles {
 public:
  SimDisk& make(const std::string& path, uint64_t bytes);
  /// Null: there is none.
  SimDisk* find(const std::string& path);
  void remove(const std::string& path) { disks_.erase(path); }
  /// The process that has them open is gone. Of their caches is left what chance leaves, if the
  /// power goes, too; else all.
  void crash(bool power, Prng& prng);
  template <typename Visit>
  void for_each(Visit&& visit) {
    for (auto& [path, disk] : disks_) visit(*disk);
  }

 private:
  std::map<std::string, std::unique_ptr<SimDisk>> disks_;
  std::vector<std::unique_ptr<SimDisk>> gone_;  ///< that a process had open when it was killed
};

/// Told when the machine does something for a process, and when the process goes on: for who wants
/// to see what the process does alone.
class SimDoor {
 public:
  virtual ~SimDoor() = default;
  virtual void enter_machine() = 0;
  virtual void leave_machine() = 0;
};

/// What a process asked of its machine.
struct SimCalls {
  uint64_t polls = 0;
  uint64_t receives = 0;
  uint64_t sends = 0;
  uint64_t clock_reads = 0;
  uint64_t size_reads = 0;  ///< of files
};

struct SimEnvOptions {
  std::string address = "127.0.0.1";  ///< of connections that it makes
  uint64_t memory_max = UINT64_MAX;   ///< of all regions
  uint64_t open_files_max = 1u << 20;
  SimDoor* door = nullptr;  ///< null: nobody is told
  /// The PCI devices that the machine has; null: none.
  std::function<PciOpened(const std::string& address)> pci{};
};

class SimEnv final : public Env {
 public:
  SimEnv(SimMachine& machine, SimNetwork& network, SimFiles& files,
         const SimEnvOptions& options = {});
  ~SimEnv() override;

  /// Not in line, or it would be counted with what calls it.
  [[gnu::noinline]] uint64_t now_ns() override {
    ++calls_.clock_reads;
    return machine_.now_ns();
  }
  Result<std::unique_ptr<Ring>> make_ring(uint32_t entries) override;
  Result<std::unique_ptr<Thread>> start_thread(const std::string& name, int core,
                                               Steps steps) override;
  void yield() override;
  uint64_t raise_open_files_max() override { return options_.open_files_max; }
  Result<std::unique_ptr<Region>> allocate(size_t bytes, HugePages huge_pages) override;
  Result<int> listen(const Endpoint& endpoint, int backlog) override;
  Result<SocketAddress> resolve(const Endpoint& endpoint) override;
  Result<int> make_socket(const SocketAddress& address) override;
  Result<int> make_event() override;
  void signal_event(int event_fd) override;
  Result<Endpoint> local_endpoint(int fd) override;
  Result<Endpoint> peer_endpoint(int fd) override;
  void prepare_connection(int fd) override { (void)fd; }
  void limit_unsent(int fd, uint32_t bytes) override;
  void shutdown(int fd) override;
  void close(int fd) override;
  Result<FileFacts> open_file(const FileOpen& request) override;
  Result<ContentFacts> inspect(const std::string& path) override;
  Result<ContentFacts> inspect_open(int fd) override;
  Result<void> record_identity(const std::string& path, uint64_t device, uint64_t inode,
                               const std::string& identity) override;
  Result<int> lock_file(const std::string& path) override;
  /// As one of the process's own, which nobody else may read.
  Result<FileRead> read_file(const std::string& path, std::span<std::byte> into) override;
  const std::string& credentials_directory() const override { return no_directory_; }
  PciOpened open_pci_device(const std::string& address) override {
    return options_.pci == nullptr ? Env::open_pci_device(address) : options_.pci(address);
  }
  std::vector<std::string> features() override { return {"simulated"}; }

  // For SimRing.
  struct NewSocket {};  ///< of make_socket(), not connected yet
  struct Event {
    uint64_t count = 0;
    std::function<void()> signaled{};  ///< of who waits
  };
  using Descriptor = std::variant<NewSocket, SimNetwork::Listener*, SimSocket*, SimDisk*, Event>;
  Descriptor& descriptor(int fd) { return descriptors_.at(fd); }
  SimSocket& socket(int fd) { return *std::get<SimSocket*>(descriptor(fd)); }
  Event& event(int fd) { return std::get<Event>(descriptor(fd)); }
  SimDisk& disk(int fd) { return *std::get<SimDisk*>(descriptor(fd)); }
  int open(Descriptor descriptor);
  SimNetwork& network() { return network_; }
  const std::string& address() const { return options_.address; }
  SimDoor* door() const { return options_.door; }
  SimCalls& calls() { return calls_; }
  /// Descriptors that were not closed.
  size_t open_descriptors() const { return descriptors_.size(); }

 private:
  class Memory;

  SimMachine& machine_;
  SimNetwork& network_;
  SimFiles& files_;
  const SimEnvOptions options_;
  SimCalls calls_;
  uint64_t memory_used_ = 0;
  int next_fd_ = 3;
  std::map<int, Descriptor> descriptors_;
  std::set<int> claims_;  ///< of disks
  const std::string no_directory_;
};

/// As text and number, of what SimEnv::resolve() made.
Endpoint endpoint_of(const SocketAddress& address);

}  // namespace capsuled::env::sim
