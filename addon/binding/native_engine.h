// NativeEngine: control::Engine as a JavaScript class. src/engine/engine.ts is its only caller and
// gives it the shape of the interface Engine; every method here converts its arguments, asks the
// engine, and hands back a promise where the reactors have to agree.
//
// Thread: JavaScript's. The engine's notify() comes from reactors and wakes the event loop by a
// thread-safe function, which asks JavaScript to call drain() when it has time
// (src/engine/event-pump.ts). Lifecycle: constructor starts the reactors; stop() drains, then joins
// them and lets the event loop end. What may block on a disk (opening and closing it) is done by
// worker threads; the engine outlives them.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/engine.h"

namespace capsuled::binding {

class NativeEngine : public Napi::ObjectWrap<NativeEngine> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  /// (options: EngineOptions, wake: () => void): `wake` asks for drain(). Throws an Error with
  /// `code` when the machine refuses.
  explicit NativeEngine(const Napi::CallbackInfo& info);
  ~NativeEngine() override;

 private:
  class BdevWork;
  class BdevCreation;
  class BdevDeletion;

  Napi::Value facts(const Napi::CallbackInfo& info);
  Napi::Value drain(const Napi::CallbackInfo& info);
  Napi::Value stop(const Napi::CallbackInfo& info);
  Napi::Value listener_add(const Napi::CallbackInfo& info);
  Napi::Value listener_start(const Napi::CallbackInfo& info);
  Napi::Value listener_remove(const Napi::CallbackInfo& info);
  Napi::Value bdev_create(const Napi::CallbackInfo& info);
  Napi::Value bdev_delete(const Napi::CallbackInfo& info);
  Napi::Value bdev_change(const Napi::CallbackInfo& info);
  Napi::Value bdev_let_go(const Napi::CallbackInfo& info);
  Napi::Value bdev_size(const Napi::CallbackInfo& info);
  Napi::Value bdev_drive(const Napi::CallbackInfo& info);
  Napi::Value bdev_paths(const Napi::CallbackInfo& info);
  Napi::Value bdev_grow(const Napi::CallbackInfo& info);
  Napi::Value inspect(const Napi::CallbackInfo& info);
  Napi::Value record_identity(const Napi::CallbackInfo& info);
  Napi::Value lock_file(const Napi::CallbackInfo& info);
  Napi::Value bdev_health(const Napi::CallbackInfo& info);
  Napi::Value bdev_acknowledge(const Napi::CallbackInfo& info);
  Napi::Value namespaces_publish(const Napi::CallbackInfo& info);
  Napi::Value namespaces_delete(const Napi::CallbackInfo& info);
  Napi::Value page_create(const Napi::CallbackInfo& info);
  Napi::Value page_delete(const Napi::CallbackInfo& info);
  Napi::Value address_reserve(const Napi::CallbackInfo& info);
  Napi::Value complete(const Napi::CallbackInfo& info);
  Napi::Value complete_connect(const Napi::CallbackInfo& info);
  Napi::Value controller_keep_alive(const Napi::CallbackInfo& info);
  Napi::Value controller_terminate(const Napi::CallbackInfo& info);
  Napi::Value controller_withhold(const Napi::CallbackInfo& info);
  Napi::Value asynchronous_event(const Napi::CallbackInfo& info);
  Napi::Value abort(const Napi::CallbackInfo& info);
  Napi::Value connection_terminate(const Napi::CallbackInfo& info);
  Napi::Value reactor_stats(const Napi::CallbackInfo& info);
  Napi::Value transport_stats(const Napi::CallbackInfo& info);
  Napi::Value namespace_stats(const Napi::CallbackInfo& info);
  Napi::Value namespace_errors(const Napi::CallbackInfo& info);
  Napi::Value controller_stats(const Napi::CallbackInfo& info);
  Napi::Value bdev_stats(const Napi::CallbackInfo& info);

  /// Any thread.
  static void notify(void* argument);
  /// A Done that settles a promise; `promise` is what the method returns.
  control::Done settle(Napi::Env env, Napi::Promise& promise);
  /// The engine stays until what this returns has run: a worker thread is in it.
  std::function<void(Napi::Env env)> hold();
  /// Destroys the stopped engine when no worker thread is in it any more.
  void finish_stop(Napi::Env env);
  /// Terminate reasons live as long as the process: few words, all from our own code.
  const char* intern(const std::string& reason);

  std::unique_ptr<control::Engine> engine_;
  Napi::ThreadSafeFunction wake_;
  std::atomic<bool> woken_{false};  ///< a call of `wake` is on its way
  std::vector<int> locks_;          ///< descriptors that are locked, until stop()
  uint32_t works_ = 0;              ///< on worker threads, which may be in the engine's environment
  std::optional<Napi::Promise::Deferred> stopping_;  ///< the engine stopped, and waits for works_
  static std::set<std::string>& reasons();
};

}  // namespace capsuled::binding
