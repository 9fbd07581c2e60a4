// The one place that says which NVMe status a host sees for what a block device answered.
#pragma once

#include "bdev/bdev_io.h"
#include "wire/status.h"

namespace capsuled::nvmf {

/// NVMe status of a bdev's. Media errors are told apart by direction (NVM Command Set 1.0, 3.1).
constexpr wire::Status nvme_status(BdevStatus status, BdevIoType type) {
  switch (status) {
    case BdevStatus::Success: return wire::GenericStatus::kSuccess;
    case BdevStatus::Failed: return wire::GenericStatus::kInternalError;
    case BdevStatus::MediaError:
      if (type == BdevIoType::Read || type == BdevIoType::Compare) {
        return wire::MediaStatus::kUnrecoveredReadError;
      }
      return wire::MediaStatus::kWriteFault;
    // Retrying does not make room; the host should hear of it at once.
    case BdevStatus::NoSpace:
      return wire::Status(wire::GenericStatus::kCapacityExceeded).do_not_retry();
    case BdevStatus::Miscompare:
      return wire::Status(wire::MediaStatus::kCompareFailure).do_not_retry();
    case BdevStatus::Aborted: return wire::GenericStatus::kAbortRequested;
    case BdevStatus::OutOfRange:
      return wire::Status(wire::GenericStatus::kLbaOutOfRange).do_not_retry();
    case BdevStatus::Unsupported:
      return wire::Status(wire::GenericStatus::kInvalidOpcode).do_not_retry();
    case BdevStatus::ReadOnly:
      return wire::Status(wire::GenericStatus::kNamespaceWriteProtected).do_not_retry();
    // The namespace is on its way out of the table; a retry finds it gone.
    case BdevStatus::Gone: return wire::GenericStatus::kNamespaceNotReady;
    // Stays so until an operator says otherwise: no retry finds it healed.
    case BdevStatus::Lost: return nvme_status(BdevStatus::MediaError, type).do_not_retry();
  }
  UNREACHABLE();
}

}  // namespace capsuled::nvmf
