// NativeLoad: perf::Load as a JavaScript class, for src/engine/load.ts alone.
//
// Thread: JavaScript's. The end of a run comes from a reactor's thread and wakes the event loop by
// a thread-safe function. Lifecycle: constructor, run() once, stop() meanwhile or never.
#pragma once

#include <napi.h>

#include <memory>

#include "perf/load.h"

namespace capsuled::binding {

class NativeLoad : public Napi::ObjectWrap<NativeLoad> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  /// (options: LoadOptions of src/engine/load-types.ts).
  explicit NativeLoad(const Napi::CallbackInfo& info);
  ~NativeLoad() override;

 private:
  /// The report, when the run has ended. Rejects with an Error with `code` when the machine
  /// refuses.
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value stop(const Napi::CallbackInfo& info);
  Napi::Value progress(const Napi::CallbackInfo& info);

  perf::LoadRunOptions options_;
  env::Endpoint endpoint_;
  std::unique_ptr<perf::Load> load_;
  Napi::ThreadSafeFunction wake_;
};

}  // namespace capsuled::binding
