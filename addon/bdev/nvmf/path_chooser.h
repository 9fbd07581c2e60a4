// PathChooser: the paths to a remote namespace on one reactor, as one queue: each request takes the
// best path that there is, by the policy. What a path cannot do, or has lost, is submitted again by
// the channels, and takes another one.
//
// A path can be used if its queue is live here and its home says that the namespace can be reached
// over it. One that has answered with a path-related status is in doubt, and not used for a moment;
// if that was about its access, not before home has found that out anew.
//
// What a controller was given it may carry out for a while after its path was lost. So each path
// has a time up to which that is possible.
//
// Owner: an NvmfDevice. Thread: the reactor's, but for the constructor and add_way().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "bdev/nvme/nvme_queue_users.h"
#include "bdev/nvmf/nvmf_options.h"
#include "bdev/nvmf/path_access.h"
#include "nvme/io_queue_user.h"
#include "nvme/qpair.h"
#include "reactor/reactor_flags.h"
#include "reactor/timer.h"

namespace capsuled {

/// Who looks after the paths, at home.
class PathHome {
 public:
  /// Home's thread. The access of these paths, as bits by their numbers, is not as it was said.
  virtual void access_doubted(uint32_t paths) = 0;
  /// Home's thread. Somebody wants lost paths to be tried again.
  virtual void revive_paths() = 0;
  /// Any thread. There is no path for too long: operations fail until there is one.
  virtual bool gives_up() const = 0;
  /// Any thread. For so long a controller may go on after its path was lost, ns. `knows`: it knows
  /// that already.
  virtual uint64_t quiesce_ns(bool knows) const = 0;

 protected:
  ~PathHome() = default;
};

class PathChooser final : public NvmeQueueUsers, public nvme::Qpair {
 public:
  /// How long a path is not used that has answered with a path-related status.
  static constexpr uint64_t kDoubtNs = 50'000'000;

  /// A path, here.
  class Way final : public nvme::IoQueueUser {
   public:
    Way(PathChooser& chooser, const PathAccess& access) : chooser_(chooser), access_(access) {}
    void queue_live(nvme::Qpair& qpair) override;
    void queue_stopped() override;

   private:
    friend class PathChooser;
    PathChooser& chooser_;
    const PathAccess& access_;
    nvme::Qpair* qpair_ = nullptr;  ///< null: it is not live
    bool access_doubted_ = false;   ///< until home has found it out anew
    uint32_t doubted_version_ = 0;
    uint64_t doubted_until_ns_ = 0;
    uint64_t goes_on_until_ns_ = 0;  ///< what the controller was given before it was lost
  };

  PathChooser(Reactor& reactor, Reactor& home, PathHome& owner, PathPolicy policy);
  ~PathChooser() override;
  PathChooser(const PathChooser&) = delete;
  PathChooser& operator=(const PathChooser&) = delete;

  /// Before anything else, once for each path, by its number: from 0. `access` outlives it.
  Way& add_way(const PathAccess& access);

  /// Home's thread: the access of a path is another one, or the home gives up, or does not any
  /// more.
  void look_again() { orders_.raise(kLook); }
  /// Any thread. What was said has been heard, both ways: no message is under way.
  bool all_heard() const { return orders_.all_taken() && news_.all_taken(); }
  /// The reactor's thread: the last call but the destructor.
  void end() { reactor_.cancel_timer(doubt_timer_); }

  // From the channels.
  bool submit(nvme::Request& request) override;
  bool path_failed(const nvme::Request& request, wire::Status status) override;
  uint64_t quiesce_ns() const override;
  void revive() override;

 private:
  static constexpr uint32_t kLook = 1;
  static constexpr uint32_t kRevive = 1u << 31;  // beside the numbers of paths
  struct DoubtTimer : Timer {
    PathChooser* chooser = nullptr;
  };

  void told();
  void look();
  PathClass class_of(Way& way, uint64_t now_ns, uint64_t& look_at_ns) const;
  size_t first_choice();

  Reactor& reactor_;
  PathHome& owner_;
  const PathPolicy policy_;
  ReactorFlags orders_;
  ReactorFlags news_;
  std::vector<std::unique_ptr<Way>> ways_;  // by number
  std::vector<uint32_t> choice_;            // the best of them, by number, in their order
  size_t next_ = 0;                         // of `choice_`, for PathPolicy::RoundRobin
  bool revives_ = false;                    // home was asked, and has not answered yet
  DoubtTimer doubt_timer_;                  // for the first doubt that is over
};

}  // namespace capsuled
