// ModelQueue: a model host's end of one connection: what it sends and when, and whether what comes
// back is what the specification lets a controller send.
//
// Its temper decides how it behaves: how much it reads at a time and when, whether it answers R2Ts,
// and after how many bytes it stops in the middle or resets the connection. Whatever it does, what
// the target does must be right; the first thing that is not is told once and for all, through
// Findings.
//
// Owner: a ModelHost. Thread: the machine's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/sim/sim_network.h"
#include "sim/findings.h"
#include "sim/model_pdu.h"

namespace capsuled::sim {

/// The R2T that any host was sent last, and may not have answered.
struct R2tHeard {
  uint16_t port = 0;  ///< of the host's end
  uint16_t cid = 0;
  uint16_t tag = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
  bool stays = false;  ///< its host does not answer it
};

struct Temper {
  ModelDigests digests;
  uint32_t r2ts_max = 1;
  env::sim::SimSpan reads_after{0, 20'000, 0, 0};  ///< from when bytes are there to when it reads
  uint32_t reads_at_once = 256 * 1024;
  uint32_t writes_at_once = 256 * 1024;
  bool answers_r2ts = true;
  env::sim::SimSpan answers_after{};          ///< from an R2T to when it is answered
  uint64_t reads_bytes_max = UINT64_MAX;      ///< then it is deaf
  uint64_t resets_within_bytes = UINT64_MAX;  ///< of what it sends
  /// One PDU of so many is not what it should be; 0: none. What the target makes of it is its
  /// affair, so nothing that comes back on this queue is wrong any more.
  uint32_t spoils_one_in = 0;
  /// Of all hosts: who spoils answers for others, too. Not null.
  std::shared_ptr<R2tHeard> heard = std::make_shared<R2tHeard>();
};

/// How a command ended.
struct Outcome {
  bool answered = false;  ///< else: the connection ended first
  uint16_t status = 0;    ///< status code and type
  uint32_t dw0 = 0;
};

/// What became of a command that somebody wants to abort.
struct Fate {
  bool over = false;
  bool succeeded = false;
  bool aborted = false;  ///< the target said so: it must not succeed
};

class ModelQueue {
 public:
  using Done = std::function<void(const Outcome& outcome, const Bytes& data)>;

  ModelQueue(env::sim::SimNetwork& network, Findings& findings, std::string name,
             const Temper& temper);
  ~ModelQueue();
  ModelQueue(const ModelQueue&) = delete;
  ModelQueue& operator=(const ModelQueue&) = delete;

  /// `open(true)`: ICResp came; false: there is no connection.
  void dial(const std::string& from, const env::Endpoint& to, std::function<void(bool)> open);
  /// Called once, when it is over, behind the `done` of all commands.
  std::function<void()> closed;

  /// `sqe` without CID and data pointer. Data to the controller go in the capsule if `in_capsule`;
  /// `reads`: how many bytes come back. `done` runs once.
  void submit(Bytes sqe, Bytes to_controller, bool in_capsule, size_t reads, Done done);
  size_t under_way() const { return commands_.size(); }
  bool is_open() const { return socket_ != nullptr && !over_; }
  /// The port of this end; 0 before it is connected.
  uint16_t port() const { return port_; }
  /// The CID of a command that is under way, by chance; of none, if there is none.
  uint16_t pick_cid() const;
  /// Null: there is no such command.
  std::shared_ptr<Fate> watch(uint16_t cid);
  /// Since when it has owed the data of an R2T; UINT64_MAX: it owes none.
  uint64_t owes_since_ns() const { return owes_since_ns_; }

  void close();
  void reset();
  void vanish();

 private:
  struct Command {
    Bytes to_controller;
    Bytes data;  ///< that came back
    size_t reads = 0;
    size_t received = 0;
    size_t asked = 0;  ///< by R2Ts
    bool in_capsule = false;
    bool spoiled = false;  ///< its data cannot be taken for what they should be
    /// Its data were sent before its R2T was heard of; where their header ends in what is sent. 0:
    /// they were not.
    uint64_t guess_ends = 0;
    uint16_t guess_tag = 0;
    bool guessed = false;  ///< it was right: what is sent for the R2T comes too late
    /// What the target had sent, or was about to, when it saw them; 0: it has not.
    uint64_t sent_before_guess = 0;
    std::shared_ptr<Fate> fate = nullptr;
    Done done;
  };
  using Commands = std::map<uint16_t, Command>;

  void send(ModelPdu pdu);
  bool spoil(ModelPdu& pdu);
  void spoil_host_data(ModelPdu& pdu);
  void note_spoiled(const ModelPdu& pdu);
  ModelPdu guessed_data(uint16_t cid);
  void rush(uint16_t cid);
  void note_guesses_seen();
  void push_out();
  void read_later();
  void read_now();
  std::string take(ModelPdu& pdu);
  std::string take_ic_resp(const ModelPdu& pdu);
  std::string take_r2t(const ModelPdu& pdu);
  void answer_r2t(uint16_t cid, uint16_t tag, uint64_t offset, uint64_t length);
  std::string take_data(const ModelPdu& pdu);
  std::string take_response(const ModelPdu& pdu);
  void complete(Commands::iterator command, const Outcome& outcome);
  bool give_up();
  void end();
  void wrong(const std::string& what);

  env::sim::SimNetwork& network_;
  Findings& findings_;
  const std::string name_;
  const Temper temper_;
  uint64_t resets_after_bytes_ = UINT64_MAX;
  env::sim::SimSocket* socket_ = nullptr;
  uint16_t port_ = 0;
  std::function<void(bool)> open_;
  ModelReader reader_;
  bool initialized_ = false;
  bool over_ = false;
  bool reading_ = false;
  bool terminated_ = false;  ///< a C2HTermReq came
  bool spoiled_ = false;     ///< what it sent was not right
  uint16_t tag_heard_ = 0;   ///< of the last R2T
  uint32_t data_max_ = 0;    ///< MAXH2CDATA
  size_t alignment_ = 4;
  uint16_t cid_next_ = 0;
  Commands commands_;
  Bytes outgoing_;
  uint64_t sent_bytes_ = 0;
  uint64_t read_bytes_ = 0;
  uint64_t owes_since_ns_ = UINT64_MAX;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace capsuled::sim
