#include "nvmf/bdev_status.h"

#include <doctest/doctest.h>

namespace capsuled::nvmf {
namespace {

using wire::GenericStatus;
using wire::MediaStatus;
using wire::Status;

TEST_CASE("each outcome of a bdev is a status of its own, and may be retried if it may heal") {
  struct Row {
    BdevStatus status;
    BdevIoType type;
    Status expected;
  };
  const Row rows[] = {
      {BdevStatus::Success, BdevIoType::Read, GenericStatus::kSuccess},
      {BdevStatus::Failed, BdevIoType::Write, GenericStatus::kInternalError},
      {BdevStatus::MediaError, BdevIoType::Read, MediaStatus::kUnrecoveredReadError},
      {BdevStatus::MediaError, BdevIoType::Compare, MediaStatus::kUnrecoveredReadError},
      {BdevStatus::MediaError, BdevIoType::Write, MediaStatus::kWriteFault},
      {BdevStatus::MediaError, BdevIoType::Flush, MediaStatus::kWriteFault},
      {BdevStatus::NoSpace, BdevIoType::Write,
       Status(GenericStatus::kCapacityExceeded).do_not_retry()},
      {BdevStatus::ReadOnly, BdevIoType::Unmap,
       Status(GenericStatus::kNamespaceWriteProtected).do_not_retry()},
      {BdevStatus::Gone, BdevIoType::Read, GenericStatus::kNamespaceNotReady},
      {BdevStatus::Lost, BdevIoType::Read,
       Status(MediaStatus::kUnrecoveredReadError).do_not_retry()},
      {BdevStatus::Lost, BdevIoType::Flush, Status(MediaStatus::kWriteFault).do_not_retry()},
      {BdevStatus::Aborted, BdevIoType::Read, GenericStatus::kAbortRequested},
  };
  for (const Row& row : rows) {
    CHECK(nvme_status(row.status, row.type).pack() == row.expected.pack());
  }
}

}  // namespace
}  // namespace capsuled::nvmf
