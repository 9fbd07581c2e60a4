#include "binding/native_engine.h"

#include <cerrno>
#include <string>
#include <utility>

#include "bdev/bdev_kinds.h"
#include "binding/convert.h"
#include "binding/env_work.h"
#include "binding/thread_work.h"

namespace capsuled::binding {

namespace {

uint64_t token_of(const Napi::Value& value) {
  bool lossless = false;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

uint32_t uint32_of(const Napi::Value& value) { return value.ToNumber().Uint32Value(); }

Napi::Promise rejected(Napi::Env env, int errnum, const std::string& message,
                       const std::string& field = "") {
  const auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(make_error(env, errnum, message, field).Value());
  return deferred.Promise();
}

template <typename Stats>
std::vector<const Stats*> pointers(const control::StatsBlocks<Stats>& blocks) {
  std::vector<const Stats*> result;
  for (const auto& block : blocks) result.push_back(block.get());
  return result;
}

}  // namespace

/// Something that may block on a disk, on a thread of its own. The engine stays until it is over.
class NativeEngine::BdevWork : public ThreadWork {
 public:
  explicit BdevWork(NativeEngine& owner)
      : ThreadWork(owner.Env()),
        owner_(owner),
        over_(owner.hold()),
        deferred_(Napi::Promise::Deferred::New(owner.Env())) {
    owner_.Ref();
  }
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  /// The last step on JavaScript's thread.
  void over() {
    over_(Env());
    owner_.Unref();
  }

  NativeEngine& owner_;
  std::function<void(Napi::Env env)> over_;
  Napi::Promise::Deferred deferred_;
};

/// Opens a bdev, and registers it back on JavaScript's thread; reads between what its factory wants
/// to know of its bases.
class NativeEngine::BdevCreation : public BdevWork {
 public:
  /// What all attempts have in common.
  struct Making {
    BdevContext context;
    BdevParameters parameters;
    BaseReads reads;
  };
  BdevCreation(NativeEngine& owner, std::shared_ptr<Making> making)
      : BdevWork(owner), making_(std::move(making)) {}

 protected:
  void Execute() override { result_.emplace(make_bdev(making_->context, making_->parameters)); }
  void OnOK() override {
    const Napi::Env env = Env();
    if (!result_->ok()) {
      if (making_->reads.wanted().has_value()) return read_and_try_again();
      const BdevError& error = result_->error();
      deferred_.Reject(make_error(env, error.errnum, error.message, error.field).Value());
    } else {
      const BdevFacts facts = result_->value()->facts();
      BdevRegistry& bdevs = owner_.engine_->bdevs();
      const auto error = bdevs.in_the_way(*result_->value());
      if (bdevs.add(std::move(*result_).value())) {
        deferred_.Resolve(bdev_description(env, facts));
      } else {
        deferred_.Reject(make_error(env, error->errnum, error->message, error->field).Value());
      }
    }
    over();
  }

 private:
  void read_and_try_again() {
    // It takes over what this one holds.
    auto* const next = new BdevCreation(owner_, making_);
    next->deferred_ = deferred_;
    owner_.engine_->bdev_provide(making_->reads, [next] { next->begin(); });
    over();
  }

  const std::shared_ptr<Making> making_;
  std::optional<BdevResult> result_;
};

/// Closes a bdev that was taken out of the registry.
class NativeEngine::BdevDeletion : public BdevWork {
 public:
  BdevDeletion(NativeEngine& owner, std::unique_ptr<Bdev> bdev)
      : BdevWork(owner), bdev_(std::move(bdev)) {}

 protected:
  void Execute() override { bdev_.reset(); }
  void OnOK() override {
    deferred_.Resolve(Env().Undefined());
    over();
  }

 private:
  std::unique_ptr<Bdev> bdev_;
};

void NativeEngine::define(Napi::Env env, Napi::Object exports) {
  using Self = NativeEngine;
  const Napi::Function constructor =
      DefineClass(env, "NativeEngine",
                  {
                      InstanceMethod("facts", &Self::facts),
                      InstanceMethod("drain", &Self::drain),
                      InstanceMethod("pageCreate", &Self::page_create),
                      InstanceMethod("pageDelete", &Self::page_delete),
                      InstanceMethod("addressReserve", &Self::address_reserve),
                      InstanceMethod("stop", &Self::stop),
                      InstanceMethod("listenerAdd", &Self::listener_add),
                      InstanceMethod("listenerStart", &Self::listener_start),
                      InstanceMethod("listenerRemove", &Self::listener_remove),
                      InstanceMethod("bdevCreate", &Self::bdev_create),
                      InstanceMethod("bdevDelete", &Self::bdev_delete),
                      InstanceMethod("bdevChange", &Self::bdev_change),
                      InstanceMethod("bdevLetGo", &Self::bdev_let_go),
                      InstanceMethod("bdevSize", &Self::bdev_size),
                      InstanceMethod("bdevDrive", &Self::bdev_drive),
                      InstanceMethod("bdevPaths", &Self::bdev_paths),
                      InstanceMethod("bdevGrow", &Self::bdev_grow),
                      InstanceMethod("inspect", &Self::inspect),
                      InstanceMethod("recordIdentity", &Self::record_identity),
                      InstanceMethod("lockFile", &Self::lock_file),
                      InstanceMethod("bdevHealth", &Self::bdev_health),
                      InstanceMethod("bdevAcknowledge", &Self::bdev_acknowledge),
                      InstanceMethod("namespacesPublish", &Self::namespaces_publish),
                      InstanceMethod("namespacesDelete", &Self::namespaces_delete),
                      InstanceMethod("complete", &Self::complete),
                      InstanceMethod("completeConnect", &Self::complete_connect),
                      InstanceMethod("controllerKeepAlive", &Self::controller_keep_alive),
                      InstanceMethod("controllerTerminate", &Self::controller_terminate),
                      InstanceMethod("controllerWithhold", &Self::controller_withhold),
                      InstanceMethod("asynchronousEvent", &Self::asynchronous_event),
                      InstanceMethod("abort", &Self::abort),
                      InstanceMethod("connectionTerminate", &Self::connection_terminate),
                      InstanceMethod("reactorStats", &Self::reactor_stats),
                      InstanceMethod("transportStats", &Self::transport_stats),
                      InstanceMethod("namespaceStats", &Self::namespace_stats),
                      InstanceMethod("namespaceErrors", &Self::namespace_errors),
                      InstanceMethod("controllerStats", &Self::controller_stats),
                      InstanceMethod("bdevStats", &Self::bdev_stats),
                  });
  exports.Set("NativeEngine", constructor);
}

NativeEngine::NativeEngine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeEngine>(info) {
  const Napi::Env env = info.Env();
  wake_ = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "capsuled", 0, 1);
  auto machine = env::make_linux_env();
  auto engine =
      machine ? control::Engine::create(std::move(machine).value(),
                                        engine_options(info[0].As<Napi::Object>()), notify, this)
              : Result<std::unique_ptr<control::Engine>>(machine.error());
  if (!engine) {
    wake_.Release();
    make_error(env, engine.error().errnum, engine.error().what).ThrowAsJavaScriptException();
    return;
  }
  engine_ = std::move(engine).value();
}

NativeEngine::~NativeEngine() = default;

void NativeEngine::notify(void* argument) {
  auto* const self = static_cast<NativeEngine*>(argument);
  // One call at a time: many would run in one turn of the event loop. Acquire and release: the
  // drain() that the call asks for sees what was pushed before this.
  if (self->woken_.exchange(true, std::memory_order_acq_rel)) return;
  self->wake_.NonBlockingCall([](Napi::Env, Napi::Function wake) { wake.Call({}); });
}

/// (limit, kind): what the reactors reported of peers of this kind, a number of PeerKind, at most
/// so much. Fewer: there is nothing left of it.
Napi::Value NativeEngine::drain(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  // Before looking: what comes from here on asks for another call.
  (void)woken_.exchange(false, std::memory_order_acq_rel);
  if (engine_ == nullptr) return Napi::Array::New(env);
  const auto kind = static_cast<transport::PeerKind>(uint32_of(info[1]));
  const auto events = engine_->drain(uint32_of(info[0]), transport::only(kind));
  Napi::Array batch = Napi::Array::New(env, events.size());
  for (uint32_t index = 0; index < events.size(); index++) {
    batch.Set(index, event_object(env, *events[index]));
  }
  return batch;
}

control::Done NativeEngine::settle(Napi::Env env, Napi::Promise& promise) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  promise = deferred.Promise();
  return [env, deferred] {
    const Napi::HandleScope scope(env);
    deferred.Resolve(env.Undefined());
  };
}

std::set<std::string>& NativeEngine::reasons() {
  static std::set<std::string> words;
  return words;
}

const char* NativeEngine::intern(const std::string& reason) {
  return reasons().insert(reason).first->c_str();
}

Napi::Value NativeEngine::facts(const Napi::CallbackInfo& info) {
  return engine_facts(info.Env(), *engine_);
}

Napi::Value NativeEngine::stop(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto deferred = Napi::Promise::Deferred::New(env);
  // For good: a wake-up that is still on its way names this object.
  Ref();
  engine_->stop([this, deferred] {
    // Not from here, inside the engine's own drain(): the engine goes in the next turn of the loop.
    wake_.NonBlockingCall([this, deferred](Napi::Env later, Napi::Function) {
      stopping_ = deferred;
      finish_stop(later);
    });
  });
  return deferred.Promise();
}

std::function<void(Napi::Env env)> NativeEngine::hold() {
  works_++;
  return [this](Napi::Env env) {
    works_--;
    finish_stop(env);
  };
}

void NativeEngine::finish_stop(Napi::Env env) {
  if (!stopping_ || works_ > 0) return;
  for (const int lock : locks_) engine_->env().close(lock);
  locks_.clear();
  engine_.reset();
  wake_.Release();
  stopping_->Resolve(env.Undefined());
  stopping_.reset();
}

Napi::Value NativeEngine::listener_add(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const env::Endpoint wanted = endpoint(info[1].As<Napi::Object>());
  const auto bound = engine_->listener_add(uint32_of(info[0]), wanted);
  if (!bound) return rejected(env, bound.error().errnum, bound.error().message());
  const auto deferred = Napi::Promise::Deferred::New(env);
  Napi::Object result = Napi::Object::New(env);
  result.Set("address", bound.value().address);
  result.Set("port", static_cast<uint32_t>(bound.value().port));
  deferred.Resolve(result);
  return deferred.Promise();
}

Napi::Value NativeEngine::listener_start(const Napi::CallbackInfo& info) {
  engine_->listener_start(uint32_of(info[0]));
  return info.Env().Undefined();
}

Napi::Value NativeEngine::listener_remove(const Napi::CallbackInfo& info) {
  Napi::Promise promise;
  engine_->listener_remove(uint32_of(info[0]), settle(info.Env(), promise));
  return promise;
}

Napi::Value NativeEngine::bdev_create(const Napi::CallbackInfo& info) {
  auto making = std::make_shared<BdevCreation::Making>(
      BdevCreation::Making{.context = {.env = engine_->env(),
                                       .reactors = engine_->reactors(),
                                       .claim = info[1].ToBoolean(),
                                       .parts = &engine_->parts()},
                           .parameters = bdev_parameters(info[0].As<Napi::Object>()),
                           .reads = {}});
  making->context.reads = &making->reads;
  const Napi::Array bases = info[2].As<Napi::Array>();
  for (uint32_t index = 0; index < bases.Length(); ++index) {
    const std::string name = bases.Get(index).ToString().Utf8Value();
    auto base = engine_->bdevs().open(name);
    if (!base) return rejected(info.Env(), base.error().errnum, base.error().what, "");
    making->context.bases.emplace(name, std::move(base).value());
  }
  auto* const creation = new BdevCreation(*this, std::move(making));
  const Napi::Promise promise = creation->promise();
  creation->begin();
  return promise;
}

Napi::Value NativeEngine::bdev_delete(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = info[0].ToString().Utf8Value();
  auto taken = engine_->bdevs().take(name);
  if (!taken) return rejected(env, taken.error().errnum, taken.error().what, "name");
  auto* const deletion = new BdevDeletion(*this, std::move(taken).value());
  const Napi::Promise promise = deletion->promise();
  deletion->begin();
  return promise;
}

/// (name, parameters): throws what the kind says of them.
Napi::Value NativeEngine::bdev_change(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto error = engine_->bdev_change(info[0].ToString().Utf8Value(),
                                          bdev_parameters(info[1].As<Napi::Object>()));
  if (error.has_value()) {
    make_error(env, error->errnum, error->message, error->field).ThrowAsJavaScriptException();
  }
  return env.Undefined();
}

Napi::Value NativeEngine::bdev_let_go(const Napi::CallbackInfo& info) {
  engine_->bdev_let_go(info[0].ToString().Utf8Value());
  return info.Env().Undefined();
}

Napi::Value NativeEngine::bdev_size(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto entry = engine_->bdevs().find(info[0].ToString().Utf8Value());
  if (entry == nullptr) return env.Null();
  Napi::Object size = Napi::Object::New(env);
  size.Set("blockCount", Napi::BigInt::New(env, entry->bdev->block_count()));
  size.Set("foundBytes", Napi::BigInt::New(env, entry->bdev->bytes_found()));
  return size;
}

Napi::Value NativeEngine::bdev_drive(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto entry = engine_->bdevs().find(info[0].ToString().Utf8Value());
  if (entry == nullptr) return env.Null();
  const std::optional<DriveReport> report = entry->bdev->drive_report();
  return report.has_value() ? drive_report_object(env, *report) : env.Null();
}

Napi::Value NativeEngine::bdev_paths(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto entry = engine_->bdevs().find(info[0].ToString().Utf8Value());
  Napi::Array paths = Napi::Array::New(env);
  if (entry == nullptr) return paths;
  for (const BdevPath& path : entry->bdev->paths()) {
    paths.Set(paths.Length(), bdev_path_object(env, path));
  }
  return paths;
}

Napi::Value NativeEngine::bdev_grow(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Promise promise;
  const auto begun = engine_->bdev_grow(info[0].ToString().Utf8Value(), settle(env, promise));
  if (!begun) return rejected(env, begun.error().errnum, begun.error().what, "name");
  return promise;
}

Napi::Value NativeEngine::inspect(const Napi::CallbackInfo& info) {
  return EnvWork<env::ContentFacts>::start(
      info.This().As<Napi::Object>(),
      [&env = engine_->env(), path = info[0].ToString().Utf8Value()] { return env.inspect(path); },
      [](Napi::Env env, env::ContentFacts& facts) { return content_facts(env, facts); }, hold());
}

Napi::Value NativeEngine::record_identity(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const uint64_t device = token_of(info[1]);
  const uint64_t inode = token_of(info[2]);
  const std::string identity = info[3].ToString().Utf8Value();
  return EnvWork<bool>::start(
      info.This().As<Napi::Object>(),
      [&env = engine_->env(), path, device, inode, identity]() -> Result<bool> {
        const Result<void> recorded = env.record_identity(path, device, inode, identity);
        if (!recorded) return recorded.error();
        return true;
      },
      [](Napi::Env env, bool&) { return env.Undefined(); }, hold());
}

Napi::Value NativeEngine::lock_file(const Napi::CallbackInfo& info) {
  return EnvWork<int>::start(
      info.This().As<Napi::Object>(),
      [&env = engine_->env(), path = info[0].ToString().Utf8Value()] {
        return env.lock_file(path);
      },
      [this](Napi::Env env, int& fd) {
        locks_.push_back(fd);
        return env.Undefined();
      },
      hold());
}

Napi::Value NativeEngine::bdev_health(const Napi::CallbackInfo& info) {
  const auto entry = engine_->bdevs().find(info[0].ToString().Utf8Value());
  if (entry == nullptr) return info.Env().Null();
  const uint64_t oldest_ns = engine_->bdev_oldest_ns(*entry);
  return bdev_health_object(info.Env(), entry->bdev->health(), oldest_ns);
}

Napi::Value NativeEngine::bdev_acknowledge(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto deferred = Napi::Promise::Deferred::New(env);
  const auto begun =
      engine_->bdev_recheck(info[0].ToString().Utf8Value(), [env, deferred](BdevStatus status) {
        const Napi::HandleScope scope(env);
        deferred.Resolve(Napi::String::New(env, bdev_status_name(status)));
      });
  if (!begun) return rejected(env, begun.error().errnum, begun.error().what, "name");
  return deferred.Promise();
}

Napi::Value NativeEngine::namespaces_publish(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Promise applied;
  Napi::Promise drained;
  const auto published =
      engine_->namespaces_publish(uint32_of(info[0]), namespace_requests(info[1].As<Napi::Array>()),
                                  settle(env, applied), settle(env, drained));
  if (!published) {
    make_error(env, published.error().errnum, published.error().what, "bdev")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Napi::Object publication = Napi::Object::New(env);
  publication.Set("applied", applied);
  publication.Set("drained", drained);
  return publication;
}

Napi::Value NativeEngine::namespaces_delete(const Napi::CallbackInfo& info) {
  Napi::Promise promise;
  engine_->namespaces_delete(uint32_of(info[0]), settle(info.Env(), promise));
  return promise;
}

Napi::Value NativeEngine::complete(const Napi::CallbackInfo& info) {
  engine_->answer(control_answer(*engine_, token_of(info[0]), info[1].As<Napi::Object>()));
  return info.Env().Undefined();
}

/// (bytes): the page's number, or 0 if there is no room for it.
Napi::Value NativeEngine::page_create(const Napi::CallbackInfo& info) {
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes.Data());
  const uint32_t page = engine_->page_create({begin, begin + bytes.ByteLength()});
  return Napi::Number::New(info.Env(), page);
}

Napi::Value NativeEngine::page_delete(const Napi::CallbackInfo& info) {
  engine_->page_delete(uint32_of(info[0]));
  return info.Env().Undefined();
}

Napi::Value NativeEngine::address_reserve(const Napi::CallbackInfo& info) {
  engine_->address_reserve(info[0].ToString().Utf8Value(), uint32_of(info[1]));
  return info.Env().Undefined();
}

Napi::Value NativeEngine::complete_connect(const Napi::CallbackInfo& info) {
  engine_->attach(queue_attach(token_of(info[0]), info[1].As<Napi::Object>(), uint32_of(info[2])));
  return info.Env().Undefined();
}

Napi::Value NativeEngine::controller_keep_alive(const Napi::CallbackInfo& info) {
  engine_->set_keep_alive(uint32_of(info[0]), uint32_of(info[1]));
  return info.Env().Undefined();
}

Napi::Value NativeEngine::controller_terminate(const Napi::CallbackInfo& info) {
  Napi::Promise promise;
  const auto queues = info[1].ToString().Utf8Value() == "io" ? control::Engine::Queues::Io
                                                             : control::Engine::Queues::All;
  engine_->controller_terminate(uint32_of(info[0]), queues, intern(info[2].ToString().Utf8Value()),
                                settle(info.Env(), promise));
  return promise;
}

Napi::Value NativeEngine::controller_withhold(const Napi::CallbackInfo& info) {
  std::vector<uint32_t> nsids;
  const auto array = info[1].As<Napi::Array>();
  for (uint32_t index = 0; index < array.Length(); index++) {
    nsids.push_back(array.Get(index).ToNumber().Uint32Value());
  }
  Napi::Promise promise;
  engine_->controller_withhold(uint32_of(info[0]), std::move(nsids),
                               static_cast<uint8_t>(uint32_of(info[2])),
                               settle(info.Env(), promise));
  return promise;
}

Napi::Value NativeEngine::asynchronous_event(const Napi::CallbackInfo& info) {
  engine_->asynchronous_event(uint32_of(info[0]), uint32_of(info[1]));
  return info.Env().Undefined();
}

Napi::Value NativeEngine::abort(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto deferred = Napi::Promise::Deferred::New(env);
  engine_->abort(uint32_of(info[0]), static_cast<uint16_t>(uint32_of(info[1])),
                 static_cast<uint16_t>(uint32_of(info[2])), [env, deferred](bool aborted) {
                   const Napi::HandleScope scope(env);
                   deferred.Resolve(Napi::Boolean::New(env, aborted));
                 });
  return deferred.Promise();
}

Napi::Value NativeEngine::connection_terminate(const Napi::CallbackInfo& info) {
  const auto connection = static_cast<uint64_t>(info[0].ToNumber().Int64Value());
  engine_->connection_terminate(connection, intern(info[1].ToString().Utf8Value()));
  return info.Env().Undefined();
}

Napi::Value NativeEngine::reactor_stats(const Napi::CallbackInfo& info) {
  return stat_arrays(info.Env(), engine_->reactor_stats());
}

Napi::Value NativeEngine::transport_stats(const Napi::CallbackInfo& info) {
  return stat_arrays(info.Env(), engine_->transport_stats());
}

Napi::Value NativeEngine::namespace_stats(const Napi::CallbackInfo& info) {
  const auto blocks = engine_->namespace_stats(uint32_of(info[0]), uint32_of(info[1]));
  std::vector<const decltype(nvmf::NamespaceStats::by_operation)*> operations;
  for (const auto& block : blocks) operations.push_back(&block->by_operation);
  return stat_arrays(info.Env(), operations);
}

Napi::Value NativeEngine::namespace_errors(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::map<uint64_t, uint64_t> counts;
  for (const auto& block : engine_->namespace_stats(uint32_of(info[0]), uint32_of(info[1]))) {
    for (nvmf::ErrorSlot& slot : block->errors) {
      const uint64_t count = read_published_stat(slot.count);
      if (count != 0) counts[read_stat(slot.key)] += count;
    }
  }
  Napi::Array errors = Napi::Array::New(env, counts.size());
  uint32_t index = 0;
  for (const auto& [key, count] : counts) {
    Napi::Object error = Napi::Object::New(env);
    error.Set("operation", nvmf::kOperationNames[key >> 16]);
    error.Set("status", static_cast<uint32_t>(key & 0xffff) >> 1);
    error.Set("count", Napi::BigInt::New(env, count));
    errors.Set(index++, error);
  }
  return errors;
}

Napi::Value NativeEngine::controller_stats(const Napi::CallbackInfo& info) {
  return stat_arrays(info.Env(), pointers(engine_->controller_stats(uint32_of(info[0]))));
}

Napi::Value NativeEngine::bdev_stats(const Napi::CallbackInfo& info) {
  std::vector<const BdevStats*> blocks;
  if (const auto entry = engine_->bdevs().find(info[0].ToString().Utf8Value()); entry != nullptr) {
    for (const auto& block : entry->stats) blocks.push_back(block.get());
  }
  return stat_arrays(info.Env(), blocks);
}

}  // namespace capsuled::binding
