#include "wire/status.h"

namespace capsuled::wire {
namespace {

const char* or_unknown(const char* name) { return name == nullptr ? "Unknown Status" : name; }

const char* common_name(Status status) {
  switch (status.type()) {
    case StatusCodeType::kGeneric: return find_name(kGenericStatusConstants, status.code());
    case StatusCodeType::kCommandSpecific:
      return find_name(kCommandSpecificStatusConstants, status.code());
    case StatusCodeType::kMediaAndDataIntegrity:
      return find_name(kMediaStatusConstants, status.code());
    case StatusCodeType::kPathRelated: return find_name(kPathStatusConstants, status.code());
    case StatusCodeType::kVendorSpecific: return "Vendor Specific";
  }
  return nullptr;
}

const char* name_with(Status status, std::span<const Constant> command_specific) {
  if (status.type() == StatusCodeType::kCommandSpecific) {
    const char* const name = find_name(command_specific, status.code());
    if (name != nullptr) return name;
  }
  return or_unknown(common_name(status));
}

}  // namespace

const char* status_name(Status status) { return name_with(status, kNvmCommandStatusConstants); }

const char* fabrics_status_name(Status status) {
  return name_with(status, kFabricsStatusConstants);
}

}  // namespace capsuled::wire
