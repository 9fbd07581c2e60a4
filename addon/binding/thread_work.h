// ThreadWork: an AsyncWorker on a thread of its own. A disk that hangs keeps its thread; Node's few
// worker threads, which read all files, must not be kept by disks.
//
// Thread: made, begun and settled on JavaScript's; Execute() runs on the new one. Who begins works
// bounds how many hang at a time.
#pragma once

#include <napi.h>
#include <pthread.h>
#include <signal.h>

#include "base/assert.h"

namespace capsuled::binding {

class ThreadWork : public Napi::AsyncWorker {
 public:
  /// Instead of Queue(). If the machine has no thread left, it waits for one of Node's.
  void begin() {
    const Napi::Function nothing = Napi::Function::New(Env(), [](const Napi::CallbackInfo&) {});
    settle_ = Napi::ThreadSafeFunction::New(Env(), nothing, "disk", 0, 1);
    if (start_thread()) return;
    settle_.Release();
    Queue();
  }

 protected:
  explicit ThreadWork(Napi::Env env) : Napi::AsyncWorker(env) {}

 private:
  bool start_thread() {
    pthread_attr_t attributes;
    ASSERT(::pthread_attr_init(&attributes) == 0);
    ASSERT(::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    // Signals are for the main thread. A thread inherits the mask of who makes it.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ASSERT(::pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    pthread_t thread{};
    const int errnum = ::pthread_create(&thread, &attributes, &ThreadWork::body, this);
    ASSERT(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
    ::pthread_attr_destroy(&attributes);
    return errnum == 0;
  }

  static void* body(void* argument) {
    auto* const work = static_cast<ThreadWork*>(argument);
    (void)::pthread_setname_np(::pthread_self(), "disk");
    work->Execute();
    // The work is gone when it is settled.
    const Napi::ThreadSafeFunction settle = work->settle_;
    settle.BlockingCall(work, [](Napi::Env, Napi::Function, ThreadWork* settled) {
      settled->OnOK();
      settled->Destroy();
    });
    settle.Release();
    return nullptr;
  }

  Napi::ThreadSafeFunction settle_;
};

}  // namespace capsuled::binding
