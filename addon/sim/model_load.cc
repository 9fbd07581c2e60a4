#include "sim/model_load.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/assert.h"
#include "sim/sim_target.h"

namespace capsuled::sim {
namespace {

constexpr uint8_t kFlush = 0x00;
constexpr uint8_t kWrite = 0x01;
constexpr uint8_t kRead = 0x02;
constexpr uint8_t kCompare = 0x05;
constexpr uint8_t kWriteZeroes = 0x08;
constexpr uint8_t kDatasetManagement = 0x09;
constexpr uint64_t kForceUnitAccess = 1u << 30;
constexpr uint64_t kDeallocate = 1u << 2;
constexpr size_t kInCapsuleBytesMax = 8192;
constexpr size_t kRangeBytes = 16;
constexpr uint16_t kCompareFailure = 0x285;
constexpr uint16_t kAbortRequested = 0x007;
constexpr uint16_t kCommandInterrupted = 0x021;
/// How long a disk that hung may take for what has piled up meanwhile.
constexpr uint64_t kCatchesUpNs = 1'000'000'000;
constexpr uint64_t kBlocksShared = 32;
constexpr uint32_t kAllNamespaces = 0xffff'ffff;
constexpr uint64_t kRangesMax = 16;
constexpr uint64_t kManyBlocksMax = 8;  ///< of each of several ranges
constexpr uint8_t kGetLogPage = 0x02;   ///< on an admin queue
constexpr uint64_t kLogDwordsMax = 16'384;

Bytes make_io(uint8_t opcode, uint32_t nsid, BlockRange range, bool force_unit_access = false) {
  Bytes sqe = make_sqe(opcode, nsid);
  put(sqe, 40, 8, range.first);
  put(sqe, 48, 4, (range.count - 1) | (force_unit_access ? kForceUnitAccess : 0));
  return sqe;
}

std::string text_of(BlockRange range) {
  return std::to_string(range.first) + ".." + std::to_string(range.end() - 1);
}

std::string of(const ModelNamespace* ns) {
  return ns == nullptr ? "" : " of namespace " + std::to_string(ns->nsid);
}

}  // namespace

ModelLoad::ModelLoad(env::sim::SimMachine& machine, Findings& findings,
                     std::vector<ModelNamespace> namespaces, uint64_t& next,
                     const ModelLoadOptions& options)
    : machine_(machine),
      findings_(findings),
      namespaces_(std::move(namespaces)),
      next_(next),
      options_(options) {}

ModelCommand ModelLoad::pick_command() {
  uint64_t left = prng().below(std::accumulate(options_.often.begin(), options_.often.end(), 0u));
  size_t index = 0;
  while (left >= options_.often[index]) left -= options_.often[index++];
  return static_cast<ModelCommand>(index);
}

const ModelNamespace& ModelLoad::pick_namespace() {
  const bool any = prng().chance(1, options_.elsewhere_one_in);
  return namespaces_[any ? prng().below(namespaces_.size()) : 0];
}

/// Half of all are where others write, too, a quarter begins or ends there.
BlockRange ModelLoad::pick_range(const BlockJudge& judge, uint64_t blocks_max) {
  const BlockRange shared{judge.blocks() / 2 - kBlocksShared / 2 - 1, kBlocksShared};
  const BlockRange all{0, judge.blocks()};
  const bool within = prng().chance(1, 2);
  const BlockRange among = within ? shared : all;
  uint64_t count = prng().between(1, std::min(blocks_max, among.count));
  if (prng().chance(1, 2)) count = std::min<uint64_t>(count, 4);
  if (within || prng().chance(1, 2)) {
    return {among.first + prng().below(among.count - count + 1), count};
  }
  const uint64_t edge = shared.first + prng().below(shared.count);
  if (prng().chance(1, 2)) return {edge, std::min(count, all.end() - edge)};
  count = std::min(count, edge + 1);
  return {edge + 1 - count, count};
}

bool ModelLoad::in_capsule(size_t bytes) {
  return bytes <= kInCapsuleBytesMax && prng().chance(2, 3);
}

void ModelLoad::do_something(ModelQueue& wire, Over over) {
  const ModelNamespace& ns = pick_namespace();
  const ModelCommand command = pick_command();
  const bool moves_nothing = command == ModelCommand::WriteZeroes;
  const BlockRange range =
      pick_range(*ns.judge, moves_nothing ? ns.judge->blocks() : options_.blocks_max);
  switch (command) {
    case ModelCommand::Read: return read(wire, ns, range, std::move(over));
    case ModelCommand::Write: return write(wire, ns, range, std::move(over));
    case ModelCommand::Flush:
      return prng().chance(1, 8) ? flush_all(wire, std::move(over))
                                 : flush(wire, ns, std::move(over));
    case ModelCommand::WriteZeroes: return write_zeroes(wire, ns, range, std::move(over));
    case ModelCommand::Deallocate: return deallocate(wire, ns, std::move(over));
    case ModelCommand::Compare: return compare(wire, ns, range, std::move(over));
  }
  UNREACHABLE();
}

bool ModelLoad::read_next(ModelQueue& wire, Over over) {
  if (reading_ns_ == namespaces_.size()) return false;
  const ModelNamespace& ns = namespaces_[reading_ns_];
  const uint64_t left = ns.judge->blocks() - reading_block_;
  const BlockRange range{reading_block_, std::min<uint64_t>(left, options_.blocks_max)};
  reading_block_ += range.count;
  if (reading_block_ == ns.judge->blocks()) {
    ++reading_ns_;
    reading_block_ = 0;
  }
  read(wire, ns, range, std::move(over));
  return true;
}

// ---- One command --------------------------------------------------------------------------------

void ModelLoad::submit(ModelQueue& wire, uint64_t number, Asked asked, Ended ended, Over over) {
  under_way_[number] = {asked.ns, now_ns(), asked.what};
  const uint16_t expected = asked.expected;
  wire.submit(std::move(asked.sqe), std::move(asked.data), asked.in_capsule, asked.reads,
              [this, number, expected, ended = std::move(ended), over = std::move(over)](
                  const Outcome& outcome, const Bytes& data) {
                const auto found = under_way_.find(number);
                const UnderWay command = found->second;
                under_way_.erase(found);
                if (outcome.answered) ++answered_;
                const bool success = outcome.answered && outcome.status == 0;
                const bool may_be = outcome.status == expected ||
                                    (options_.aborts && outcome.status == kAbortRequested) ||
                                    options_.patience_ns == 0 ||
                                    disturbed(command.ns, command.since_ns) ||
                                    (outcome.status == kCommandInterrupted &&
                                     disturbed(command.ns, command.since_ns - kCatchesUpNs));
                if (outcome.answered && !success && !may_be) {
                  findings_.tell(options_.name + ": " + command.what + of(command.ns) +
                                 " ended with status " + std::to_string(outcome.status));
                }
                over(ended(success, !outcome.answered, data));
              });
}

bool ModelLoad::disturbed(const ModelNamespace* ns, uint64_t since_ns) const {
  if (ns != nullptr) return ns->disturbance->since(since_ns);
  return std::ranges::any_of(namespaces_, [since_ns](const ModelNamespace& one) {
    return one.disturbance->since(since_ns);
  });
}

void ModelLoad::check_patience() {
  if (options_.patience_ns == 0) return;
  for (const auto& [number, command] : under_way_) {
    if (now_ns() - command.since_ns <= options_.patience_ns) continue;
    if (disturbed(command.ns, now_ns() - options_.patience_ns)) continue;
    findings_.tell(options_.name + ": " + command.what + of(command.ns) + " is not answered");
  }
}

void ModelLoad::judge_read(const char* what, uint64_t number, uint32_t nsid,
                           const std::string& wrong) {
  if (wrong.empty() || !options_.judged) return;
  findings_.tell(options_.name + ": " + what + " " + std::to_string(number) + " of namespace " +
                 std::to_string(nsid) + ": " + wrong);
}

void ModelLoad::read(ModelQueue& wire, const ModelNamespace& ns, BlockRange range, Over over) {
  const uint64_t number = next_++;
  BlockJudge& judge = *ns.judge;
  findings_.trace(options_.name, [&] {
    return "read " + std::to_string(number) + ": namespace " + std::to_string(ns.nsid) + ", " +
           text_of(range);
  });
  judge.read_begins(number, now_ns());
  submit(
      wire, number,
      {.ns = &ns,
       .what = "a read",
       .sqe = make_io(kRead, ns.nsid, range),
       .reads = range.count * judge.block_bytes()},
      [this, &ns, &judge, number, range](bool success, bool, const Bytes& data) -> Orphan {
        if (!success) {
          judge.read_failed(number);
          return nullptr;
        }
        judge_read("read", number, ns.nsid, judge.read_succeeded(number, range, data, now_ns()));
        last_read_[ns.nsid] = {range, data};
        return nullptr;
      },
      std::move(over));
}

/// What the end of a command that writes tells.
ModelLoad::Orphan ModelLoad::wrote(BlockJudge& judge, WriteId id, bool durable, bool success,
                                   bool lost) {
  if (success) {
    const std::string wrong = judge.write_succeeded(id, durable, now_ns());
    if (!wrong.empty()) {
      findings_.tell(options_.name + ": write " + std::to_string(id) + ": " + wrong);
    }
    return nullptr;
  }
  auto unknown = [this, &judge, id] { judge.write_unknown(id, now_ns()); };
  if (lost) return unknown;
  unknown();
  return nullptr;
}

void ModelLoad::write(ModelQueue& wire, const ModelNamespace& ns, BlockRange range, Over over) {
  BlockJudge& judge = *ns.judge;
  const WriteId id = next_++;
  Bytes data(range.count * judge.block_bytes());
  for (uint64_t index = 0; index < range.count; ++index) {
    fill_block(std::span(data).subspan(index * judge.block_bytes(), judge.block_bytes()),
               range.first + index, id);
  }
  const bool durable = prng().chance(1, 8);
  const bool with_capsule = in_capsule(data.size());
  findings_.trace(options_.name, [&] {
    return "write " + std::to_string(id) + ": namespace " + std::to_string(ns.nsid) + ", " +
           text_of(range) + (durable ? ", durable" : "") + (with_capsule ? ", in capsule" : "");
  });
  judge.write_begins(id, range, false, now_ns());
  submit(
      wire, id,
      {.ns = &ns,
       .what = "a write",
       .sqe = make_io(kWrite, ns.nsid, range, durable),
       .data = std::move(data),
       .in_capsule = with_capsule},
      [this, &judge, id, durable](bool success, bool lost, const Bytes&) {
        if (success && durable) ++made_durable_.writes;
        return wrote(judge, id, durable, success, lost);
      },
      std::move(over));
}

void ModelLoad::write_zeroes(ModelQueue& wire, const ModelNamespace& ns, BlockRange range,
                             Over over) {
  BlockJudge& judge = *ns.judge;
  const WriteId id = next_++;
  const bool durable = prng().chance(1, 4);
  findings_.trace(options_.name, [&] {
    return "write zeroes " + std::to_string(id) + ": namespace " + std::to_string(ns.nsid) + ", " +
           text_of(range) + (durable ? ", durable" : "");
  });
  judge.write_begins(id, range, true, now_ns());
  submit(
      wire, id,
      {.ns = &ns, .what = "a Write Zeroes", .sqe = make_io(kWriteZeroes, ns.nsid, range, durable)},
      [this, &judge, id, durable](bool success, bool lost, const Bytes&) {
        if (success && durable) ++made_durable_.zeroes;
        return wrote(judge, id, durable, success, lost);
      },
      std::move(over));
}

/// Hints, one for each range: its blocks may be zeros afterwards, or what they were.
void ModelLoad::deallocate(ModelQueue& wire, const ModelNamespace& ns, Over over) {
  BlockJudge& judge = *ns.judge;
  const uint64_t count = prng().chance(1, 2) ? 1 : prng().between(2, kRangesMax);
  const WriteId first = next_;
  next_ += count;
  Bytes sqe = make_sqe(kDatasetManagement, ns.nsid);
  put(sqe, 40, 1, count - 1);
  put(sqe, 44, 4, kDeallocate);
  Bytes data(count * kRangeBytes);
  for (uint64_t index = 0; index < count; ++index) {
    const BlockRange range = pick_range(judge, count == 1 ? judge.blocks() : kManyBlocksMax);
    put(data, index * kRangeBytes + 4, 4, range.count);
    put(data, index * kRangeBytes + 8, 8, range.first);
    judge.write_begins(first + index, range, true, now_ns());
    findings_.trace(options_.name, [&] {
      return "deallocate " + std::to_string(first + index) + ": namespace " +
             std::to_string(ns.nsid) + ", " + text_of(range);
    });
  }
  const bool with_capsule = in_capsule(data.size());
  submit(
      wire, first,
      {.ns = &ns,
       .what = "a Deallocate",
       .sqe = std::move(sqe),
       .data = std::move(data),
       .in_capsule = with_capsule},
      [this, &judge, first, count](bool, bool lost, const Bytes&) -> Orphan {
        auto unknown = [this, &judge, first, count] {
          for (WriteId id = first; id < first + count; ++id) judge.write_unknown(id, now_ns());
        };
        if (lost) return unknown;
        unknown();
        return nullptr;
      },
      std::move(over));
}

/// With what was read there, or with what surely is not there.
void ModelLoad::compare(ModelQueue& wire, const ModelNamespace& ns, BlockRange range, Over over) {
  BlockJudge& judge = *ns.judge;
  const uint64_t number = next_++;
  Bytes data(range.count * judge.block_bytes(), std::byte{0xa5});
  if (const auto found = last_read_.find(ns.nsid); found != last_read_.end()) {
    range = found->second.first;
    data = found->second.second;
  }
  findings_.trace(options_.name, [&] {
    return "compare " + std::to_string(number) + ": namespace " + std::to_string(ns.nsid) + ", " +
           text_of(range);
  });
  judge.read_begins(number, now_ns());
  const bool with_capsule = in_capsule(data.size());
  Bytes sent = data;
  submit(
      wire, number,
      {.ns = &ns,
       .what = "a Compare",
       .sqe = make_io(kCompare, ns.nsid, range),
       .data = std::move(sent),
       .in_capsule = with_capsule,
       .expected = kCompareFailure},
      [this, &ns, &judge, number, range, data = std::move(data)](bool success, bool,
                                                                 const Bytes&) -> Orphan {
        if (!success) {
          judge.read_failed(number);
          return nullptr;
        }
        judge_read("equal compare", number, ns.nsid,
                   judge.read_succeeded(number, range, data, now_ns()));
        return nullptr;
      },
      std::move(over));
}

void ModelLoad::flush(ModelQueue& wire, const ModelNamespace& ns, Over over) {
  BlockJudge& judge = *ns.judge;
  const uint64_t number = next_++;
  findings_.trace(options_.name, [&] {
    return "flush " + std::to_string(number) + ": namespace " + std::to_string(ns.nsid);
  });
  judge.flush_begins(number, now_ns());
  submit(
      wire, number, {.ns = &ns, .what = "a Flush", .sqe = make_sqe(kFlush, ns.nsid)},
      [this, &judge, number](bool success, bool, const Bytes&) -> Orphan {
        if (success) {
          ++made_durable_.flushes;
          judge.flush_succeeded(number);
        } else {
          judge.flush_failed(number);
        }
        return nullptr;
      },
      std::move(over));
}

void ModelLoad::flush_all(ModelQueue& wire, Over over) {
  const uint64_t number = next_++;
  findings_.trace(options_.name, [&] { return "flush " + std::to_string(number) + ": all"; });
  for (const ModelNamespace& ns : namespaces_) ns.judge->flush_begins(number, now_ns());
  submit(
      wire, number, {.what = "a Flush of all namespaces", .sqe = make_sqe(kFlush, kAllNamespaces)},
      [this, number, since_ns = now_ns()](bool success, bool, const Bytes&) -> Orphan {
        if (success) ++made_durable_.flushes;
        for (const ModelNamespace& ns : namespaces_) {
          // One that was withdrawn is none of them.
          if (success && !ns.disturbance->since(since_ns)) {
            ns.judge->flush_succeeded(number);
          } else {
            ns.judge->flush_failed(number);
          }
        }
        return nullptr;
      },
      std::move(over));
}

void ModelLoad::ask(ModelQueue& wire, Over over) {
  const uint64_t number = next_++;
  const uint64_t dwords = prng().between(1, kLogDwordsMax);
  Bytes sqe = make_sqe(kGetLogPage, 0);
  put(sqe, 42, 2, (dwords - 1) & 0xffff);
  findings_.trace(options_.name, [&] {
    return "get log page " + std::to_string(number) + ": " + std::to_string(4 * dwords) + " bytes";
  });
  submit(
      wire, number, {.what = "a Get Log Page", .sqe = std::move(sqe), .reads = 4 * dwords},
      [this, number](bool success, bool, const Bytes& data) -> Orphan {
        if (!success || !options_.judged) return nullptr;
        for (size_t index = 0; index < data.size(); ++index) {
          if (data[index] == (index < kAnswerBytes ? kAnswerByte : std::byte{0})) continue;
          findings_.tell(options_.name + ": log page " + std::to_string(number) +
                         " is wrong at byte " + std::to_string(index));
          break;
        }
        return nullptr;
      },
      std::move(over));
}

}  // namespace capsuled::sim
