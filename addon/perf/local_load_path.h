// LocalLoadPath: a way to what is on this machine already, so that nothing is waited for: it is
// live, and closed, in the next turn of the loop. It is opened once.
//
//   Closed ──open()──▶ Opening ──▶ Live ──close()──▶ Closing ──▶ Closed
//                         │         │                              ▲
//                         └─────────┴───────────lost()─────────────┘
//
//   Closed   nothing is used                      open()
//   Opening  it is used from here on              the loop, or close(), or lost()
//   Live     takes requests                       close(), or lost()
//   Closing  takes none, and nothing is left      the loop
//
// Owner: a LoadTarget. Thread: its reactor's, but for the constructor and the destructor.
#pragma once

#include <string>

#include "perf/load_path.h"
#include "reactor/reactor.h"

namespace capsuled::perf {

class LocalLoadPath : public LoadPath {
 public:
  void open(LoadPathOwner& owner) final;
  void close() final;
  bool live() const override { return state_ == State::Live; }

 protected:
  explicit LocalLoadPath(Reactor& reactor);
  ~LocalLoadPath() override;

  Reactor& reactor() { return reactor_; }
  /// From the loop: what it leads to has ended, and so has all that was outstanding. `reason` is
  /// for people, not empty. If it is not opened yet, open() is told.
  void lost(const std::string& reason);

 private:
  enum class State : uint8_t { Closed, Opening, Live, Closing };
  struct Turn : Timer {
    LocalLoadPath* path = nullptr;
  };

  /// It is used from here on.
  virtual void attach() = 0;
  /// It is not any more; nothing is outstanding.
  virtual void detach() = 0;

  void set_state(State state);
  void on_turn();
  void end(const std::string& reason);

  Reactor& reactor_;
  LoadPathOwner* owner_ = nullptr;
  State state_ = State::Closed;
  std::string lost_;  // why; empty: it is not
  Turn turn_;
};

}  // namespace capsuled::perf
