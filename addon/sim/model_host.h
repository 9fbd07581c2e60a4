// ModelHost: a host of its own making: an admin queue and some I/O queues, on which it reads,
// writes and does all else at random, as its temper says. When its connections end it comes back.
//
// A command whose connection ended is of unknown outcome until the target has let go of the
// connection: target_closed().
//
// Owner: a Simulation. Thread: the machine's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sim/model_load.h"
#include "sim/model_queue.h"

namespace capsuled::sim {

struct ModelHostOptions {
  std::string name;
  std::string address;
  std::string subsystem;  ///< its NQN
  Temper temper;
  uint16_t io_queues = 2;
  uint16_t entries = 32;
  uint32_t keep_alive_ms = 10'000;
  env::sim::SimSpan thinks{1'000, 2'000'000, 0, 0};  ///< between commands of a queue's slot
  /// From its first connection to when it gives up all of them, on its own; max 0: never.
  /// From the end of a connection to that of the others, and as long again to new ones.
  env::sim::SimSpan comes_back{0, 2'000'000'000, 0, 0};
  env::sim::SimSpan lives{0, 0, 0, 0};
  bool vanishes = false;  ///< then, instead of closing them
  /// The target lets go of who has vanished, or owes data, within this.
  uint64_t let_go_ns = 60'000'000'000;
  /// Reads all there is, once, and does nothing else.
  bool reads_all = false;
  /// It gives no cause for what would be wrong with another one: that its commands fail or wait, or
  /// that its connections end.
  bool well_behaved = true;
  ModelLoadOptions load;
};

class ModelHost {
 public:
  /// `target` may change: who connects takes what it is then. `line`: what was done to connections.
  ModelHost(env::sim::SimNetwork& network, const env::Endpoint& target, Findings& findings,
            const Disturbance& line, std::vector<ModelNamespace> namespaces, uint64_t& next,
            const ModelHostOptions& options);
  ~ModelHost();
  ModelHost(const ModelHost&) = delete;
  ModelHost& operator=(const ModelHost&) = delete;

  void start();
  /// Ends its connections, and does not come back.
  void stop();
  /// Nothing of it is left, and of no command the outcome is awaited.
  bool at_rest() const;
  /// It has read all there is.
  bool has_read_all() const { return has_read_all_ && load_.under_way() == 0; }
  /// The target has let go of the connection from this port.
  void target_closed(uint16_t port);
  /// The target's process is gone, with all that was under way.
  void target_gone();
  /// `resting`: it gives no new I/O commands.
  void rest(bool resting) { resting_ = resting; }
  /// Whether it may expect to be answered, and has not been.
  bool waits() const { return options_.well_behaved && load_.under_way() > 0; }
  uint64_t answered() const { return load_.answered(); }
  uint64_t connections_made() const { return connections_made_; }
  const MadeDurable& made_durable() const { return load_.made_durable(); }
  const std::string& name() const { return options_.name; }

 private:
  struct Queue {
    std::unique_ptr<ModelQueue> wire;
    uint16_t qid = 0;
    bool ready = false;
    std::vector<ModelLoad::Orphan> orphans;
  };

  void connect_admin();
  void connect_queue(uint16_t qid);
  Queue& add_queue(uint16_t qid);
  void send_connect(Queue& queue);
  void connected(Queue& queue, const Outcome& outcome);
  void queue_closed(Queue& queue);
  void give_up();
  void vanish();
  void check_debts();
  void come_back();
  bool has_room(const Queue& queue) const;
  void keep_alive();
  void abort_later();
  void ask_later();
  void work(Queue& queue);
  void work_now(Queue& queue);
  bool is_harmed() const;
  void after(uint64_t delay_ns, std::function<void()> run);
  Prng& prng() { return network_.machine().prng(); }
  uint64_t now_ns() const { return network_.machine().now_ns(); }

  env::sim::SimNetwork& network_;
  const env::Endpoint& target_;
  Findings& findings_;
  const Disturbance& line_;
  const ModelHostOptions options_;
  ModelLoad load_;
  bool stopping_ = false;
  bool resting_ = false;
  bool coming_back_ = false;
  bool has_read_all_ = false;
  uint32_t generation_ = 0;  ///< of connections: what belongs to an older one is let be
  uint16_t controller_ = 0;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::map<uint16_t, std::vector<ModelLoad::Orphan>> awaited_;  // by port
  std::set<uint16_t> let_go_;  ///< ports that the target has closed, and this host not yet
  std::map<uint16_t, uint32_t> vanished_;  // by port: the generation
  uint64_t connections_made_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace capsuled::sim
