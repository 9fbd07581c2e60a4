// NvmfPath: one way to a remote namespace: an address, the controller that is connected there, and
// their life: it is connected, and when it is lost connected again, up to `controller_loss`.
//
//   Unused ─▶ Connecting ─▶ Live ⇄ Reconnecting ⇄ Lost
//     ▲           │└─────────────────▲ │           │
//     │           └────┬──────┬────────┴───────────┘
//     └─ Closing ◀─────┴──────┘
//
//   Unused        it leads nowhere                                       open()
//   Connecting    it is connected for the first time                     the controller, or close()
//   Live          operations use it, if its access lets them             the controller, or close()
//   Reconnecting  it was lost or refused, and is tried again and again   the controller, its time,
//                                                                        or close()
//   Lost          it has not come back in `controller_loss`: it is not   revive(), or close()
//                 tried any more
//   Closing       the connections end                                    the controller
//
// Live, it looks at its access (ANA): when it has become so, when the controller says that this has
// changed, when an operation has found it so, and each second while it is not usable. But for the
// first time it asks the namespace for its group first: that may be another one, too.
//
// Owner: an NvmfDevice. Thread: the home reactor's; the constructor and the destructor, too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bdev/nvmf/nvmf_options.h"
#include "bdev/nvmf/path_access.h"
#include "nvme/access_log.h"
#include "nvme/fabrics_controller.h"

namespace capsuled {

/// Called from the home reactor's loop.
class NvmfPathOwner {
 public:
  /// Why what is there is not to be used, for people; empty: it is.
  virtual std::string refuses(const nvme::NamespaceFacts& facts) = 0;
  /// The namespace is as large as that.
  virtual void namespace_found(const nvme::NamespaceFacts& facts) = 0;
  /// Anything that a path shows is not as it was.
  virtual void path_changed() = 0;

 protected:
  ~NvmfPathOwner() = default;
};

class NvmfPath final : private nvme::ControllerOwner {
 public:
  enum class State : uint8_t { Unused, Connecting, Live, Reconnecting, Lost, Closing };

  /// `options` and `owner` outlive it.
  NvmfPath(Reactor& home, const std::vector<Reactor*>& reactors, const NvmfOptions& options,
           NvmfPathOwner& owner);
  /// When it is Unused.
  ~NvmfPath() override;

  /// From Unused.
  void open(const env::Endpoint& endpoint);
  /// Unused follows: from inside this call, if there is nothing to wait for.
  void close();
  /// If it is Lost, it is tried again.
  void revive();
  /// Its access may not be what was found last.
  void look_at_access();

  State state() const { return state_; }
  const env::Endpoint& endpoint() const { return endpoint_; }
  /// Operations can use it.
  bool usable() const { return access_.seen().path_class != PathClass::Unusable; }
  /// For people: what is wrong with it; empty: nothing.
  const std::string& reason() const { return reason_; }
  /// Live: what the controller says of its access, in its words; else empty.
  const char* access_name() const { return access_name_; }
  const PathAccess& access() const { return access_; }
  nvme::FabricsIoQueue& io_queue(uint32_t index) { return controller_.io_queue(index); }
  const nvme::NamespaceFacts& facts() const { return controller_.facts(); }

 private:
  static constexpr uint64_t kAccessNs = 1'000'000'000;
  struct PathTimer : Timer {
    NvmfPath* path = nullptr;
  };

  std::string controller_identified(nvme::Controller& controller) override;
  void controller_live(nvme::Controller& controller) override;
  void controller_closed(nvme::Controller& controller, const std::string& reason) override;
  void namespaces_changed(nvme::Controller& controller, std::span<const uint32_t> nsids) override;
  void access_changed(nvme::Controller& controller) override;

  void set_state(State state);
  void connect();
  void on_timer();
  void away(const std::string& reason);
  void drop(const std::string& reason);
  void identified(const nvme::NamespaceFacts* facts);
  void read_access();
  void access_read(const nvme::AccessAnswer& answer);
  void set_access(PathClass path_class, const char* name, const std::string& reason);

  Reactor& home_;
  const size_t reactor_count_;
  const NvmfOptions& options_;
  NvmfPathOwner& owner_;
  nvme::FabricsController controller_;
  State state_ = State::Unused;
  env::Endpoint endpoint_;
  std::string reason_;
  std::string drop_reason_;  ///< of a connection that is ended by our own will
  PathAccess access_;
  const char* access_name_ = "";
  uint32_t access_group_ = 0;  ///< of the namespace, as it was said last
  bool reads_access_ = false;
  bool reads_access_again_ = false;
  uint64_t live_since_ns_ = 0;
  uint64_t away_since_ns_ = 0;
  PathTimer timer_;
  PathTimer identify_timer_;
};

/// The word for a state, as the API and the metrics have it.
const char* path_state_name(NvmfPath::State state);
/// "192.0.2.1:4420", "[2001:db8::1]:4420".
std::string path_name(const env::Endpoint& endpoint);

}  // namespace capsuled
