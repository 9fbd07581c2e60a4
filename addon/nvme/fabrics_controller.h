// FabricsController: a controller of a remote NVM subsystem, over NVMe/TCP, kept alive. Its admin
// queue is on one reactor, its home; each I/O queue is on the reactor that uses it
// (fabrics_io_queue.h). All are one association: the end of a queue is that of all.
//
// What Controller calls Opening is, here:
//
//   Idle ─▶ AdminQueue ─▶ Connect ─▶ Capabilities ─▶ Open
//
//   Idle          not Opening                          open()
//   AdminQueue    TCP and ICReq of the admin queue     the qpair
//   Connect       Connect of the admin queue           the controller
//   Capabilities  Property Get of CAP                  the controller
//   Open          the admin queue is open              the end of all queues
//
// Owner: whoever does I/O on it. Thread: the home reactor's, but for the I/O queues.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nvme/controller.h"
#include "nvme/fabrics_connect.h"
#include "nvme/fabrics_io_queue.h"
#include "nvme/tcp_qpair.h"

namespace capsuled::nvme {

class FabricsController final : public Controller,
                                public TcpQpairOwner,
                                public FabricsIoQueueOwner {
 public:
  /// It has an I/O queue on each of `io_reactors`; if there are none, all at home, as many as are
  /// asked for.
  FabricsController(Reactor& home, ControllerOwner& owner, std::vector<Reactor*> io_reactors = {});
  ~FabricsController() override = default;

  /// From Idle.
  void connect(const FabricsControllerOptions& options);
  /// With `io_reactors`: theirs, in that order, whatever state the controller is in.
  FabricsIoQueue& io_queue(uint32_t index) { return *queues_[index]; }
  /// Live, of an I/O queue at home.
  Qpair& io_qpair(uint32_t index) override { return queues_[index]->qpair(); }

 private:
  enum class OpeningState : uint8_t { Idle, AdminQueue, Connect, Capabilities, Open };
  struct KeepAlive : Request {
    FabricsController* controller = nullptr;
  };

  void open() override;
  Qpair& admin_qpair() override { return *admin_; }
  void set_configuration(uint32_t cc) override;
  void get_status() override;
  std::string identified(const wire::IdentifyController& found) override;
  void open_io_queue() override;
  void close() override;
  void answered(const wire::CompletionQueueEntry& cqe) override;
  const char* step_name() const override;
  bool has_ended() const override { return !admin_->live(); }
  void tick() override;

  void qpair_live(TcpQpair& qpair) override;
  void qpair_closed(TcpQpair& qpair, const char* reason) override;
  void queue_opened(FabricsIoQueue& queue) override;
  void queue_broken(FabricsIoQueue& queue, const std::string& reason) override;
  void queue_closed(FabricsIoQueue& queue) override;

  void add_queue(Reactor& on);
  void arrive();
  void send_property_get(wire::Property property, wire::PropertySize size);
  void on_connected(const wire::CompletionQueueEntry& cqe);
  void keep_alive();

  const std::vector<Reactor*> io_reactors_;
  FabricsControllerOptions options_;
  OpeningState opening_ = OpeningState::Idle;
  const char* property_ = "";        ///< the Property command that is under way, for people
  std::unique_ptr<TcpQpair> admin_;  ///< made when it is first needed
  std::vector<std::unique_ptr<FabricsIoQueue>> queues_;
  uint32_t begun_ = 0;                ///< I/O queues that were told to open
  uint32_t awaited_ = 0;              ///< of Closing: queues that have not closed yet
  bool ended_by_controller_ = false;  ///< the association, as it ends
  uint64_t keep_alive_ns_ = 0;
  KeepAlive keep_alive_;
  bool keep_alive_pending_ = false;
};

}  // namespace capsuled::nvme
