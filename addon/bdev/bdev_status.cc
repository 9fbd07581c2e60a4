#include "bdev/bdev_status.h"

#include <cerrno>

namespace capsuled {

BdevStatus bdev_status_from_errno(int errnum) {
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
      return BdevStatus::MediaError;
    case ECANCELED:
    case EINTR: return BdevStatus::Aborted;
    case EOPNOTSUPP:
    case ENOSYS: return BdevStatus::Unsupported;
    case EROFS: return BdevStatus::ReadOnly;
    case ENODEV:
    case ENXIO:
    case ESTALE: return BdevStatus::Gone;
    default: return BdevStatus::Failed;
  }
}

const char* bdev_status_name(BdevStatus status) {
  switch (status) {
    case BdevStatus::Success: return "success";
    case BdevStatus::Failed: return "failed";
    case BdevStatus::MediaError: return "media_error";
    case BdevStatus::NoSpace: return "no_space";
    case BdevStatus::Miscompare: return "miscompare";
    case BdevStatus::Aborted: return "aborted";
    case BdevStatus::OutOfRange: return "out_of_range";
    case BdevStatus::Unsupported: return "unsupported";
    case BdevStatus::ReadOnly: return "read_only";
    case BdevStatus::Gone: return "gone";
  }
  UNREACHABLE();
}

}  // namespace capsuled
