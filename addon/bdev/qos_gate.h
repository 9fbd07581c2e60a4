// QosGate: where the operations of one bdev on one reactor wait until its limits allow them.
//
// Operations that the same limits hold for are a class: at most reads, writes and the rest. A class
// has a line for each flow, which is who they are from; flows whose numbers are the same modulo
// kFlowLines share one. An operation goes through at once if each of its limits has tokens for it
// and nobody waits for one of these. Else it stands in its line. Whose turn it is follows from what
// was done for whom: each line has a clock, which goes on by what its operations cost, in time of
// the limit that they take most of, and the line goes first whose clock is behind. So flows get the
// same, whatever the size of their operations and however many they have. Classes take turns in the
// same way, by what they take of limits that others need, too. A line or a class that comes anew
// begins where the others are.
//
// The first operation that lacks tokens has all others wait that need the same limit, so a large
// one is not passed by small ones for ever. What is lacking is taken from the bucket at once, which
// says from when on it counts; one timer serves the lines then. The more lines wait here, up to
// kQosSliceLinesMax, the longer is the slice of time that is taken, so reactors get about as much
// as they have flows; where one operation takes longer than that, each reactor gets the same.
//
// Owner: a CoreChannel; it may serve anybody who keeps operations before they are begun. Thread:
// the reactor's. Invariant: while operations of a class wait, `lacking_` has one of its limits. No
// memory is taken for an operation; the lines of a class are made when its first one has to wait.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/intrusive_list.h"
#include "bdev/bdev_io.h"
#include "bdev/qos_limits.h"
#include "bdev/qos_share.h"
#include "reactor/timer.h"

namespace capsuled {

class Reactor;

class QosGate {
 public:
  static constexpr uint32_t kFlowLines = 64;
  /// What is in hand is given back by who has not used the gate for so long.
  static constexpr uint64_t kKeepNs = 10'000'000;
  /// An operation that waited goes through, which runs from the loop or from set(). It may not use
  /// the gate.
  using Through = void (*)(BdevIo& io);

  /// `delayed` counts the operations that had to wait; a word of statistics.
  QosGate(Reactor& reactor, uint32_t block_size, Through through, uint64_t& delayed);
  /// Nothing waits.
  ~QosGate();
  QosGate(const QosGate&) = delete;
  QosGate& operator=(const QosGate&) = delete;

  /// Other limits, or, null, none. What waits is looked at anew, and goes through if it may.
  void set(std::shared_ptr<QosBudget> budget);
  /// Whether an operation of this type may have to wait.
  bool limits(BdevIoType type) const { return class_of(type).needs != 0; }
  bool limits() const { return budget_ != nullptr; }
  /// True: `io` goes through. False: it waits.
  [[nodiscard]] bool admit(BdevIo& io);
  /// `io` waits, and will not be begun.
  void cancel(BdevIo& io);
  /// When what has waited longest was submitted; UINT64_MAX: nothing waits.
  uint64_t oldest_ns() const;

 private:
  using List = IntrusiveList<BdevIo, &BdevIo::line_node>;
  struct Line {
    List ios;
    uint64_t clock_ns = 0;  ///< when its first operation begins, in the time of its class
    ListNode node;
  };
  struct Class {
    uint32_t needs = 0;      ///< limits, as bits
    uint64_t clock_ns = 0;   ///< when its first operation begins, in the time of all classes
    uint64_t passed_ns = 0;  ///< the clock of the line that was served last
    IntrusiveList<Line, &Line::node> waiting;
    std::unique_ptr<std::array<Line, kFlowLines>> lines;
  };
  struct DueTimer : Timer {
    QosGate* gate = nullptr;
  };

  Class& class_of(BdevIoType type) { return classes_[class_of_type_[static_cast<size_t>(type)]]; }
  const Class& class_of(BdevIoType type) const {
    return classes_[class_of_type_[static_cast<size_t>(type)]];
  }
  void make_classes();
  uint64_t tokens_of(const BdevIo& io, size_t limit) const;
  /// In time of that of these limits that it takes most of.
  uint64_t cost_ns(uint32_t limits, const BdevIo& io) const;
  /// Takes what `io` needs, if all of it is there. `now_ns`: of the environment; 0: not looked at.
  bool take(const Class& of, const BdevIo& io, uint64_t& now_ns);
  void give_back();
  /// `io` begins to wait, or waits no more.
  void stand(Class& of, BdevIo& io);
  void leave(Class& of, Line& line, BdevIo& io);
  /// Whose turn it is among those whose limits all may have tokens; null: none.
  Class* next_class();
  static Line& next_line(const Class& of);
  void charge(Class& of, Line& line, const BdevIo& io);
  void serve();
  void set_timer(uint64_t now_ns);

  Reactor& reactor_;
  const uint32_t block_size_;
  const Through through_;
  uint64_t& delayed_;
  std::shared_ptr<QosBudget> budget_;  ///< before its shares, which give back what they have
  std::array<QosShare, kQosLimitCount> shares_;     ///< by QosLimit; those of limits that are set
  std::array<uint64_t, kQosLimitCount> waiting_{};  ///< tokens that those need that wait
  std::array<uint8_t, kBdevIoTypeCount> class_of_type_{};
  std::array<Class, 3> classes_;
  uint32_t shared_ = 0;      ///< limits that several classes need, as bits
  uint32_t lacking_ = 0;     ///< limits that somebody waits for, as bits
  uint32_t line_count_ = 0;  ///< that wait
  uint64_t passed_ns_ = 0;   ///< the clock of the class that was served last
  uint64_t used_ns_ = 0;     ///< the reactor's time
  DueTimer timer_;
};

}  // namespace capsuled
