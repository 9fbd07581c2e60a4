// The parts of LinuxEnv that have a file of their own; env.h has their contracts. Only env/linux
// includes this header.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "env/env.h"

namespace capsuled::env {

/// linux_memory.cc
Result<std::unique_ptr<Region>> linux_allocate(size_t bytes, HugePages huge_pages);

/// linux_file.cc
Result<FileFacts> linux_open_file(const FileOpen& request);
void linux_discard_file(const FileFacts& file);
Result<int> linux_lock_file(const std::string& path);

/// linux_file_read.cc
Result<FileRead> linux_read_file(const std::string& path, std::span<std::byte> into);

/// linux_content.cc
Result<ContentFacts> linux_inspect(const std::string& path);
Result<ContentFacts> linux_inspect_open(int fd);
Result<void> linux_record_identity(const std::string& path, uint64_t device, uint64_t inode,
                                   const std::string& identity);

/// linux_file_system.cc
/// The facts of the file system that holds the open file or folder.
FileSystemFacts linux_file_system(int fd);

/// linux_device_names.cc
/// Fills in the size and the names of the block device `device`; if it is a partition, also the
/// names of the disk that it is a part of.
void linux_device_names(uint64_t device, ContentFacts& facts);

/// linux_socket.cc
/// "127.0.0.1", "::", "fe80::1%eth0". Names are not resolved.
Result<SocketAddress> linux_resolve(const Endpoint& endpoint);
Result<int> linux_make_socket(const SocketAddress& address);
Result<int> linux_listen(const Endpoint& endpoint, int backlog);
Result<Endpoint> linux_local_endpoint(int fd);
Result<Endpoint> linux_peer_endpoint(int fd);

/// linux_thread.cc
Result<std::unique_ptr<Thread>> linux_start_thread(const std::string& name, int core, Steps steps);

}  // namespace capsuled::env
