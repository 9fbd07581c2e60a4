#include "bdev/bdev_status.h"

#include <cerrno>

#include "base/assert.h"

namespace capsuled {

bool changes_blocks(BdevIoType type) {
  return type == BdevIoType::Write || type == BdevIoType::Unmap || type == BdevIoType::WriteZeroes;
}

const char* bdev_status_text(BdevStatus status) {
  switch (status) {
    case BdevStatus::Success: return "success";
    case BdevStatus::Failed: return "an internal failure";
    case BdevStatus::MediaError: return "a media error";
    case BdevStatus::NoSpace: return "no space";
    case BdevStatus::Miscompare: return "a difference";
    case BdevStatus::Aborted: return "an abort";
    case BdevStatus::OutOfRange: return "blocks behind the end";
    case BdevStatus::Unsupported: return "an operation that the device cannot do";
    case BdevStatus::ReadOnly: return "a device that is read-only";
    case BdevStatus::Gone: return "a device that is gone";
    case BdevStatus::Lost: return "a device that has lost data";
  }
  UNREACHABLE();
}

BdevStatus bdev_status_from_errno(int errnum, BdevIoType type) {
  switch (errnum) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:  // beyond a resource limit on file size: the operator's to lift, like a full disk
      return BdevStatus::NoSpace;
    case EIO:
    case ENODATA:    // the block layer's word for an unreadable sector
    case EILSEQ:     // … for failed protection information
    case EREMOTEIO:  // … for a target failure
    case ETIMEDOUT:
    case EUCLEAN:  // the file system found itself corrupt
    case EBADMSG:  // … by a checksum
      return BdevStatus::MediaError;
    case ECANCELED:
    case EINTR: return BdevStatus::Aborted;
    case EOPNOTSUPP:
    case ENOSYS: return BdevStatus::Unsupported;
    case EROFS: return BdevStatus::ReadOnly;
    // The file is open for writing; so it became immutable, sealed, or its device was set
    // read-only.
    case EPERM:
    case EACCES: return changes_blocks(type) ? BdevStatus::ReadOnly : BdevStatus::Failed;
    case ENODEV:
    case ENXIO:
    case ENOLINK:   // the block layer's word for a disk that no path leads to
    case ENOTCONN:  // a FUSE server has ended
    case ESTALE: return BdevStatus::Gone;
    default: return BdevStatus::Failed;
  }
}

}  // namespace capsuled
