// Acceptor: one listening socket, on the reactor that accepts for it (multishot accept).
// Thread: the reactor's own. `accepted` runs from the loop with a descriptor that its receiver
// owns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "reactor/reactor.h"

namespace capsuled::transport {

class Acceptor {
 public:
  Acceptor(Reactor& reactor, int listen_fd, uint32_t listener,
           std::function<void(int fd, uint32_t listener)> accepted);
  ~Acceptor();
  void start();
  /// Stops accepting, closes the socket, then runs `stopped`.
  void stop(std::function<void()> stopped);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace capsuled::transport
