// The edge between JavaScript values and the engine's plain structs: arguments are converted at
// once, before anything else runs, and results are built here. src/engine/engine.ts checks the
// types of its callers; what arrives here wrong is our own mistake and becomes a JavaScript
// TypeError.
//
// Thread: JavaScript's.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "bdev/bdev_kinds.h"
#include "control/engine.h"
#include "perf/load.h"

namespace capsuled::binding {

/// An Error with the properties `code` (EADDRINUSE, …), `errno` and, if not empty, `field`.
Napi::Error make_error(Napi::Env env, int errnum, const std::string& message,
                       const std::string& field = "");

control::EngineOptions engine_options(const Napi::Object& options);
perf::LoadRunOptions load_run_options(const Napi::Object& options);
/// LoadTarget of src/engine/load-types.ts.
std::unique_ptr<perf::LoadTarget> load_target(const Napi::Object& target);
env::Endpoint endpoint(const Napi::Object& endpoint);
BdevParameters bdev_parameters(const Napi::Object& parameters);
std::vector<control::NamespaceRequest> namespace_requests(const Napi::Array& entries);
transport::ControlAnswer control_answer(const control::Engine& engine, uint64_t token,
                                        const Napi::Object& answer);
transport::QueueAttach queue_attach(uint64_t token, const Napi::Object& attach, uint32_t dw0);

Napi::Object content_facts(Napi::Env env, const env::ContentFacts& facts);
Napi::Object bdev_description(Napi::Env env, const BdevFacts& facts);
/// `oldest_ns`: see Engine::bdev_oldest_ns().
Napi::Object bdev_health_object(Napi::Env env, const BdevHealth& health, uint64_t oldest_ns);
/// As BdevDrive of src/engine/engine-types.ts has it.
Napi::Value drive_report_object(Napi::Env env, const DriveReport& report);
/// As BdevPath of src/engine/engine-types.ts has it.
Napi::Object bdev_path_object(Napi::Env env, const BdevPath& path);
/// As BdevRecheck of src/engine/engine-types.ts has it.
const char* bdev_status_name(BdevStatus status);
Napi::Object event_object(Napi::Env env, const transport::ControlEvent& event);
/// Facts that EngineFacts of src/engine/engine-types.ts lists.
Napi::Object engine_facts(Napi::Env env, control::Engine& engine);

/// A copy of the words of a statistics block that reactors go on writing.
Napi::BigUint64Array stat_words(Napi::Env env, const void* block, size_t words);
/// A copy of `blocks`, one array each.
template <typename Stats>
Napi::Array stat_arrays(Napi::Env env, const std::vector<const Stats*>& blocks) {
  Napi::Array arrays = Napi::Array::New(env, blocks.size());
  for (uint32_t index = 0; index < blocks.size(); index++) {
    arrays.Set(index, stat_words(env, blocks[index], sizeof(Stats) / sizeof(uint64_t)));
  }
  return arrays;
}

}  // namespace capsuled::binding
