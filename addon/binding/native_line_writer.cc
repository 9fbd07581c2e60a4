#include "binding/native_line_writer.h"

#include <utility>

#include "binding/convert.h"

namespace capsuled::binding {

void NativeLineWriter::define(Napi::Env env, Napi::Object exports) {
  using Self = NativeLineWriter;
  exports.Set("NativeLineWriter", DefineClass(env, "NativeLineWriter",
                                              {
                                                  InstanceMethod("write", &Self::write),
                                                  InstanceMethod("flush", &Self::flush),
                                                  InstanceMethod("status", &Self::status),
                                              }));
}

NativeLineWriter::NativeLineWriter(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeLineWriter>(info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const auto bytes_max = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  auto started = env::LineWriter::start(fd, bytes_max);
  if (!started) {
    make_error(info.Env(), started.error().errnum, started.error().what)
        .ThrowAsJavaScriptException();
    return;
  }
  writer_ = std::move(started).value();
}

Napi::Value NativeLineWriter::write(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), writer_->push(info[0].As<Napi::String>().Utf8Value()));
}

Napi::Value NativeLineWriter::flush(const Napi::CallbackInfo& info) {
  const auto timeout_ms = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  return Napi::Boolean::New(info.Env(), writer_->flush(timeout_ms));
}

Napi::Value NativeLineWriter::status(const Napi::CallbackInfo& info) {
  const env::LineWriter::Status status = writer_->status();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("pendingBytes", static_cast<double>(status.pending_bytes));
  object.Set("errno", status.errnum);
  return object;
}

}  // namespace capsuled::binding
