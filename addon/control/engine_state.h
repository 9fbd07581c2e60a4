// What Engine keeps per reactor and per listener. Private to addon/control.
#pragma once

#include <atomic>
#include <map>
#include <memory>

#include "control/engine.h"

namespace capsuled::control {

/// One reactor with what lives on it. `tables`, `views` and `acceptors` belong to the reactor's
/// thread once it runs.
struct Engine::Lane {
  std::unique_ptr<Reactor> reactor;
  std::unique_ptr<transport::Group> group;
  std::map<uint32_t, std::unique_ptr<nvmf::NamespaceTable>> tables;
  /// By number: what controllers from which namespaces are withheld have in place of a table.
  struct View {
    uint32_t table = 0;
    std::unique_ptr<nvmf::NamespaceTable> namespaces;
  };
  std::map<uint32_t, View> views;
  std::map<uint32_t, std::unique_ptr<transport::Acceptor>> acceptors;
  /// Connections placed here and not reported closed; written by the accepting reactor and the
  /// control thread.
  std::atomic<uint32_t> placed{0};
};

/// An accepted socket on its way to its reactor.
struct Engine::Arrival {
  Lane* lane;
  int fd;
  uint32_t listener;
  env::Endpoint local;
  env::Endpoint peer;
  transport::Admission& admission;
  transport::Admission::Ticket ticket;
};

/// The control thread's record of a listener. All listeners accept on the first reactor, which
/// places connections.
struct Engine::Listener {
  int waiting_fd = -1;  ///< bound, and nobody is accepted yet; -1: the acceptor has the socket
};

}  // namespace capsuled::control
