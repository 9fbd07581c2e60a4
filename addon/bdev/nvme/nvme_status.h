// How a command of a namespace that a bdev is made of has ended, as the block layer says it.
#pragma once

#include "bdev/bdev_io.h"
#include "wire/status.h"

namespace capsuled {

inline bool nvme_is_of_path(wire::Status status) {
  return status.type() == wire::StatusCodeType::kPathRelated;
}

/// The queue ended before the controller could answer: whether the command was carried out is not
/// known.
inline bool nvme_is_lost(wire::Status status) {
  return nvme_is_of_path(status) &&
         status.code() == static_cast<uint8_t>(wire::PathStatus::kHostPathingError);
}

/// The controller has not carried it out, because of its access to the namespace (ANA).
bool nvme_is_denied(wire::Status status);

/// The controller has not done it, or not all of it, and may do it when it is asked again: it is
/// busy with something else, or was told to stop.
bool nvme_comes_again(wire::Status status);
/// Whether an error says that it was tried, and failed.
bool nvme_was_tried(wire::Status status);

/// Of every other outcome.
BdevStatus nvme_bdev_status(wire::Status status);
/// The machine's word for a failure of the device; 0: it is none, but what was asked.
int nvme_errno(BdevStatus status);

}  // namespace capsuled
