// LoadPath: one worker's way to what is put under load: queues that take its requests, and what the
// worker has to know of the blocks behind them. It knows nothing else of its target.
//
// Owner: a LoadTarget. Thread: the worker's reactor's, but for the constructor and the destructor.
#pragma once

#include <cstdint>
#include <string>

#include "nvme/controller.h"
#include "nvme/qpair.h"

namespace capsuled::perf {

/// Called from the reactor's loop, and not from inside open() or close().
class LoadPathOwner {
 public:
  /// Requests may be submitted.
  virtual void path_live() = 0;
  /// The end of what was opened: nothing is outstanding any more. `reason`: a sentence for people,
  /// empty if close() asked for it.
  virtual void path_closed(const std::string& reason) = 0;

 protected:
  ~LoadPathOwner() = default;
};

class LoadPath {
 public:
  virtual ~LoadPath() = default;
  /// path_live() follows, or path_closed(). One that goes over a network may be opened again, also
  /// from inside path_closed().
  virtual void open(LoadPathOwner& owner) = 0;
  /// path_closed() follows. Requests may be outstanding only on one that goes over a network: they
  /// complete with an error before that.
  virtual void close() = 0;
  /// What is kept by intent, and not by a device, ends soon: nobody measures it any more.
  virtual void let_go() {}
  /// Whether it takes requests now.
  virtual bool live() const = 0;

  // When it has been live.

  virtual const nvme::NamespaceFacts& facts() const = 0;
  virtual uint32_t nsid() const { return 1; }
  /// As many as the target granted.
  virtual uint32_t qpair_count() const = 0;
  /// As long as the path is live.
  virtual nvme::Qpair& qpair(uint32_t index) = 0;
};

}  // namespace capsuled::perf
