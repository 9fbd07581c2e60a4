// The addon's entry: exports the classes NativeEngine, NativeLoad and NativeLineWriter, the trial
// of the machine, and the end of the process.
#include <napi.h>
#include <unistd.h>

#include "binding/machine_trial.h"
#include "binding/native_engine.h"
#include "binding/native_line_writer.h"
#include "binding/native_load.h"

namespace {

/// Node's exit joins its worker threads, one of which may be in a system call that never returns.
void exit_now(const Napi::CallbackInfo& info) { ::_exit(info[0].As<Napi::Number>().Int32Value()); }

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  capsuled::binding::NativeEngine::define(env, exports);
  capsuled::binding::NativeLoad::define(env, exports);
  capsuled::binding::NativeLineWriter::define(env, exports);
  exports.Set("tryMachine", Napi::Function::New(env, capsuled::binding::try_machine, "tryMachine"));
  exports.Set("exitNow", Napi::Function::New(env, exit_now, "exitNow"));
  return exports;
}

}  // namespace

NODE_API_MODULE(capsuled, initialise)
