#include "binding/machine_trial.h"

#include "binding/convert.h"
#include "control/engine.h"
#include "env/env.h"
#include "reactor/buffer_pool.h"
#include "wire/command.h"
#include "wire/io_command.h"

namespace capsuled::binding {
namespace {

constexpr uint64_t kPageBytes = 4096;  ///< of a drive

/// Of an entry of a queue pair: what is in the queues, the list of the pages of its data, and the
/// range that its bdev has for it.
constexpr uint64_t kQueueEntryBytes =
    sizeof(wire::SubmissionQueueEntry) + sizeof(wire::CompletionQueueEntry) +
    kTransferBytesMax / kPageBytes * sizeof(uint64_t) + sizeof(wire::DsmRange);
/// What a bdev of a drive has of each reactor beside that: room for the data of one operation, and
/// what is lost where parts begin on a page of their own.
constexpr uint64_t kDriveBytes = kTransferBytesMax + 4 * kPageBytes;

}  // namespace

Napi::Value try_machine(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const control::EngineOptions options = engine_options(info[0].As<Napi::Object>());
  if (const auto machine = env::make_linux_env(); !machine.ok()) {
    const Error& error = machine.error();
    make_error(env, error.errnum, error.what).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Napi::Object needs = Napi::Object::New(env);
  const auto set = [&](const char* name, uint64_t value) {
    needs.Set(name, static_cast<double>(value));
  };
  set("openFiles", control::open_files_needed(options.connections_max));
  set("openFilesLeast", control::open_files_needed(control::kConnectionsMin));
  set("pinnedBytes", control::reachable_bytes(options));
  set("driveBytes", kDriveBytes);
  set("queueEntryBytes", kQueueEntryBytes);
  return needs;
}

}  // namespace capsuled::binding
