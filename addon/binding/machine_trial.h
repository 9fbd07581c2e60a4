// Whether an engine can run on this machine, and what it would need, without starting one.
//
// Thread: JavaScript's.
#pragma once

#include <napi.h>

namespace capsuled::binding {

/// `tryMachine(options)`, with the options of an engine: makes a ring and ends it. Answers
/// MachineNeeds of src/engine/machine.ts; throws why there can be no engine.
Napi::Value try_machine(const Napi::CallbackInfo& info);

}  // namespace capsuled::binding
