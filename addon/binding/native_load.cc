#include "binding/native_load.h"

#include <optional>
#include <semaphore>
#include <string>
#include <utility>

#include "binding/convert.h"
#include "binding/thread_work.h"

namespace capsuled::binding {

namespace {

using perf::LatencyHistogram;

Napi::Object latency_object(Napi::Env env, const LatencyHistogram& latency) {
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* key, double ns) { object.Set(key, ns); };
  set("minNs", static_cast<double>(latency.min_ns()));
  set("meanNs", latency.mean_ns());
  set("maxNs", static_cast<double>(latency.max_ns()));
  const auto quantile = [&](const char* key, double share) {
    set(key, static_cast<double>(latency.quantile_ns(share)));
  };
  quantile("p50Ns", 0.5);
  quantile("p90Ns", 0.9);
  quantile("p99Ns", 0.99);
  quantile("p999Ns", 0.999);
  quantile("p9999Ns", 0.9999);
  return object;
}

Napi::Object operation_object(Napi::Env env, const perf::OperationReport& report) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("operations", static_cast<double>(report.operations));
  object.Set("bytes", static_cast<double>(report.bytes));
  object.Set("errors", static_cast<double>(report.errors));
  object.Set("latency", latency_object(env, report.latency));
  return object;
}

Napi::Object mismatch_object(Napi::Env env, const perf::Mismatch& mismatch) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", perf::name_of(mismatch.kind));
  object.Set("lba", Napi::BigInt::New(env, mismatch.lba));
  object.Set("byteOffset", mismatch.byte_offset);
  object.Set("expectedOldest", mismatch.expected_oldest);
  object.Set("expectedNewest", mismatch.expected_newest);
  object.Set("foundGeneration", mismatch.found_generation);
  object.Set("foundLba", Napi::BigInt::New(env, mismatch.found_lba));
  object.Set("expectedWord", Napi::BigInt::New(env, mismatch.expected_word));
  object.Set("foundWord", Napi::BigInt::New(env, mismatch.found_word));
  return object;
}

Napi::Object report_object(Napi::Env env, const perf::LoadReport& report) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("read", operation_object(env, report.read));
  object.Set("write", operation_object(env, report.write));
  perf::OperationReport total = report.read;
  total.merge(report.write);
  object.Set("total", operation_object(env, total));
  object.Set("elapsedNs", static_cast<double>(report.elapsed_ns));
  object.Set("busyNs", static_cast<double>(report.busy_ns));
  object.Set("reconnects", static_cast<double>(report.reconnects));
  object.Set("blockBytes", report.block_bytes);
  object.Set("blockCount", Napi::BigInt::New(env, report.block_count));
  object.Set("qpairs", report.qpairs);
  object.Set("model", report.model);
  object.Set("serial", report.serial);
  object.Set("firmware", report.firmware);
  object.Set("failure", report.failure);
  object.Set("firstErrorStatus", static_cast<uint32_t>(report.first_error_status));
  Napi::Object verify = Napi::Object::New(env);
  verify.Set("blocksChecked", static_cast<double>(report.verify.blocks_checked));
  verify.Set("blocksUnchecked", static_cast<double>(report.verify.blocks_unchecked));
  verify.Set("mismatches", static_cast<double>(report.verify.mismatches));
  if (report.verify.first) verify.Set("first", mismatch_object(env, *report.verify.first));
  object.Set("verify", verify);
  return object;
}

}  // namespace

/// From its beginning to its end, on a thread of its own.
class NativeLoad::Run : public ThreadWork {
 public:
  Run(NativeLoad& owner, Napi::Env env)
      : ThreadWork(env), owner_(owner), deferred_(Napi::Promise::Deferred::New(env)) {
    owner_.Ref();
  }
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { outcome_.emplace(owner_.carry_out()); }
  void OnOK() override {
    if (outcome_->ok()) {
      deferred_.Resolve(report_object(Env(), outcome_->value()));
    } else {
      const Error& error = outcome_->error();
      deferred_.Reject(make_error(Env(), error.errnum, error.what).Value());
    }
    owner_.load_.reset();
    owner_.Unref();
  }

 private:
  NativeLoad& owner_;
  Napi::Promise::Deferred deferred_;
  std::optional<Result<perf::LoadReport>> outcome_;
};

void NativeLoad::define(Napi::Env env, Napi::Object exports) {
  using Self = NativeLoad;
  exports.Set("NativeLoad", DefineClass(env, "NativeLoad",
                                        {
                                            InstanceMethod("run", &Self::run),
                                            InstanceMethod("stop", &Self::stop),
                                            InstanceMethod("progress", &Self::progress),
                                        }));
}

NativeLoad::NativeLoad(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeLoad>(info) {
  const auto options = info[0].As<Napi::Object>();
  options_ = load_run_options(options);
  target_ = load_target(options.Get("target").As<Napi::Object>());
}

NativeLoad::~NativeLoad() = default;

Napi::Value NativeLoad::run(const Napi::CallbackInfo& info) {
  auto* const whole = new Run(*this, info.Env());
  const Napi::Promise promise = whole->promise();
  whole->begin();
  return promise;
}

Result<perf::LoadReport> NativeLoad::carry_out() {
  auto env = env::make_linux_env();
  if (!env.ok()) return env.error();
  std::binary_semaphore ended(0);
  auto started = perf::Load::start(std::move(env).value(), std::move(target_), options_,
                                   [&ended] { ended.release(); });
  if (!started.ok()) return started.error();
  {
    const std::lock_guard lock(mutex_);
    load_ = std::move(started).value();
    is_running_ = true;
    if (stop_asked_) load_->stop();
  }
  ended.acquire();
  {
    // From here on nobody is sent a message.
    const std::lock_guard lock(mutex_);
    is_running_ = false;
  }
  return load_->finish();
}

Napi::Value NativeLoad::stop(const Napi::CallbackInfo& info) {
  const std::lock_guard lock(mutex_);
  stop_asked_ = true;
  if (is_running_) load_->stop();
  return info.Env().Undefined();
}

Napi::Value NativeLoad::progress(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::lock_guard lock(mutex_);
  const perf::Load::Sum sum = load_ == nullptr ? perf::Load::Sum{} : load_->progress();
  Napi::Object object = Napi::Object::New(env);
  object.Set("operations", static_cast<double>(sum.operations));
  object.Set("bytes", static_cast<double>(sum.bytes));
  object.Set("errors", static_cast<double>(sum.errors));
  return object;
}

}  // namespace capsuled::binding
