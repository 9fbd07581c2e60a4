// ThreadWork: an AsyncWorker on a thread of its own. A disk that hangs keeps its thread; Node's few
// worker threads, which read all files, must not be kept by disks.
//
// Thread: made, begun and settled on JavaScript's; Execute() runs on the new one. Who begins works
// bounds how many hang at a time.
#pragma once

#include <napi.h>
#include <pthread.h>

#include "env/linux/start_thread.h"

namespace capsuled::binding {

class ThreadWork : public Napi::AsyncWorker {
 public:
  /// Instead of Queue(). If the machine has no thread left, it waits for one of Node's.
  void begin() {
    const Napi::Function nothing = Napi::Function::New(Env(), [](const Napi::CallbackInfo&) {});
    settle_ = Napi::ThreadSafeFunction::New(Env(), nothing, "disk", 0, 1);
    if (env::start_detached_thread(&ThreadWork::body, this) == 0) return;
    settle_.Release();
    Queue();
  }

 protected:
  explicit ThreadWork(Napi::Env env) : Napi::AsyncWorker(env) {}

 private:
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
