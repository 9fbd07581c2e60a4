#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <cerrno>
#include <utility>

#include "env/linux/linux_parts.h"

namespace capsuled::env {
namespace {

class LinuxThread final : public Thread {
 public:
  LinuxThread(std::string name, std::function<void()> run)
      : name_(std::move(name)), run_(std::move(run)) {
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
    if (errnum == 0) {
      // Signals are for the process's main thread; a signal that is delivered to a reactor's thread
      // would only interrupt the ring's sleep. A thread inherits the signal mask of the thread that
      // makes it, so all signals are masked for that moment.
      sigset_t all;
      sigset_t before;
      ::sigfillset(&all);
      ASSERT(::pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
      errnum = ::pthread_create(&thread_, &attributes, &LinuxThread::body, this);
      ASSERT(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
    }
    started_ = errnum == 0;
    ::pthread_attr_destroy(&attributes);
    return errnum;
  }

 private:
  static constexpr size_t kNameLengthMax = 15;  // the kernel's limit

  static void* body(void* argument) {
    auto* const self = static_cast<LinuxThread*>(argument);
    (void)::pthread_setname_np(::pthread_self(), self->name_.c_str());
    self->run_();
    return nullptr;
  }

  std::string name_;
  std::function<void()> run_;
  pthread_t thread_{};
  bool started_ = false;
};

}  // namespace

Result<std::unique_ptr<Thread>> linux_start_thread(const std::string& name, int core,
                                                   std::function<void()> run) {
  if (core >= CPU_SETSIZE) return Error{EINVAL, "cannot pin a thread: no such core"};
  auto thread = std::make_unique<LinuxThread>(name, std::move(run));
  const int errnum = thread->start(core);
  if (errnum == EINVAL && core >= 0) {
    return Error{errnum, "cannot pin a thread: no such core, or the process may not use it"};
  }
  if (errnum != 0) return Error{errnum, "cannot start a thread"};
  return std::unique_ptr<Thread>(std::move(thread));
}

}  // namespace capsuled::env
