#include "nvmf/io_command.h"

#include "bdev/test_bdev.h"
#include "nvmf/testing/io_fixture.h"

namespace capsuled::nvmf {

namespace {

using testing::IoFixture;
using testing::kBlocks;
using testing::kBlockSize;
using testing::prepare;
using testing::TestRequest;
using wire::GenericStatus;
using wire::IoOpcode;
using wire::MediaStatus;
using wire::Status;

Status dnr(Status status) { return status.do_not_retry(); }

/// Puts one Dataset Management range into the request's buffer.
void set_range(TestRequest& request, uint32_t index, uint64_t slba, uint32_t blocks) {
  wire::DsmRange range{};
  range.slba.set(slba);
  range.nlb.set(blocks);
  std::memcpy(static_cast<std::byte*>(request.data.buffers.iov[0].iov_base) + index * sizeof(range),
              &range, sizeof(range));
}

void prepare_dsm(TestRequest& request, uint32_t ranges) {
  prepare(request, IoOpcode::kDatasetManagement, 0, 1);
  request.sqe.cdw10.set(ranges - 1);
  request.sqe.cdw11.set(wire::DatasetManagementCdw11::Ad::set(0u, 1u));
  request.sqe.cdw12.set(0);
  request.sqe.dptr.length.set(ranges * sizeof(wire::DsmRange));
}

}  // namespace

TEST_CASE("what is written is read back, and counted") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kWrite, 3, 2);
  CHECK(fixture.run(request, 0xa5) == Status());
  fixture.take_data(request);
  prepare(request, IoOpcode::kRead, 4, 1);
  CHECK(fixture.run(request) == Status());
  CHECK(fixture.take_data(request) == 0xa5);
  prepare(request, IoOpcode::kRead, 5, 1);
  CHECK(fixture.run(request, 0xff) == Status());
  CHECK(fixture.take_data(request) == 0);

  const auto& reads = fixture.stats.by_operation[static_cast<size_t>(Operation::Read)];
  CHECK(reads.operations == 2);
  CHECK(reads.bytes == 2 * kBlockSize);
  uint64_t counted = 0;
  for (const uint64_t bucket : reads.histogram) counted += bucket;
  CHECK(counted == 2);
  CHECK(fixture.queue_stats.by_operation[static_cast<size_t>(Operation::Write)].bytes ==
        2 * kBlockSize);
}

TEST_CASE("a range is checked up to its last block and without wrapping") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kRead, kBlocks - 1, 1);
  CHECK(fixture.run(request) == Status());
  fixture.take_data(request);
  for (const auto& [slba, blocks] : std::vector<std::pair<uint64_t, uint32_t>>{
           {kBlocks, 1}, {kBlocks - 1, 2}, {UINT64_MAX, 1}, {UINT64_MAX - 1, 2}, {0, 65536}}) {
    for (const IoOpcode opcode :
         {IoOpcode::kRead, IoOpcode::kWrite, IoOpcode::kCompare, IoOpcode::kWriteZeroes}) {
      prepare(request, opcode, slba, blocks);
      CHECK(fixture.run(request) == dnr(GenericStatus::kLbaOutOfRange));
    }
  }
  CHECK(fixture.stats.by_operation[static_cast<size_t>(Operation::Read)].errors == 5);
  CHECK(fixture.stats.by_operation[static_cast<size_t>(Operation::WriteZeroes)].errors == 5);
}

TEST_CASE("a command that this target does not have, or that is malformed, says which") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kRead, 0, 1);
  request.sqe.opcode = 0x7e;
  CHECK(fixture.run(request) == dnr(GenericStatus::kInvalidOpcode));
  prepare(request, IoOpcode::kRead, 0, 1);
  request.sqe.flags = 0;  // PRP
  CHECK(fixture.run(request) == dnr(GenericStatus::kInvalidField));
  prepare(request, IoOpcode::kRead, 0, 1);
  request.sqe.flags = static_cast<uint8_t>(request.sqe.flags | 1);  // first of a fused pair
  CHECK(fixture.run(request) == dnr(GenericStatus::kInvalidField));
  for (const uint32_t nsid : {0u, 3u, 8192u, 0xfffffffeu, 0xffffffffu}) {
    prepare(request, IoOpcode::kRead, 0, 1, nsid);
    CHECK(fixture.run(request) == dnr(GenericStatus::kInvalidNamespaceOrFormat));
  }
}

TEST_CASE("the SGL must name exactly the command's data, in a place that its direction allows") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kRead, 0, 2);
  request.sqe.dptr.length.set(2 * kBlockSize + 1);
  CHECK(fixture.run(request) == dnr(GenericStatus::kDataSglLengthInvalid));
  prepare(request, IoOpcode::kRead, 0, 1);
  request.sqe.dptr.set_identifier(wire::SglType::kDataBlock, wire::SglSubtype::kOffset);
  CHECK(fixture.run(request) == dnr(GenericStatus::kSglDescriptorTypeInvalid));
  prepare(request, IoOpcode::kWrite, 0, 1);
  request.sqe.dptr.set_identifier(wire::SglType::kDataBlock, wire::SglSubtype::kOffset);
  request.sqe.dptr.address.set(512);
  CHECK(fixture.run(request) == dnr(GenericStatus::kSglOffsetInvalid));
  request.sqe.dptr.address.set(0);
  fixture.on_reactor([&] {
    request.qpair = &fixture.qpair;
    CHECK(io_plan(request, kBlockSize - 1).status == dnr(GenericStatus::kDataSglLengthInvalid));
    CHECK(io_plan(request, kBlockSize).status == Status());
  });
  prepare(request, IoOpcode::kWrite, 0, 1);
  request.sqe.dptr.identifier = 0x40;
  CHECK(fixture.run(request) == dnr(GenericStatus::kSglDescriptorTypeInvalid));
}

TEST_CASE("a read-only namespace is read, and refuses every change") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kRead, 0, 1, 2);
  CHECK(fixture.run(request) == Status());
  fixture.take_data(request);
  for (const IoOpcode opcode :
       {IoOpcode::kWrite, IoOpcode::kWriteZeroes, IoOpcode::kDatasetManagement}) {
    prepare(request, opcode, 0, 1, 2);
    CHECK(fixture.run(request) == dnr(GenericStatus::kNamespaceWriteProtected));
  }
}

TEST_CASE("compare tells equal from different") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kWrite, 0, 2);
  CHECK(fixture.run(request, 7) == Status());
  prepare(request, IoOpcode::kCompare, 0, 2);
  CHECK(fixture.run(request, 7) == Status());
  fixture.take_data(request);
  prepare(request, IoOpcode::kCompare, 1, 2);
  CHECK(fixture.run(request, 7) == dnr(MediaStatus::kCompareFailure));
  fixture.take_data(request);
  CHECK(fixture.stats.by_operation[static_cast<size_t>(Operation::Compare)].errors == 1);
  CHECK(fixture.stats.errors[0].count == 1);
}

TEST_CASE("write zeroes and deallocate leave zeros, and only where they were asked to") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kWrite, 0, 16);
  CHECK(fixture.run(request, 9) == Status());
  fixture.take_data(request);
  prepare(request, IoOpcode::kWriteZeroes, 1, 2);
  CHECK(fixture.run(request) == Status());

  prepare_dsm(request, 3);
  fixture.on_reactor([&] {
    REQUIRE(fixture.reactor().buffers().try_get(48, request.data.buffers));
    set_range(request, 0, 5, 1);
    set_range(request, 1, 6, 0);
    set_range(request, 2, 7, 2);
  });
  CHECK(fixture.run(request) == Status());
  fixture.take_data(request);

  const std::vector<uint8_t> expected = {9, 0, 0, 9, 9, 0, 9, 0, 0, 9};
  for (uint32_t block = 0; block < expected.size(); block++) {
    prepare(request, IoOpcode::kRead, block, 1);
    CHECK(fixture.run(request) == Status());
    CHECK(fixture.take_data(request) == expected[block]);
  }
}

TEST_CASE("write zeroes writes zeros where what is deallocated need not read as such") {
  for (const bool zeroes : {true, false}) {
    IoFixture fixture;
    BdevFacts facts = test_facts(kBlocks);
    facts.unmap_zeroes = zeroes;
    auto made = std::make_unique<TestBdev>(facts);
    const TestBdev& bdev = *made;
    fixture.serve(std::move(made));
    TestRequest request;
    prepare(request, IoOpcode::kWriteZeroes, 1, 2);
    request.sqe.cdw12.set(wire::LbaRangeCdw12::Deac::set(request.sqe.cdw12.get(), 1u));
    CHECK(fixture.run(request) == Status());
    REQUIRE(bdev.submissions.size() == 1);
    CHECK(bdev.submissions[0].type == (zeroes ? BdevIoType::Unmap : BdevIoType::WriteZeroes));
  }
}

TEST_CASE("a request that moved data before deallocates and zeroes ranges of any size") {
  IoFixture fixture;
  TestRequest request;
  for (const uint32_t block : {0u, 9000u, 16383u}) {
    prepare(request, IoOpcode::kWrite, block, 1);
    CHECK(fixture.run(request, 9) == Status());
    fixture.take_data(request);
  }
  prepare_dsm(request, 1);
  fixture.on_reactor([&] {
    REQUIRE(fixture.reactor().buffers().try_get(16, request.data.buffers));
    set_range(request, 0, 1, 16382);  // nearly 8 MiB: more than the bdev takes at once
  });
  CHECK(fixture.run(request) == Status());
  fixture.take_data(request);
  prepare(request, IoOpcode::kWriteZeroes, 0, 16383);
  CHECK(fixture.run(request) == Status());
  const std::vector<std::pair<uint32_t, uint8_t>> expected = {{0, 0}, {9000, 0}, {16383, 9}};
  for (const auto& [block, pattern] : expected) {
    prepare(request, IoOpcode::kRead, block, 1);
    CHECK(fixture.run(request) == Status());
    CHECK(fixture.take_data(request) == pattern);
  }
}

TEST_CASE("no range of a Dataset Management is touched when one is out of range") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kWrite, 0, 1);
  CHECK(fixture.run(request, 9) == Status());
  fixture.take_data(request);
  prepare_dsm(request, 2);
  fixture.on_reactor([&] {
    REQUIRE(fixture.reactor().buffers().try_get(32, request.data.buffers));
    set_range(request, 0, 0, 1);
    set_range(request, 1, kBlocks, 1);
  });
  CHECK(fixture.run(request) == dnr(GenericStatus::kLbaOutOfRange));
  fixture.take_data(request);
  prepare(request, IoOpcode::kRead, 0, 1);
  CHECK(fixture.run(request) == Status());
  CHECK(fixture.take_data(request) == 9);
  prepare_dsm(request, 2);
  request.sqe.dptr.length.set(16);
  CHECK(fixture.run(request) == dnr(GenericStatus::kDataSglLengthInvalid));
}

TEST_CASE("flush works on one namespace and on all") {
  IoFixture fixture;
  TestRequest request;
  for (const uint32_t nsid : {1u, 0xffffffffu}) {
    prepare(request, IoOpcode::kFlush, 0, 1, nsid);
    CHECK(fixture.run(request) == Status());
  }
  CHECK(fixture.stats.by_operation[static_cast<size_t>(Operation::Flush)].operations == 2);
  CHECK(fixture.other_stats.by_operation[static_cast<size_t>(Operation::Flush)].operations == 1);
}

TEST_CASE("a namespace that goes drains first, and its later commands find none") {
  IoFixture fixture;
  TestRequest first;
  TestRequest second;
  bool drained = false;
  prepare(first, IoOpcode::kWrite, 0, 1);
  prepare(second, IoOpcode::kRead, 0, 1);
  fixture.on_reactor([&] {
    fixture.begin(first, 1);
    fixture.table().publish({fixture.entry(2, true)}, [&] { drained = true; });
    CHECK(!drained);
    fixture.begin(second, 0);
  });
  CHECK(fixture.answer(second) == dnr(GenericStatus::kInvalidNamespaceOrFormat));
  CHECK(fixture.answer(first) == Status());
  fixture.on_reactor([&] { CHECK(drained); });
  fixture.take_data(first);
}

TEST_CASE("what drains of earlier publications is waited for by whoever asks for all of it") {
  IoFixture fixture;
  TestRequest first;
  bool first_drained = false;
  bool second_drained = false;
  bool all_drained = false;
  prepare(first, IoOpcode::kWrite, 0, 1);
  fixture.on_reactor([&] {
    fixture.begin(first, 1);
    fixture.table().publish({fixture.entry(2, true)}, [&] { first_drained = true; });
    fixture.table().publish({}, [&] { second_drained = true; });
    fixture.table().when_drained([&] { all_drained = true; });
    CHECK(!first_drained);
    CHECK(second_drained);  // nothing was under way on what the second one took away
    CHECK(!all_drained);
  });
  CHECK(fixture.answer(first) == Status());
  fixture.on_reactor([&] {
    CHECK(first_drained);
    CHECK(all_drained);
    bool at_once = false;
    fixture.table().when_drained([&] { at_once = true; });
    CHECK(at_once);
  });
  fixture.take_data(first);
}

TEST_CASE("a command planned before its namespace changed is checked again") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kWrite, 0, 1);
  fixture.on_reactor([&] {
    request.qpair = &fixture.qpair;
    request.owner = &testing::kTestOwner;
    request.plan = io_plan(request, 0);
    CHECK(request.plan.status.is_success());
    fixture.table().publish({fixture.entry(1, true)}, [] {});
    request.executing = AnswerPermit::issue();
    io_execute(request);
  });
  CHECK(fixture.answer(request) == dnr(GenericStatus::kNamespaceWriteProtected));
}

TEST_CASE("a read of a bdev that lends takes no buffer, and a compare on it does") {
  IoFixture fixture;
  TestRequest request;
  fixture.on_reactor([&] { fixture.table().publish({fixture.null_entry(1)}, [] {}); });
  prepare(request, IoOpcode::kRead, 3, 2);
  CHECK(fixture.run(request) == Status());
  CHECK(request.plan.lent);
  CHECK(request.data.buffers.count == 0);
  REQUIRE(request.io.iov_count == 1);
  CHECK(request.io.iov->iov_len == 2 * kBlockSize);
  CHECK(fixture.take_data(request) == 0);
  prepare(request, IoOpcode::kCompare, 3, 2);
  CHECK(fixture.run(request, 0) == Status());
  CHECK(!request.plan.lent);
  CHECK(request.data.buffers.count == 1);
  fixture.take_data(request);
}

TEST_CASE("a read with a loan is refused when its namespace has become another one") {
  IoFixture fixture;
  TestRequest request;
  prepare(request, IoOpcode::kRead, 0, 1);
  fixture.on_reactor([&] {
    fixture.table().publish({fixture.null_entry(1)}, [] {});
    request.qpair = &fixture.qpair;
    request.owner = &testing::kTestOwner;
    request.plan = io_plan(request, 0);
    CHECK(request.plan.lent);
    CHECK(io_lend(request));
    fixture.table().publish({fixture.entry(1, false)}, [] {});
    request.executing = AnswerPermit::issue();
    io_execute(request);
  });
  CHECK(fixture.answer(request) == dnr(GenericStatus::kInvalidNamespaceOrFormat));
  CHECK(fixture.take_data(request) == 0);
}

TEST_CASE("statistics may be read while they are written") {
  IoFixture fixture;
  std::atomic<uint32_t> passes = 0;
  std::atomic<bool> over = false;
  uint64_t seen = 0;
  std::thread reader([&] {
    // The last pass begins when all is written.
    for (bool last = false; !last; ++passes) {
      last = over;
      for (OperationStats& stats : fixture.stats.by_operation) {
        seen += read_stat(stats.operations) + read_stat(stats.bytes) + read_stat(stats.errors) +
                read_stat(stats.latency_ns);
        for (uint64_t& bucket : stats.histogram) seen += read_stat(bucket);
      }
      for (ErrorSlot& slot : fixture.stats.errors) {
        // A slot that counts has its key.
        if (read_published_stat(slot.count) > 0) CHECK(read_stat(slot.key) != 0);
      }
      for (QueueOperationStats& stats : fixture.queue_stats.by_operation) {
        seen += read_stat(stats.operations) + read_stat(stats.bytes);
      }
    }
  });
  // The reader is at work: what is written from here on is written beside it.
  while (passes == 0) std::this_thread::yield();
  TestRequest request;
  const uint32_t passes_before = passes;
  uint64_t rounds = 0;
  for (; rounds < 50 || passes < passes_before + 2; ++rounds) {
    prepare(request, IoOpcode::kFlush, 0, 1);
    CHECK(fixture.run(request) == Status());
    prepare(request, IoOpcode::kRead, kBlocks, 1);
    CHECK(fixture.run(request) == dnr(GenericStatus::kLbaOutOfRange));
  }
  over = true;
  reader.join();
  CHECK(seen > 0);
  CHECK(fixture.stats.by_operation[static_cast<size_t>(Operation::Flush)].operations == rounds);
}

}  // namespace capsuled::nvmf
