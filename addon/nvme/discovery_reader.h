// DiscoveryReader: asks discovery controllers, one after the other, how an NVM subsystem can be
// reached over TCP, and those that they refer to: so many, and so far, and for so long. Each is
// connected for its log page alone.
//
//   Idle ─▶ Connecting ─▶ Reading ─▶ Leaving ─▶ Connecting, or Idle
//              └──────────────────────▲
//
//   Idle        nothing                                    read()
//   Connecting  a discovery controller comes up            the controller, or its time
//   Reading     its log page, in pieces                    the controller, or its time
//   Leaving     the connection ends                        the controller
//
// Owner: whoever wants to know. Thread: the reactor's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/env.h"
#include "nvme/fabrics_controller.h"
#include "wire/log_page.h"

namespace capsuled::nvme {

struct DiscoveryOptions {
  std::vector<env::Endpoint> addresses;  ///< of discovery controllers
  std::string subnqn;                    ///< that is looked for
  std::string hostnqn;
  std::array<std::byte, 16> hostid{};
  size_t endpoints_max = 16;  ///< that are of any use
};

/// What came of it.
struct DiscoveryFindings {
  std::vector<env::Endpoint> endpoints;  ///< in the order in which they were found, each once
  bool more = false;                     ///< there may be others than those
  std::vector<std::string> failures;     ///< of single controllers, each with its address
};

class DiscoveryReader final : private ControllerOwner {
 public:
  /// Referrals of referrals, and so on.
  static constexpr uint32_t kLevelsMax = 8;
  static constexpr size_t kVisitsMax = 64;
  /// Of one log page.
  static constexpr uint64_t kRecordsMax = 4096;
  /// Of one visit, and of them all.
  static constexpr uint64_t kVisitNs = 10'000'000'000;
  static constexpr uint64_t kReadingNs = 60'000'000'000;

  explicit DiscoveryReader(Reactor& reactor);
  ~DiscoveryReader() override;

  /// From Idle. `done` is called once, when it is Idle again, and may call read(): from the
  /// reactor's loop or, if none of the addresses is one, from inside this call.
  void read(const DiscoveryOptions& options, std::function<void(DiscoveryFindings)> done);
  /// `done` comes soon, with what was found until then.
  void stop();
  bool idle() const { return state_ == State::Idle; }

 private:
  enum class State : uint8_t { Idle, Connecting, Reading, Leaving };
  struct ReaderTimer : Timer {
    DiscoveryReader* reader = nullptr;
  };
  struct Visit {
    env::Endpoint endpoint;
    uint32_t level = 0;
  };
  using Address = std::pair<std::string, uint16_t>;

  std::string controller_identified(Controller&) override { return ""; }
  void controller_live(Controller& controller) override;
  void controller_closed(Controller& controller, const std::string& reason) override;

  void set_state(State state);
  void refer(const env::Endpoint& endpoint, uint32_t level);
  void next();
  void read_log(uint64_t offset, uint32_t bytes,
                std::function<void(std::span<const std::byte>)> take);
  void anew(std::string reason);
  void begin_log();
  void take_header(const wire::DiscoveryLogHeader& header);
  void read_records();
  void take_record(const wire::DiscoveryLogEntry& entry);
  void check_unchanged();
  void leave(std::string failure);
  void on_time();

  Reactor& reactor_;
  FabricsController controller_;
  DiscoveryOptions options_;
  std::function<void(DiscoveryFindings)> done_;
  State state_ = State::Idle;
  ReaderTimer timer_;  // of Connecting and Reading
  uint64_t until_ns_ = 0;
  std::deque<Visit> to_visit_;
  std::set<Address> visited_;
  Visit visit_;          // of Connecting, Reading and Leaving
  std::string failure_;  // of this visit
  uint64_t generation_ = 0;
  uint64_t records_ = 0;
  uint64_t records_read_ = 0;
  uint32_t restarts_ = 0;
  std::vector<wire::DiscoveryLogEntry> entries_;  // of this visit
  DiscoveryFindings findings_;
};

}  // namespace capsuled::nvme
