// FuzzTarget: a group of connections on a SteppedReactor that a script of bytes drives, one step
// before each turn: what the fuzz targets of whole connections have in common. When the script is
// at its end the target winds down; then nothing may be left of connections, requests and buffers.
//
// Owner: a fuzz target. Thread: the one that calls run().
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "bdev/bdev_registry.h"
#include "bdev/malloc/malloc_bdev.h"
#include "bdev/null/null_bdev.h"
#include "nvmf/namespace_table.h"
#include "pdu/testing/make_pdu.h"
#include "transport/group.h"
#include "transport/testing/held_bdev.h"
#include "transport/testing/stepped_reactor.h"

namespace capsuled::transport::testing {

using namespace capsuled::testing;

/// The input, byte by byte; zeros behind its end.
class Script {
 public:
  explicit Script(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint8_t next() {
    if (bytes_.empty()) return 0;
    const uint8_t byte = bytes_[0];
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  Octets raw(size_t count) {
    Octets octets;
    while (octets.size() < count && !empty()) octets.push_back(std::byte{next()});
    return octets;
  }

 private:
  std::span<const uint8_t> bytes_;
};

/// Calls `take(bytes)` with each whole PDU of `stream` behind its first `read_bytes`, which follow.
template <typename Take>
void take_pdus(std::vector<std::byte>& stream, size_t& read_bytes, Take&& take) {
  while (stream.size() - read_bytes >= sizeof(wire::PduCommonHeader)) {
    const auto rest = std::span<const std::byte>(stream).subspan(read_bytes);
    const auto& common = wire::view_as<wire::PduCommonHeader>(rest);
    const uint32_t plen = common.plen.get();
    ASSERT(common.hlen == wire::pdu_header_length(static_cast<wire::PduType>(common.type)));
    ASSERT(plen >= common.hlen && plen <= kTransferBytesMax + 256);
    if (rest.size() < plen) break;
    take(rest.first(plen));
    read_bytes += plen;
  }
  if (read_bytes == stream.size()) {
    stream.clear();
    read_bytes = 0;
  }
}

class FuzzTarget {
 public:
  virtual ~FuzzTarget() = default;

  void run() {
    stepped_.in_place([this] { publish(); });
    while (!script_.empty()) {
      stepped_.in_place([this] { step(); });
      stepped_.turn();
    }
    for (uint32_t turns = 0; !stepped_.in_place([this] { return wind_down(); }); ++turns) {
      ASSERT_MSG(turns < kWindDownTurns, "commands or connections do not end");
      stepped_.turn();
    }
    bool stopped = false;
    stepped_.in_place([&] { group_->stop([&] { stopped = true; }); });
    uint32_t turns = 0;
    while (!stopped) {
      ASSERT_MSG(++turns < kWindDownTurns, "the group does not stop");
      stepped_.turn();
      drain_control();
    }
    check_counters();
    check_at_rest();
    stepped_.in_place([this] { table_.reset(); });
    group_.reset();
    registry_.reset();
  }

 protected:
  /// Namespace 1 is a RAM disk, 2 holds what it is given, 3 reads as zeros.
  FuzzTarget(uint64_t seed, std::span<const uint8_t> script, const GroupOptions& group,
             uint64_t ram_bytes)
      : script_(script),
        stepped_(seed, {.memory_bytes = 2 << 20}),  // one or two of the largest transfers
        queue_(
            stepped_.env(), 64, 4096, [](void*) {}, nullptr),
        options_(group) {
    group_ = Group::create(stepped_.reactor(), group, queue_).value();
    registry_ = std::make_unique<BdevRegistry>(1);
    ASSERT(registry_
               ->add(make_malloc_bdev(stepped_.env(), {.name = "ram", .bytes = ram_bytes}).value())
               .ok());
    auto held = std::make_unique<HeldBdev>();
    held_ = held.get();
    ASSERT(registry_->add(std::move(held)).ok());
    ASSERT(registry_->add(make_null_bdev({.name = "zeros", .bytes = 2 << 20}).value()).ok());
    table_ = std::make_unique<nvmf::NamespaceTable>(stepped_.reactor());
  }

  /// One step of the script, which is not at its end.
  virtual void step() = 0;
  /// Behind the end of the script; true: nothing is left to be waited for.
  virtual bool wind_down() = 0;
  virtual void closed(ConnectionId connection) { (void)connection; }
  virtual void check_at_rest() {}

  void drain_control() {
    for (auto& event : queue_.drain(64)) {
      if (event->type == ControlEventType::ConnectionOpened) {
        opened_.insert(event->connection);
        newest_ = event->connection;
      }
      if (event->type == ControlEventType::ConnectionClosed) {
        ASSERT_MSG(opened_.erase(event->connection) == 1, "closed without being opened");
        closed(event->connection);
      }
      if (event->type == ControlEventType::Command) commands_.push_back(std::move(event));
    }
  }
  /// The command that came first; null: none waits.
  std::unique_ptr<ControlEvent> next_command() {
    if (commands_.empty()) return nullptr;
    auto event = std::move(commands_.front());
    commands_.pop_front();
    return event;
  }
  static bool is_connect(const ControlEvent& event) {
    return event.sqe.opcode == wire::kFabricsOpcode &&
           wire::command_as<wire::FabricsCommand>(event.sqe).fctype ==
               static_cast<uint8_t>(wire::FabricsCommandType::kConnect);
  }
  void attach(const QueueAttach& attach) { group_->attach(attach, table_.get(), &queue_stats_); }

  /// The host's end of a connection that comes now. The other is closed if there was no room.
  SimSocket& connect(const env::Endpoint& host) {
    const env::Endpoint target{"127.0.0.1", 4420};
    const auto [fd, far] = stepped_.connect(target, host);
    ends_.push_back(far);
    pieces(*far);
    group_->adopt(fd, 1, target, host);
    return *far;
  }
  /// From now on: what the target reads and writes at once.
  void set_piece_max(uint32_t bytes) {
    piece_max_ = bytes;
    for (SimSocket* const host : ends_) pieces(*host);
  }
  void advance(uint64_t ns) { stepped_.advance(ns); }

  Script script_;
  std::unique_ptr<Group> group_;
  HeldBdev* held_ = nullptr;
  std::set<ConnectionId> opened_;
  ConnectionId newest_ = 0;
  std::deque<std::unique_ptr<ControlEvent>> commands_;

 private:
  static constexpr uint32_t kWindDownTurns = 20'000;

  void pieces(SimSocket& host) {
    host.line.read_max = piece_max_;
    if (host.other() != nullptr) host.other()->line.receive_buffer = piece_max_;
  }

  void publish() {
    std::vector<std::shared_ptr<const nvmf::NamespaceEntry>> entries;
    for (const char* name : {"ram", "held", "zeros"}) {
      auto entry = std::make_shared<nvmf::NamespaceEntry>();
      entry->nsid = static_cast<uint32_t>(entries.size() + 1);
      entry->bdev = registry_->find(name);
      entry->stats = {&namespace_stats_};
      entries.push_back(entry);
    }
    table_->publish(entries, [] {});
  }

  void check_counters() {
    const TransportStats& stats = group_->stats();
    ASSERT(stats.connection_free == options_.connections_max &&
           stats.request_free == options_.requests_max);
    ASSERT(stats.connection_await_icreq + stats.connection_await_connect + stats.connection_live +
               stats.connection_terminating + stats.connection_draining +
               stats.connection_closing ==
           0);
    ASSERT(stats.request_receiving + stats.request_await_host_data + stats.request_executing +
               stats.request_await_control + stats.request_responding + stats.request_retiring +
               stats.commands_parked ==
           0);
    ASSERT(stepped_.reactor().stats().small_buffers_used == 0 &&
           stepped_.reactor().stats().large_buffers_used == 0);
    // All that the queue can hold.
    for (int left = 256; left > 0; left -= 64) drain_control();
    ASSERT_MSG(opened_.empty(), "a connection did not say that it closed");
  }

  SteppedReactor stepped_;
  ControlQueue queue_;
  const GroupOptions options_;
  std::unique_ptr<BdevRegistry> registry_;
  std::unique_ptr<nvmf::NamespaceTable> table_;
  nvmf::NamespaceStats namespace_stats_;
  nvmf::QueueStats queue_stats_;
  std::vector<SimSocket*> ends_;  ///< of hosts, all that ever were
  uint32_t piece_max_ = 64 * 1024;
};

/// One input: a seed, and a script.
template <typename Target>
int fuzz_one_input(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  Target(bytes[0], std::span(bytes, size).subspan(1)).run();
  return 0;
}

}  // namespace capsuled::transport::testing
