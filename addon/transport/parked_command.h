// ParkedCommand: a command that waits for its turn and holds no request meanwhile: what it said and
// when, and nothing else. See connection_parked.cc.
//
// ParkedPool: the memory for them, taken as it is first needed. How many may be parked is limited
// by places: a connection claims as many as its queue has entries (peers.h).
// A command whose bdev has as many buffers or requests as it may have waits beside, for its bdev:
// see bdev_shares.h. There, a connection whose stream waits for a bdev stands as a command, too.
//
// Owner: the group. Thread: the reactor's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/intrusive_list.h"
#include "transport/tcp_request.h"

namespace capsuled::transport {

/// What is kept of a command.
struct CommandNote {
  wire::SubmissionQueueEntry sqe;
  uint64_t started_ns = 0;
  uint32_t bytes = 0;          ///< of data
  uint32_t table_version = 0;  ///< for which content it was meant: see io_execute()
  nvmf::Direction direction = nvmf::Direction::None;
  Executor executor = Executor::Io;
  bool connect = false;
  nvmf::AnswerPermit owed;
};

struct ParkedCommand {
  ListNode node;       ///< in a list of its connection, or among the free ones
  ListNode bdev_node;  ///< in the line of its bdev
  Connection* connection = nullptr;
  BdevHoldPart* hold = nullptr;      ///< of its peer on its bdev, if it needs buffers
  BdevHoldPart* waits_in = nullptr;  ///< whose line it is in, or was in and has been let out of
  CommandNote note;
};

static_assert(sizeof(ParkedCommand) <= 176, "docs/internals/limits.md says how much it is");

using ParkedList = IntrusiveList<ParkedCommand, &ParkedCommand::node>;

class ParkedPool {
 public:
  ~ParkedPool() {
    ASSERT_MSG(used_ == 0, "a group destroyed with parked commands");
    while (free_.pop_front() != nullptr) {
    }
  }

  ParkedCommand& get() {
    if (free_.empty()) {
      chunks_.push_back(std::make_unique<Chunk>());
      for (ParkedCommand& command : *chunks_.back()) free_.push_back(command);
    }
    ++used_;
    return *free_.pop_front();
  }
  void put(ParkedCommand& command) {
    --used_;
    free_.push_front(command);
  }
  uint32_t used() const { return used_; }

 private:
  using Chunk = std::array<ParkedCommand, 64>;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  ParkedList free_;
  uint32_t used_ = 0;
};

}  // namespace capsuled::transport
