// The log page of asymmetric namespace access (NVMe Base 2.1, 5.1.12.1.13): how namespaces can be
// reached by the controller that is asked, by their groups.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "nvme/controller.h"
#include "wire/log_page.h"

namespace capsuled::nvme {

/// What was read of one group.
struct AccessAnswer {
  /// The controller has answered; else it has ended.
  bool answered = false;
  /// Nothing: the log has no such group, or cannot be read.
  std::optional<wire::AnaState> state;
};

/// Live. Reads as much of the log as it takes; `done` is called once, from the reactor's loop.
void read_access(Controller& controller, uint32_t group,
                 std::function<void(const AccessAnswer&)> done);

}  // namespace capsuled::nvme
