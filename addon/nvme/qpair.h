// Qpair: a submission and a completion queue of a controller, whatever carries them.
//
// Each belongs to one reactor and is used on that reactor's thread only, so nothing here locks.
// What a host needs of a queue is the same over PCIe and over TCP; what differs (doorbells, PDUs)
// is behind this interface.
#pragma once

#include "nvme/request.h"

namespace capsuled::nvme {

class Qpair {
 public:
  virtual ~Qpair() = default;
  /// Takes a request. False: the queue is full, or it is not live, or it does not reach() the
  /// request's memory; the caller keeps the request. When a queue ends, what it still holds
  /// completes with Host Pathing Error.
  [[nodiscard]] virtual bool submit(Request& request) = 0;
  /// Requests that were taken and have not completed.
  virtual uint32_t outstanding() const { return 0; }
  /// When it has ended: the controller knows, because it has ended the association itself. Else it
  /// may learn of that much later, over fabrics.
  virtual bool ended_by_controller() const { return false; }
  /// Whether the controller can be shown the memory of the request, as it lies. Else its data must
  /// be moved to other memory.
  virtual bool reaches(const Request& request) {
    (void)request;
    return true;
  }
};

}  // namespace capsuled::nvme
