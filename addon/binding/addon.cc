// The addon's entry: exports the classes NativeEngine, NativeLoad and NativeLineWriter.
#include <napi.h>

#include "binding/native_engine.h"
#include "binding/native_line_writer.h"
#include "binding/native_load.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  capsuled::binding::NativeEngine::define(env, exports);
  capsuled::binding::NativeLoad::define(env, exports);
  capsuled::binding::NativeLineWriter::define(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(capsuled, initialise)
