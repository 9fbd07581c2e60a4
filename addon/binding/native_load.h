// NativeLoad: perf::Load as a JavaScript class, for src/engine/load.ts alone.
//
// Thread: JavaScript's. The run as a whole has a thread of its own, which waits for its end, since
// to open a target and to close it may block. Lifecycle: constructor, run() once, stop() meanwhile
// or never.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>

#include "perf/load.h"

namespace capsuled::binding {

class NativeLoad : public Napi::ObjectWrap<NativeLoad> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  /// (options: LoadOptions of src/engine/load-types.ts).
  explicit NativeLoad(const Napi::CallbackInfo& info);
  ~NativeLoad() override;

 private:
  class Run;

  /// The report, when the run has ended. Rejects with an Error with `code` when the machine
  /// refuses.
  Napi::Value run(const Napi::CallbackInfo& info);
  /// Of a run whose target is being opened: as soon as it is open.
  Napi::Value stop(const Napi::CallbackInfo& info);
  Napi::Value progress(const Napi::CallbackInfo& info);
  /// On the run's own thread.
  Result<perf::LoadReport> carry_out();

  perf::LoadRunOptions options_;
  std::unique_ptr<perf::LoadTarget> target_;
  std::mutex mutex_;  ///< guards the three below
  std::unique_ptr<perf::Load> load_;
  bool stop_asked_ = false;
  bool is_running_ = false;
};

}  // namespace capsuled::binding
