// That two reactors share no cache line that one of them writes while both serve I/O, so that a
// second one takes nothing from the first.
//
//   sharing_bench      status 1 and each such line if there are some, with who uses it from where:
//                      llvm-symbolizer-19 --obj=build/Sharing/sharing_bench ADDRESS
//
// A whole engine of two reactors, with one host on each, both on the same namespaces, of a null
// bdev and of a RAM disk: reads, writes with data in the capsule and by R2T. Each has blocks of its
// own, and of the RAM disk such that no two of its locks are the same; it reads other ones than it
// writes. Built with BUILDTYPE=Sharing, see access_recorder.h.
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <thread>

#include "bdev/malloc/block_locks.h"
#include "control/testing/access_recorder.h"
#include "control/testing/test_engine.h"

extern "C" const char __executable_start;

namespace capsuled::control {
namespace {

using transport::testing::Octets;
using transport::testing::pattern;
using transport::testing::Pdu;
using transport::testing::set_capsule_sgl;
using transport::testing::TestHost;

constexpr uint32_t kReactors = 2;
constexpr uint32_t kBlockBytes = 512;
constexpr uint64_t kBdevBytes = 16 << 20;
/// From the blocks of one host to those of the other: half as far as the locks go.
constexpr uint64_t kApartBytes = BlockLocks::kLockCount / 2 * 4096;
constexpr uint32_t kWarmUpRounds = 200;
constexpr uint32_t kRounds = 1000;

/// Commands of every kind for a namespace, in blocks of this host's own; all at once, then all
/// answers.
void round(TestHost& host, uint32_t nsid, uint64_t first_lba) {
  uint16_t cid = 0;
  const auto make_io = [nsid](wire::IoOpcode opcode, uint16_t id, uint64_t lba, uint32_t bytes) {
    auto sqe = transport::testing::make_io(opcode, id, lba, bytes);
    sqe.nsid.set(nsid);
    return sqe;
  };
  for (uint64_t index = 0; index < 8; ++index) {
    host.capsule(make_io(wire::IoOpcode::kRead, cid++, first_lba + index * 8, 4096));
    auto write = make_io(wire::IoOpcode::kWrite, cid++, first_lba + 64 + index * 8, 4096);
    set_capsule_sgl(write, 4096);
    host.capsule(write, pattern(4096, index));
  }
  host.capsule(make_io(wire::IoOpcode::kWrite, cid++, first_lba + 128, 65536));
  for (uint16_t left = cid; left > 0;) {
    const Pdu pdu = host.receive();
    ASSERT_MSG(!pdu.closed, "the target closed the connection");
    if (pdu.type == wire::PduType::kR2t) {
      host.h2c_data(pdu, 0, pattern(65536, 9), true);
      continue;
    }
    ASSERT(pdu.type == wire::PduType::kC2hData || pdu.status() == 0);
    --left;
  }
}

const void* offset_of(const void* code) {
  return reinterpret_cast<const void*>(static_cast<const char*>(code) - &__executable_start);
}

/// Prints the lines that one reactor wrote and the other one used; returns how many.
size_t report() {
  size_t shared = 0;
  for (uint32_t writer = 0; writer < kReactors; ++writer) {
    const auto& table = testing::line_tables[writer];
    const uint32_t other = 1 - writer;
    for (size_t slot = 0; slot < testing::LineTable::kSlotCount; ++slot) {
      const testing::UsedLine& line = table.slots[slot];
      if (line.address == 0 || line.written_at == nullptr) continue;
      const testing::UsedLine* const also = testing::find_line(other, line.address);
      if (also == nullptr) continue;
      if (also->written_at != nullptr && writer > other) continue;  // told already
      ++shared;
      std::printf("line %" PRIxPTR ": reactor %u writes it at %p, reactor %u %s it at %p\n",
                  line.address, writer, offset_of(line.written_at), other,
                  also->written_at != nullptr ? "writes" : "reads",
                  offset_of(also->written_at != nullptr ? also->written_at : also->read_at));
    }
  }
  return shared;
}

int run() {
  testing::prepare_recording();
  testing::TestEngine target(kReactors);
  target.add_bdev("null0", "null", kBdevBytes);
  target.add_bdev("ram0", "malloc", kBdevBytes);
  target.publish({{.nsid = 1, .bdev = "null0"}, {.nsid = 2, .bdev = "ram0"}});
  std::vector<int> sockets;
  // One connection for each reactor; connections go where there are fewest.
  for (uint32_t reactor = 0; reactor < kReactors; ++reactor) sockets.push_back(target.dial());
  target.serve_until([&] { return target.reactors.size() == kReactors; });
  ASSERT_MSG(target.reactors[0] != target.reactors[1], "both connections on one reactor");

  std::atomic<uint32_t> warm = 0;
  std::atomic<uint32_t> done = 0;
  std::vector<std::thread> hosts;
  for (uint32_t index = 0; index < kReactors; ++index) {
    hosts.emplace_back([&, index] {
      TestHost host(sockets[index]);
      ASSERT(host.connect(1, 64) == 0);
      const uint64_t first_lba = index * kApartBytes / kBlockBytes;
      const auto rounds = [&](uint32_t count) {
        for (; count > 0; --count) {
          for (const uint32_t nsid : {1u, 2u}) round(host, nsid, first_lba);
        }
      };
      rounds(kWarmUpRounds);
      ++warm;
      while (warm < kReactors) std::this_thread::yield();
      testing::set_recording(true);
      rounds(kRounds);
      testing::set_recording(false);
      ++done;
      target.notify();
      // Leaving is not I/O.
      while (done < kReactors) std::this_thread::yield();
    });
  }
  target.serve_until([&] { return done == kReactors; });
  for (std::thread& host : hosts) host.join();

  const size_t shared = report();
  std::printf(
      "%zu cache lines used by reactor 0, %zu by reactor 1, %zu written by one and used by "
      "both\n",
      testing::line_tables[0].used, testing::line_tables[1].used, shared);
  const bool recorded = testing::line_tables[0].used > 100 && testing::line_tables[1].used > 100;
  if (!recorded) std::printf("too little was recorded\n");
  return recorded && shared == 0 ? 0 : 1;
}

}  // namespace
}  // namespace capsuled::control

int main() { return capsuled::control::run(); }
