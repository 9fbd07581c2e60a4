// The parts of LinuxEnv that have a file of their own. Contracts: env.h. Nobody but env/linux
// includes this.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "env/env.h"

namespace capsuled::env {

/// linux_memory.cc
Result<std::unique_ptr<Region>> linux_allocate(size_t bytes, HugePages huge_pages);

/// linux_file.cc
Result<FileFacts> linux_open_file(const FileOpen& request);
void linux_discard_file(const FileFacts& file);

/// linux_socket.cc
/// "127.0.0.1", "::", "fe80::1%eth0". Names are not resolved.
Result<SocketAddress> linux_resolve(const Endpoint& endpoint);
Result<int> linux_make_socket(const SocketAddress& address);
Result<int> linux_listen(const Endpoint& endpoint, int backlog);
Result<Endpoint> linux_local_endpoint(int fd);
Result<Endpoint> linux_peer_endpoint(int fd);

/// linux_thread.cc
Result<std::unique_ptr<Thread>> linux_start_thread(const std::string& name, int core,
                                                   std::function<void()> run);

}  // namespace capsuled::env
