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
  /// Takes a request. False: the queue is full, or it is not live; the caller keeps the request.
  /// When a queue ends, what it still holds completes with Host Pathing Error.
  [[nodiscard]] virtual bool submit(Request& request) = 0;
};

}  // namespace capsuled::nvme
