// Qpair: a submission and completion queue pair as the I/O plane sees it; part of one connection.
// Thread: the reactor of the connection. Filled at Connect (qid, entries, table, …), constant
// afterwards.
#pragma once

#include <cstdint>

#include "nvmf/namespace_table.h"
#include "nvmf/queue_stats.h"

namespace capsuled::nvmf {

class Qpair {
 public:
  uint16_t qid = 0;
  uint32_t entries = 0;  ///< SQSIZE + 1; commands in flight never exceed it
  uint16_t sqhd = 0;     ///< submission queue head, modulo entries
  bool flow_control_disabled = false;
  /// Which of the controller's Command Retry Delay Times goes with what a hanging device
  /// interrupts; 0: none.
  uint8_t retry_delay = 0;
  uint32_t flow = 0;                ///< its number on this reactor: see BdevIo::flow
  uint32_t controller = 0;          ///< the admin plane's handle; 0 before Connect
  NamespaceTable* table = nullptr;  ///< null on the admin queue and before Connect
  QueueStats* stats = nullptr;      ///< of the controller on this reactor; null before Connect
};

}  // namespace capsuled::nvmf
