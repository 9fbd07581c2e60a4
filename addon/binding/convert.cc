#include "binding/convert.h"

#include <array>
#include <cstring>
#include <utility>

#include "perf/bdev_load_target.h"
#include "perf/pcie_load_target.h"
#include "perf/tcp_load_target.h"

namespace capsuled::binding {

namespace {

uint32_t uint32_of(const Napi::Object& object, const char* key) {
  return object.Get(key).ToNumber().Uint32Value();
}

uint64_t uint64_of(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (value.IsBigInt()) {
    bool lossless = false;
    return value.As<Napi::BigInt>().Uint64Value(&lossless);
  }
  return static_cast<uint64_t>(value.ToNumber().Int64Value());
}

std::string string_of(const Napi::Object& object, const char* key) {
  return object.Get(key).ToString().Utf8Value();
}

bool bool_of(const Napi::Object& object, const char* key) {
  return object.Get(key).ToBoolean().Value();
}

PollMode poll_mode(const std::string& mode) {
  if (mode == "busy") return PollMode::Busy;
  return mode == "interrupt" ? PollMode::Interrupt : PollMode::Adaptive;
}

env::HugePages huge_pages(const std::string& pages) {
  if (pages == "never") return env::HugePages::Never;
  return pages == "required" ? env::HugePages::Required : env::HugePages::Auto;
}

template <typename Names>
Napi::Array names_array(Napi::Env env, const Names& names) {
  Napi::Array array = Napi::Array::New(env, names.size());
  for (uint32_t index = 0; index < names.size(); index++) array.Set(index, names[index]);
  return array;
}

Napi::Object endpoint_object(Napi::Env env, const env::Endpoint& endpoint) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("address", endpoint.address);
  object.Set("port", static_cast<uint32_t>(endpoint.port));
  return object;
}

Napi::Object stat_names(Napi::Env env) {
  Napi::Object names = Napi::Object::New(env);
  names.Set("reactor", names_array(env, kReactorStatNames));
  names.Set("transport", names_array(env, transport::kTransportStatNames));
  names.Set("namespaceOperations", names_array(env, nvmf::kOperationNames));
  names.Set("namespaceOperationWords", names_array(env, nvmf::kOperationWordNames));
  Napi::Array bounds = Napi::Array::New(env, nvmf::kLatencyBuckets - 1);
  for (uint32_t index = 0; index < nvmf::kLatencyBuckets - 1; index++) {
    bounds.Set(index, static_cast<double>(nvmf::latency_bound_ns(index)));
  }
  names.Set("latencyBoundsNs", bounds);
  names.Set("bdevOperations", names_array(env, kBdevIoTypeNames));
  names.Set("bdevOperationWords", names_array(env, kBdevOperationStatNames));
  names.Set("bdevWords", names_array(env, kBdevStatNames));
  names.Set("controllerOperations", names_array(env, nvmf::kOperationNames));
  names.Set("controllerOperationWords", names_array(env, nvmf::kQueueOperationWordNames));
  return names;
}

const char* kind_word(env::ContentKind kind) {
  switch (kind) {
    case env::ContentKind::File: return "file";
    case env::ContentKind::BlockDevice: return "block_device";
    case env::ContentKind::Directory: return "directory";
    case env::ContentKind::Other: return "other";
  }
  return "other";
}

/// "EIO"; empty: no error.
const char* errno_word(int errnum) {
  const char* const word = errnum == 0 ? nullptr : strerrorname_np(errnum);
  return word == nullptr ? "" : word;
}

Napi::Object names_object(Napi::Env env, const env::DeviceNames& names) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, value] : names) object.Set(name, value);
  return object;
}

Napi::Value backing_object(Napi::Env env, const env::BackingFile* backing) {
  if (backing == nullptr) return env.Null();
  Napi::Object object = Napi::Object::New(env);
  object.Set("path", backing->path);
  object.Set("offset", Napi::BigInt::New(env, backing->offset));
  object.Set("limit", Napi::BigInt::New(env, backing->limit));
  if (backing->facts == nullptr) {
    object.Set("facts", env.Null());
  } else {
    object.Set("facts", content_facts(env, *backing->facts));
  }
  return object;
}

}  // namespace

Napi::Object content_facts(Napi::Env env, const env::ContentFacts& facts) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", kind_word(facts.kind));
  object.Set("device", Napi::BigInt::New(env, facts.device));
  object.Set("inode", Napi::BigInt::New(env, facts.inode));
  object.Set("size", Napi::BigInt::New(env, facts.bytes));
  object.Set("links", Napi::BigInt::New(env, facts.links));
  object.Set("bornNs", Napi::BigInt::New(env, facts.born_ns));
  Napi::Object file_system = Napi::Object::New(env);
  file_system.Set("id", facts.file_system.id);
  file_system.Set("type", facts.file_system.type);
  file_system.Set("source", facts.file_system.source);
  file_system.Set("mountPoint", facts.file_system.mount_point);
  object.Set("fileSystem", file_system);
  object.Set("identity", facts.identity);
  object.Set("identityError", errno_word(facts.identity_errnum));
  object.Set("namesError", errno_word(facts.names_errnum));
  object.Set("names", names_object(env, facts.names));
  object.Set("diskNames", names_object(env, facts.disk_names));
  object.Set("backing", backing_object(env, facts.backing.get()));
  return object;
}

Napi::Error make_error(Napi::Env env, int errnum, const std::string& message,
                       const std::string& field) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("errno", Napi::Number::New(env, errnum));
  const char* const name = strerrorname_np(errnum);
  error.Set("code", Napi::String::New(env, name == nullptr ? "EUNKNOWN" : name));
  if (!field.empty()) error.Set("field", Napi::String::New(env, field));
  return error;
}

control::EngineOptions engine_options(const Napi::Object& options) {
  control::EngineOptions result;
  const auto cores = options.Get("cores").As<Napi::Array>();
  for (uint32_t index = 0; index < cores.Length(); index++) {
    result.cores.push_back(cores.Get(index).ToNumber().Int32Value());
  }
  result.poll = poll_mode(string_of(options, "poll"));
  result.idle_after_ns = uint64_of(options, "idleAfterNs");
  result.memory_bytes = uint64_of(options, "memoryBytes");
  result.huge_pages = huge_pages(string_of(options, "hugepages"));
  result.connections_max = uint32_of(options, "connectionsMax");
  result.connect_timeout_ns = uint64_of(options, "connectTimeoutMs") * 1'000'000;
  result.pdu_timeout_ns = uint64_of(options, "pduTimeoutMs") * 1'000'000;
  return result;
}

perf::LoadRunOptions load_run_options(const Napi::Object& options) {
  perf::LoadRunOptions run;
  run.cores.clear();
  const auto cores = options.Get("cores").As<Napi::Array>();
  for (uint32_t index = 0; index < cores.Length(); index++) {
    run.cores.push_back(cores.Get(index).ToNumber().Int32Value());
  }
  run.poll = poll_mode(string_of(options, "poll"));
  run.qpairs = uint32_of(options, "qpairs");
  perf::LoadOptions& load = run.load;
  load.queue_depth = uint32_of(options, "queueDepth");
  const bool sequential = string_of(options, "pattern") == "sequential";
  load.workload.pattern = sequential ? perf::Pattern::Sequential : perf::Pattern::Random;
  load.workload.read_percent = uint32_of(options, "readPercent");
  const auto sizes = options.Get("sizes").As<Napi::Array>();
  for (uint32_t index = 0; index < sizes.Length(); index++) {
    const auto size = sizes.Get(index).As<Napi::Object>();
    load.workload.sizes.push_back(
        {.io_bytes = uint32_of(size, "bytes"), .weight = uint32_of(size, "weight")});
  }
  load.workload.seed = uint64_of(options, "seed");
  load.region_bytes = uint64_of(options, "regionBytes");
  load.region_offset = uint64_of(options, "offsetBytes");
  load.warm_up_ns = uint64_of(options, "warmUpNs");
  load.duration_ns = uint64_of(options, "durationNs");
  load.operations_max = uint64_of(options, "operationsMax");
  load.rate_iops = uint64_of(options, "rateIops");
  load.verify = bool_of(options, "verify");
  load.reconnect_ns = uint64_of(options, "reconnectNs");
  return run;
}

env::Endpoint endpoint(const Napi::Object& endpoint) {
  return {string_of(endpoint, "address"), static_cast<uint16_t>(uint32_of(endpoint, "port"))};
}

namespace {

BdevSection bdev_section(const Napi::Object& values);

BdevValue bdev_value(const Napi::Value& value) {
  if (value.IsBoolean()) return value.ToBoolean().Value();
  if (value.IsNumber()) return static_cast<uint64_t>(value.ToNumber().Int64Value());
  if (value.IsBigInt()) {
    bool lossless = false;
    return value.As<Napi::BigInt>().Uint64Value(&lossless);
  }
  if (value.IsArray()) {
    const auto items = value.As<Napi::Array>();
    BdevList list;
    for (uint32_t index = 0; index < items.Length(); ++index) {
      list.push_back(bdev_value(items.Get(index)));
    }
    return list;
  }
  if (value.IsObject()) return bdev_section(value.As<Napi::Object>());
  return value.ToString().Utf8Value();
}

BdevSection bdev_section(const Napi::Object& values) {
  BdevSection section;
  const Napi::Array keys = values.GetPropertyNames();
  for (uint32_t index = 0; index < keys.Length(); ++index) {
    const std::string key = keys.Get(index).ToString().Utf8Value();
    const Napi::Value value = values.Get(key);
    if (!value.IsUndefined()) section.emplace(key, bdev_value(value));
  }
  return section;
}

}  // namespace

BdevParameters bdev_parameters(const Napi::Object& parameters) {
  BdevSection values = bdev_section(parameters);
  values.erase("name");
  values.erase("kind");
  return {string_of(parameters, "name"), string_of(parameters, "kind"), std::move(values)};
}

namespace {

std::unique_ptr<perf::LoadTarget> tcp_load_target(const Napi::Object& target) {
  nvme::FabricsControllerOptions controller;
  controller.subnqn = string_of(target, "subnqn");
  controller.hostnqn = string_of(target, "hostnqn");
  const auto hostid = target.Get("hostid").As<Napi::Uint8Array>();
  std::memcpy(controller.hostid.data(), hostid.Data(), controller.hostid.size());
  controller.nsids = {uint32_of(target, "nsid")};
  controller.digests.header = bool_of(target, "headerDigest");
  controller.digests.data = bool_of(target, "dataDigest");
  return std::make_unique<perf::TcpLoadTarget>(endpoint(target), std::move(controller));
}

std::unique_ptr<perf::LoadTarget> bdev_load_target(const Napi::Array& bdevs) {
  std::vector<BdevParameters> stack;
  for (uint32_t index = 0; index < bdevs.Length(); index++) {
    stack.push_back(bdev_parameters(bdevs.Get(index).As<Napi::Object>()));
  }
  return std::make_unique<perf::BdevLoadTarget>(std::move(stack));
}

}  // namespace

std::unique_ptr<perf::LoadTarget> load_target(const Napi::Object& target) {
  const std::string type = string_of(target, "type");
  if (type == "tcp") return tcp_load_target(target);
  if (type == "bdev") return bdev_load_target(target.Get("bdevs").As<Napi::Array>());
  return std::make_unique<perf::PcieLoadTarget>(string_of(target, "address"),
                                                uint32_of(target, "nsid"));
}

std::vector<control::NamespaceRequest> namespace_requests(const Napi::Array& entries) {
  std::vector<control::NamespaceRequest> requests;
  for (uint32_t index = 0; index < entries.Length(); index++) {
    const auto entry = entries.Get(index).As<Napi::Object>();
    requests.push_back({.nsid = uint32_of(entry, "nsid"),
                        .bdev = string_of(entry, "bdev"),
                        .read_only = bool_of(entry, "readOnly")});
  }
  return requests;
}

transport::ControlAnswer control_answer(const control::Engine& engine, uint64_t token,
                                        const Napi::Object& answer) {
  transport::ControlAnswer result;
  result.token = token;
  // JavaScript leaves the phase bit out; the wire has it at the bottom.
  result.status = static_cast<uint16_t>(uint32_of(answer, "status") << 1);
  if (answer.Has("dw0")) result.dw0 = uint32_of(answer, "dw0");
  if (answer.Has("dw1")) result.dw1 = uint32_of(answer, "dw1");
  if (answer.Has("close")) result.close = bool_of(answer, "close");
  const Napi::Value data = answer.Get("data");
  if (data.IsTypedArray()) {
    const auto bytes = data.As<Napi::Uint8Array>();
    const auto* const begin = reinterpret_cast<const std::byte*>(bytes.Data());
    result.data.assign(begin, begin + bytes.ByteLength());
  }
  if (answer.Has("page")) {
    result.page = engine.page(uint32_of(answer, "page"));
    result.page_offset = uint32_of(answer, "pageOffset");
  }
  if (answer.Has("dataLength")) result.bytes = uint32_of(answer, "dataLength");
  return result;
}

transport::QueueAttach queue_attach(uint64_t token, const Napi::Object& attach, uint32_t dw0) {
  transport::QueueAttach result;
  result.token = token;
  result.dw0 = dw0;
  result.controller = uint32_of(attach, "controller");
  result.qid = static_cast<uint16_t>(uint32_of(attach, "qid"));
  result.entries = uint32_of(attach, "entries");
  result.flow_control_disabled = bool_of(attach, "flowControlDisabled");
  result.table = uint32_of(attach, "table");
  result.asynchronous_events_max = uint32_of(attach, "asynchronousEventsMax");
  result.discovery = bool_of(attach, "discovery");
  result.host = uint32_of(attach, "host");
  result.host_is_first = bool_of(attach, "hostIsFirst");
  result.retry_delay = static_cast<uint8_t>(uint32_of(attach, "retryDelay"));
  return result;
}

Napi::Object bdev_description(Napi::Env env, const BdevFacts& facts) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", facts.name);
  object.Set("kind", facts.kind);
  object.Set("blockSize", facts.block_size);
  object.Set("blockCount", Napi::BigInt::New(env, facts.block_count));
  object.Set("readOnly", facts.read_only);
  object.Set("canUnmap", facts.can_unmap);
  object.Set("unmapZeroes", facts.unmap_zeroes);
  object.Set("canWriteZeroes", facts.can_write_zeroes);
  object.Set("volatileCache", facts.volatile_cache);
  object.Set("optimalWriteBlocks", facts.optimal_write_blocks);
  object.Set("created", facts.created);
  object.Set("firstBlock", Napi::BigInt::New(env, facts.first_block));
  object.Set("warning", facts.warning);
  Napi::Object found = Napi::Object::New(env);
  for (const auto& [key, value] : facts.found) found.Set(key, value);
  object.Set("found", found);
  if (facts.content == nullptr) {
    object.Set("content", env.Null());
  } else {
    object.Set("content", content_facts(env, *facts.content));
  }
  return object;
}

Napi::Value drive_report_object(Napi::Env env, const DriveReport& report) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("resets", static_cast<double>(report.resets));
  object.Set("bounceCopies", static_cast<double>(report.bounce_copies));
  object.Set("health", env.Null());
  if (report.health.has_value()) {
    const DriveHealth& from = *report.health;
    Napi::Object health = Napi::Object::New(env);
    health.Set("criticalWarning", static_cast<uint32_t>(from.critical_warning));
    health.Set("temperatureKelvin", static_cast<uint32_t>(from.composite_temperature));
    health.Set("availableSpare", static_cast<uint32_t>(from.available_spare));
    health.Set("availableSpareThreshold", static_cast<uint32_t>(from.available_spare_threshold));
    health.Set("percentageUsed", static_cast<uint32_t>(from.percentage_used));
    health.Set("dataUnitsRead", static_cast<double>(from.data_units_read));
    health.Set("dataUnitsWritten", static_cast<double>(from.data_units_written));
    health.Set("powerCycles", static_cast<double>(from.power_cycles));
    health.Set("powerOnHours", static_cast<double>(from.power_on_hours));
    health.Set("unsafeShutdowns", static_cast<double>(from.unsafe_shutdowns));
    health.Set("mediaErrors", static_cast<double>(from.media_errors));
    object.Set("health", health);
  }
  return object;
}

Napi::Object bdev_path_object(Napi::Env env, const BdevPath& path) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", path.name);
  object.Set("state", path.state);
  object.Set("access", path.access);
  object.Set("reason", path.reason);
  return object;
}

Napi::Object bdev_health_object(Napi::Env env, const BdevHealth& health, uint64_t oldest_ns) {
  struct Name {
    BdevFault fault;
    const char* word;
  };
  constexpr std::array kNames = {Name{kGone, "gone"}, Name{kLostData, "lost_data"},
                                 Name{kLostFlush, "lost_flush"},
                                 Name{kWriteProtected, "write_protected"}};
  Napi::Object object = Napi::Object::New(env);
  Napi::Array faults = Napi::Array::New(env);
  for (const Name& name : kNames) {
    if ((health.faults() & name.fault) != 0) faults.Set(faults.Length(), name.word);
  }
  object.Set("faults", faults);
  object.Set("failureCount", static_cast<double>(health.failure_count()));
  const BdevFailure last = health.last_failure();
  if (last.errnum == 0) {
    object.Set("lastFailure", env.Null());
  } else {
    const char* const code = strerrorname_np(last.errnum);
    Napi::Object failure = Napi::Object::New(env);
    failure.Set("op", kBdevIoTypeNames[static_cast<size_t>(last.type)]);
    failure.Set("offset", static_cast<double>(last.offset_bytes));
    failure.Set("code", code == nullptr ? "EUNKNOWN" : code);
    failure.Set("message", strerrordesc_np(last.errnum));
    object.Set("lastFailure", failure);
  }
  const uint64_t oldest_ms = oldest_ns / 1'000'000;
  object.Set("oldestMs", static_cast<double>(oldest_ms));
  return object;
}

const char* bdev_status_name(BdevStatus status) {
  switch (status) {
    case BdevStatus::Success: return "well";
    case BdevStatus::Lost: return "cut_short";
    case BdevStatus::Failed: return "changed";
    default: return "failed";
  }
}

Napi::Object event_object(Napi::Env env, const transport::ControlEvent& event) {
  Napi::Object object = Napi::Object::New(env);
  switch (event.type) {
    case transport::ControlEventType::Command:
      object.Set("type", "command");
      object.Set("token", Napi::BigInt::New(env, event.token));
      object.Set("connection", static_cast<double>(event.connection));
      object.Set("controller", event.controller);
      object.Set("qid", static_cast<uint32_t>(event.qid));
      object.Set("sqe", Napi::Buffer<char>::Copy(env, reinterpret_cast<const char*>(&event.sqe),
                                                 sizeof(event.sqe)));
      if (event.data.empty()) {
        object.Set("data", env.Null());
      } else {
        object.Set("data",
                   Napi::Buffer<char>::Copy(env, reinterpret_cast<const char*>(event.data.data()),
                                            event.data.size()));
      }
      object.Set("dataLengthMax", event.data_bytes_max);
      break;
    case transport::ControlEventType::ConnectionOpened:
      object.Set("type", "connection_opened");
      object.Set("connection", static_cast<double>(event.connection));
      object.Set("listener", event.listener);
      object.Set("reactor", event.reactor);
      object.Set("local", endpoint_object(env, event.local));
      object.Set("peer", endpoint_object(env, event.peer));
      break;
    case transport::ControlEventType::ConnectionClosed:
      object.Set("type", "connection_closed");
      object.Set("connection", static_cast<double>(event.connection));
      object.Set("reason", event.reason);
      break;
    case transport::ControlEventType::CommandFailed:
      object.Set("type", "command_failed");
      object.Set("controller", event.controller);
      object.Set("qid", static_cast<uint32_t>(event.qid));
      object.Set("sqe", Napi::Buffer<char>::Copy(env, reinterpret_cast<const char*>(&event.sqe),
                                                 sizeof(event.sqe)));
      object.Set("status", static_cast<uint32_t>(event.status) >> 1);
      break;
    case transport::ControlEventType::ConnectionsRefused:
      object.Set("type", "connections_refused");
      object.Set("count", event.refused);
      object.Set("listener", event.listener);
      object.Set("peer", endpoint_object(env, event.peer));
      break;
    case transport::ControlEventType::KeepAliveExpired:
      object.Set("type", "keep_alive_expired");
      object.Set("controller", event.controller);
      break;
    case transport::ControlEventType::PeerLimited:
      object.Set("type", "peer_limited");
      object.Set("connection", static_cast<double>(event.connection));
      object.Set("resource", event.reason);
      break;
  }
  return object;
}

Napi::Object engine_facts(Napi::Env env, control::Engine& engine) {
  Napi::Object facts = Napi::Object::New(env);
  facts.Set("features", names_array(env, engine.env().features()));
  facts.Set("transferBytesMax", kTransferBytesMax);
  facts.Set("queueEntriesMax", control::kQueueEntriesMax);
  facts.Set("connectionsMax", engine.connections_max());
  facts.Set("openFilesMax", static_cast<double>(engine.open_files_max()));
  facts.Set("answerBytesMax", transport::kControlAnswerBytesMax);
  facts.Set("inCapsuleBytes", transport::GroupOptions{}.in_capsule_bytes);
  facts.Set("statNames", stat_names(env));
  return facts;
}

Napi::BigUint64Array stat_words(Napi::Env env, const void* block, size_t words) {
  Napi::BigUint64Array array = Napi::BigUint64Array::New(env, words);
  const auto* const from = static_cast<const uint64_t*>(block);
  // Relaxed, word by word: each word is whole, and nothing is concluded from two of them together.
  for (size_t index = 0; index < words; index++) {
    array[index] = __atomic_load_n(from + index, __ATOMIC_RELAXED);
  }
  return array;
}

}  // namespace capsuled::binding
