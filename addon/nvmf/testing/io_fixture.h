// IoFixture: one real reactor with a table of two namespaces (1: a RAM disk of 16384 blocks of 512
// bytes; 2: the same, read-only), a null bdev of that size for more, and one queue pair, for tests
// of the I/O plane. Tests run on the caller's thread and send what must run on the reactor with
// on_reactor(), which returns when it ran.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <future>
#include <memory>
#include <vector>

#include "bdev/bdev_core.h"
#include "bdev/malloc/malloc_bdev.h"
#include "bdev/null/null_bdev.h"
#include "env/env.h"
#include "nvmf/io_command.h"
#include "nvmf/qpair.h"
#include "reactor/reactor.h"
#include "wire/io_command.h"

namespace capsuled::nvmf::testing {

inline constexpr uint64_t kBlocks = 16384;
inline constexpr uint32_t kBlockSize = 512;

/// A request that remembers its answer.
struct TestRequest : Request {
  std::promise<wire::Status> answered;
};

inline constexpr RequestOwner kTestOwner = {
    .answered =
        [](Request& done) {
          static_cast<TestRequest&>(done).answered.set_value(
              wire::Status::unpack(done.cqe.status.get()));
        },
    .given_to_device = [](Request&, uint32_t) {},
};

class IoFixture {
 public:
  IoFixture() : registry_(1) {
    auto env = env::make_linux_env();
    REQUIRE(env.ok());
    env_ = std::move(env).value();
    ReactorOptions options;
    options.memory_bytes = 16 << 20;
    options.mode = PollMode::Adaptive;
    auto reactor = Reactor::create(*env_, options);
    REQUIRE(reactor.ok());
    reactor_ = std::move(reactor).value();
    REQUIRE(reactor_->start().ok());
    auto bdev = make_malloc_bdev(
        *env_, {.name = "ram0", .bytes = kBlocks * kBlockSize, .block_size = kBlockSize});
    REQUIRE(bdev.ok());
    REQUIRE(registry_.add(std::move(bdev).value()).ok());
    auto desc = registry_.open("ram0");
    REQUIRE(desc.ok());
    desc_ = std::move(desc).value();
    auto null =
        make_null_bdev({.name = "void0", .bytes = kBlocks * kBlockSize, .block_size = kBlockSize});
    REQUIRE(null.ok());
    REQUIRE(registry_.add(std::move(null).value()).ok());
    auto null_desc = registry_.open("void0");
    REQUIRE(null_desc.ok());
    null_desc_ = std::move(null_desc).value();
    on_reactor([this] {
      table_ = std::make_unique<NamespaceTable>(*reactor_);
      table_->publish({entry(1, false), entry(2, true)}, [] {});
    });
    qpair.qid = 1;
    qpair.entries = 128;
    qpair.table = table_.get();
    qpair.stats = &queue_stats;
  }

  ~IoFixture() {
    on_reactor([this] { table_.reset(); });
    reactor_->stop();
  }

  void on_reactor(std::function<void()> run) {
    std::promise<void> ran;
    struct Task {
      std::function<void()> run;
      std::promise<void>& ran;
    } task{std::move(run), ran};
    reactor_->send_message_wait({.run =
                                     [](Reactor&, void* argument) {
                                       auto& here = *static_cast<Task*>(argument);
                                       here.run();
                                       here.ran.set_value();
                                     },
                                 .argument = &task});
    ran.get_future().get();
  }

  /// It is namespace 1 from here on, and there is no other.
  void serve(std::unique_ptr<Bdev> bdev) {
    const std::string name = bdev->facts().name;
    REQUIRE(registry_.add(std::move(bdev)).ok());
    auto desc = registry_.open(name);
    REQUIRE(desc.ok());
    other_desc_ = std::move(desc).value();
    on_reactor([this] { table_->publish({entry_of(*other_desc_, 1, false)}, [] {}); });
  }

  std::shared_ptr<NamespaceEntry> entry(uint32_t nsid, bool read_only) {
    return entry_of(*desc_, nsid, read_only);
  }
  std::shared_ptr<NamespaceEntry> null_entry(uint32_t nsid) {
    return entry_of(*null_desc_, nsid, false);
  }
  std::shared_ptr<NamespaceEntry> entry_of(BdevDesc& desc, uint32_t nsid, bool read_only) {
    auto made = std::make_shared<NamespaceEntry>();
    made->nsid = nsid;
    made->read_only = read_only;
    made->bdev = desc.entry();
    made->stats = {nsid == 1 ? &stats : &other_stats};
    return made;
  }

  /// Plans `request`, fills its buffers with `pattern`, executes it and waits for its answer.
  wire::Status run(TestRequest& request, uint8_t pattern = 0) {
    on_reactor([&] { begin(request, pattern); });
    return answer(request);
  }

  /// Reactor's thread.
  void begin(TestRequest& request, uint8_t pattern) {
    request.qpair = &qpair;
    request.owner = &kTestOwner;
    request.executing = AnswerPermit::issue();
    request.started_ns = reactor_->now_ns();
    const uint32_t in_capsule =
        request.sqe.dptr.is_in_capsule() ? request.sqe.dptr.length.get() : 0;
    request.plan = io_plan(request, in_capsule);
    if (!request.plan.status.is_success()) {
      request.answer(request.plan.status);
      return;
    }
    if (request.plan.lent) request.plan.lent = io_lend(request);
    const bool empty = request.data.buffers.bytes == 0;
    if (request.plan.bytes > 0 && !request.plan.lent && empty) {
      REQUIRE(reactor_->buffers().try_get(request.plan.bytes, request.data.buffers));
    }
    if (request.data.buffers.bytes > 0 && (empty || request.plan.at_once)) fill(request, pattern);
    io_execute(request);
    // Nobody may look at them again.
    if (request.plan.at_once) fill(request, static_cast<uint8_t>(~pattern));
  }

  wire::Status answer(TestRequest& request) {
    auto future = request.answered.get_future();
    REQUIRE(future.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
    const wire::Status status = future.get();
    request.answered = {};
    return status;
  }

  /// The first byte of the data, then gives the buffers back, or ends the loan.
  uint8_t take_data(TestRequest& request) {
    uint8_t first = 0;
    on_reactor([&] {
      if (request.io.lent) {
        std::memcpy(&first, request.io.iov[0].iov_base, 1);
        return bdev_give_back(request.io);
      }
      std::memcpy(&first, request.data.buffers.iov[0].iov_base, 1);
      reactor_->buffers().put(request.data.buffers);
    });
    return first;
  }

  static void fill(TestRequest& request, uint8_t pattern) {
    for (uint32_t index = 0; index < request.data.buffers.count; index++) {
      const iovec& segment = request.data.buffers.iov[index];
      std::memset(segment.iov_base, pattern, segment.iov_len);
    }
  }

  NamespaceTable& table() { return *table_; }
  Reactor& reactor() { return *reactor_; }

  Qpair qpair;
  NamespaceStats stats;
  NamespaceStats other_stats;
  QueueStats queue_stats;

 private:
  std::unique_ptr<env::Env> env_;
  std::unique_ptr<Reactor> reactor_;
  BdevRegistry registry_;
  std::unique_ptr<BdevDesc> desc_;
  std::unique_ptr<BdevDesc> null_desc_;
  std::unique_ptr<BdevDesc> other_desc_;
  std::unique_ptr<NamespaceTable> table_;
};

/// A command on a range of blocks, with a transport SGL of the right length.
inline void prepare(TestRequest& request, wire::IoOpcode opcode, uint64_t slba, uint32_t blocks,
                    uint32_t nsid = 1) {
  request.sqe = {};
  request.sqe.opcode = static_cast<uint8_t>(opcode);
  request.sqe.flags =
      wire::CommandFlags::Psdt::set(uint8_t{0}, static_cast<uint8_t>(wire::DataPointerType::kSgl));
  request.sqe.nsid.set(nsid);
  request.sqe.cdw10.set(static_cast<uint32_t>(slba));
  request.sqe.cdw11.set(static_cast<uint32_t>(slba >> 32));
  request.sqe.cdw12.set(blocks - 1);
  request.sqe.dptr.length.set(blocks * kBlockSize);
  request.sqe.dptr.set_identifier(wire::SglType::kTransportDataBlock,
                                  wire::SglSubtype::kTransportSpecific);
}

}  // namespace capsuled::nvmf::testing
