#include "bdev/nvme/nvme_status.h"

#include <cerrno>

namespace capsuled {
namespace {

BdevStatus generic(wire::GenericStatus code) {
  switch (code) {
    case wire::GenericStatus::kSuccess: return BdevStatus::Success;
    case wire::GenericStatus::kInvalidOpcode: return BdevStatus::Unsupported;
    case wire::GenericStatus::kLbaOutOfRange: return BdevStatus::OutOfRange;
    case wire::GenericStatus::kCapacityExceeded: return BdevStatus::NoSpace;
    case wire::GenericStatus::kNamespaceWriteProtected: return BdevStatus::ReadOnly;
    // It is not there any more, or not now.
    case wire::GenericStatus::kInvalidNamespaceOrFormat:
    case wire::GenericStatus::kNamespaceNotReady: return BdevStatus::Gone;
    default: return BdevStatus::Failed;
  }
}

BdevStatus media(wire::MediaStatus code) {
  return code == wire::MediaStatus::kCompareFailure ? BdevStatus::Miscompare
                                                    : BdevStatus::MediaError;
}

}  // namespace

bool nvme_is_denied(wire::Status status) {
  if (!nvme_is_of_path(status)) return false;
  switch (static_cast<wire::PathStatus>(status.code())) {
    case wire::PathStatus::kAnaPersistentLoss:
    case wire::PathStatus::kAnaInaccessible:
    case wire::PathStatus::kAnaTransition: return true;
    default: return false;
  }
}

bool nvme_comes_again(wire::Status status) {
  return !status.dnr() && !nvme_is_of_path(status) && !nvme_was_tried(status) &&
         !status.is(wire::GenericStatus::kInvalidNamespaceOrFormat);
}

bool nvme_was_tried(wire::Status status) {
  if (nvme_is_of_path(status)) return false;
  if (status.type() != wire::StatusCodeType::kGeneric) return true;
  switch (static_cast<wire::GenericStatus>(status.code())) {
    case wire::GenericStatus::kAbortRequested:
    case wire::GenericStatus::kAbortedSqDeletion:
    case wire::GenericStatus::kCommandInterrupted:
    case wire::GenericStatus::kTransientTransportError:
    case wire::GenericStatus::kNamespaceNotReady:
    case wire::GenericStatus::kInvalidNamespaceOrFormat: return false;
    default: return true;
  }
}

BdevStatus nvme_bdev_status(wire::Status status) {
  switch (status.type()) {
    case wire::StatusCodeType::kGeneric:
      return generic(static_cast<wire::GenericStatus>(status.code()));
    case wire::StatusCodeType::kMediaAndDataIntegrity:
      return media(static_cast<wire::MediaStatus>(status.code()));
    default: return BdevStatus::Failed;
  }
}

int nvme_errno(BdevStatus status) {
  switch (status) {
    case BdevStatus::MediaError:
    case BdevStatus::Failed: return EIO;
    case BdevStatus::NoSpace: return ENOSPC;
    case BdevStatus::ReadOnly: return EROFS;
    case BdevStatus::Gone: return ENODEV;
    default: return 0;
  }
}

}  // namespace capsuled
