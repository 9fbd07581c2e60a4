// The addon's entry: exports the class NativeEngine and the facts that do not need one.
#include <napi.h>

#include "binding/native_engine.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  capsuled::binding::NativeEngine::define(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(capsuled, initialise)
