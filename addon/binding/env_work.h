// EnvWork: a call of Env that may block, on a thread of its own, as a promise.
//
// Thread: made and settled on JavaScript's; the call runs on the other. It keeps the JavaScript
// object alive that owns the environment, and says when the environment is not used any more.
#pragma once

#include <napi.h>

#include <functional>
#include <optional>
#include <utility>

#include "base/result.h"
#include "binding/convert.h"
#include "binding/thread_work.h"

namespace capsuled::binding {

template <typename T>
class EnvWork : public ThreadWork {
 public:
  using Call = std::function<Result<T>()>;
  using Convert = std::function<Napi::Value(Napi::Env env, T& value)>;

  using Over = std::function<void(Napi::Env env)>;

  /// `owner` stays alive until the promise is settled; then `over` runs.
  static Napi::Promise start(Napi::Object owner, Call call, Convert convert, Over over) {
    auto* const work = new EnvWork(owner, std::move(call), std::move(convert), std::move(over));
    const Napi::Promise promise = work->deferred_.Promise();
    work->begin();
    return promise;
  }

 protected:
  void Execute() override { result_.emplace(call_()); }
  void OnOK() override {
    if (result_->ok()) {
      deferred_.Resolve(convert_(Env(), result_->value()));
    } else {
      const Error& error = result_->error();
      deferred_.Reject(make_error(Env(), error.errnum, error.what).Value());
    }
    over_(Env());
  }

 private:
  EnvWork(Napi::Object owner, Call call, Convert convert, Over over)
      : ThreadWork(owner.Env()),
        owner_(Napi::Persistent(owner)),
        call_(std::move(call)),
        convert_(std::move(convert)),
        over_(std::move(over)),
        deferred_(Napi::Promise::Deferred::New(owner.Env())) {}

  Napi::ObjectReference owner_;
  Call call_;
  Convert convert_;
  Over over_;
  Napi::Promise::Deferred deferred_;
  std::optional<Result<T>> result_;
};

}  // namespace capsuled::binding
