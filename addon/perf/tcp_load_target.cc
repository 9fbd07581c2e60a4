#include "perf/tcp_load_target.h"

#include <utility>

namespace capsuled::perf {

class TcpLoadTarget::Path final : public LoadPath, public nvme::ControllerOwner {
 public:
  Path(Reactor& reactor, nvme::FabricsControllerOptions options)
      : reactor_(reactor), options_(std::move(options)) {}

  void open(LoadPathOwner& owner) override {
    owner_ = &owner;
    // Here, because its qpairs belong to this thread.
    if (controller_ == nullptr) {
      controller_ = std::make_unique<nvme::FabricsController>(reactor_, *this);
    }
    controller_->connect(options_);
  }
  void close() override { controller_->disconnect(); }
  bool live() const override { return controller_->live(); }
  const nvme::NamespaceFacts& facts() const override { return controller_->facts(); }
  uint32_t nsid() const override { return options_.nsids.front(); }
  uint32_t qpair_count() const override { return controller_->io_queue_count(); }
  nvme::Qpair& qpair(uint32_t index) override { return controller_->io_qpair(index); }

 private:
  void controller_live(nvme::Controller&) override { owner_->path_live(); }
  void controller_closed(nvme::Controller&, const std::string& reason) override {
    owner_->path_closed(reason);
  }

  Reactor& reactor_;
  const nvme::FabricsControllerOptions options_;
  std::unique_ptr<nvme::FabricsController> controller_;
  LoadPathOwner* owner_ = nullptr;
};

TcpLoadTarget::TcpLoadTarget(env::Endpoint endpoint, nvme::FabricsControllerOptions controller)
    : endpoint_(std::move(endpoint)), controller_(std::move(controller)) {}

TcpLoadTarget::~TcpLoadTarget() = default;

std::string TcpLoadTarget::open(const LoadPlan& plan) {
  const Result<env::SocketAddress> address = plan.workers.front().reactor->env().resolve(endpoint_);
  if (!address.ok()) {
    return std::string(address.error().what) + ": " + endpoint_.address + ": " +
           address.error().message();
  }
  for (const LoadShare& share : plan.workers) {
    nvme::FabricsControllerOptions options = controller_;
    options.address = address.value();
    options.io_queues = static_cast<uint16_t>(share.qpairs);
    options.io_entries = static_cast<uint16_t>(plan.queue_depth + 1);
    paths_.push_back(std::make_unique<Path>(*share.reactor, std::move(options)));
  }
  return "";
}

LoadPath& TcpLoadTarget::path(uint32_t worker) { return *paths_[worker]; }

}  // namespace capsuled::perf
