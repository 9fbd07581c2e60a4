#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "env/linux/linux_parts.h"
#include "env/linux/start_thread.h"

namespace capsuled::env {
namespace {

/// The kernel's `struct sched_attr` in its first size. Its header cannot be included beside sched.h
/// with every libc.
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns;  ///< SCHED_OTHER: the slice
  uint64_t deadline_ns;
  uint64_t period_ns;
};
static_assert(sizeof(SchedulingAttributes) == 48);

/// How long a reactor runs before others have a turn, where others want its core.
constexpr uint64_t kSliceNs = 100'000;

/// Asks for short slices, for which Linux (6.12 and later) in return gives a thread that wakes its
/// core at once, instead of when the slice of whoever runs there has ended. Older kernels ignore
/// it. A thread of a real-time policy is left as it is, and a refusal changes nothing.
void ask_for_short_slices() {
  SchedulingAttributes attributes = {};
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;
  attributes.runtime_ns = kSliceNs;
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

class LinuxThread final : public Thread {
 public:
  LinuxThread(std::string name, Steps steps) : name_(std::move(name)), steps_(std::move(steps)) {
    if (name_.size() > kNameLengthMax) name_.resize(kNameLengthMax);
  }
  ~LinuxThread() override {
    if (started_) ASSERT(::pthread_join(thread_, nullptr) == 0);
  }
  LinuxThread(const LinuxThread&) = delete;
  LinuxThread& operator=(const LinuxThread&) = delete;

  /// Returns an errno value, or 0.
  int start(int core) {
    pthread_attr_t attributes;
    ASSERT(::pthread_attr_init(&attributes) == 0);
    int errnum = 0;
    if (core >= 0) {
      cpu_set_t cores;
      CPU_ZERO(&cores);
      CPU_SET(static_cast<size_t>(core), &cores);
      errnum = ::pthread_attr_setaffinity_np(&attributes, sizeof(cores), &cores);
    }
    if (errnum == 0) errnum = start_thread(thread_, attributes, &LinuxThread::body, this);
    started_ = errnum == 0;
    ::pthread_attr_destroy(&attributes);
    return errnum;
  }

 private:
  static constexpr size_t kNameLengthMax = 15;  // the kernel's limit
  static constexpr uint32_t kStepsAtOnce = 1024;

  static void* body(void* argument) {
    auto* const self = static_cast<LinuxThread*>(argument);
    (void)::pthread_setname_np(::pthread_self(), self->name_.c_str());
    ask_for_short_slices();
    while (self->steps_(kStepsAtOnce)) {
    }
    return nullptr;
  }

  std::string name_;
  Steps steps_;
  pthread_t thread_{};
  bool started_ = false;
};

}  // namespace

Result<std::unique_ptr<Thread>> linux_start_thread(const std::string& name, int core, Steps steps) {
  if (core >= CPU_SETSIZE) return Error{EINVAL, "cannot pin a thread: no such core"};
  auto thread = std::make_unique<LinuxThread>(name, std::move(steps));
  const int errnum = thread->start(core);
  if (errnum == EINVAL && core >= 0) {
    return Error{errnum, "cannot pin a thread: no such core, or the process may not use it"};
  }
  if (errnum != 0) return Error{errnum, "cannot start a thread"};
  return std::unique_ptr<Thread>(std::move(thread));
}

}  // namespace capsuled::env
