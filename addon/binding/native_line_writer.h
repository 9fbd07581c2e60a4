// NativeLineWriter: env::LineWriter as a JavaScript class, for src/engine/line-writer.ts alone.
//
// Thread: JavaScript's.
#pragma once

#include <napi.h>

#include <memory>

#include "env/linux/line_writer.h"

namespace capsuled::binding {

class NativeLineWriter : public Napi::ObjectWrap<NativeLineWriter> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  /// (fd: number, bytesMax: number). Throws an Error with `code` when the machine refuses.
  explicit NativeLineWriter(const Napi::CallbackInfo& info);

 private:
  /// (line: string): boolean
  Napi::Value write(const Napi::CallbackInfo& info);
  /// (timeoutMs: number): boolean
  Napi::Value flush(const Napi::CallbackInfo& info);
  /// {pendingBytes: number, errno: number}
  Napi::Value status(const Napi::CallbackInfo& info);

  std::unique_ptr<env::LineWriter> writer_;
};

}  // namespace capsuled::binding
