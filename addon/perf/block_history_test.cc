#include "perf/block_history.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace capsuled::perf {

class BlockHistoryAt {
 public:
  /// A block of which that generation is confirmed.
  static BlockHistory confirmed(uint32_t generation) {
    BlockHistory history;
    history.newest_ = generation;
    return history;
  }
};

namespace {

void write(BlockHistory& history, bool confirmed) {
  history.claim_write();
  history.begin_write();
  if (confirmed) {
    history.confirm_write();
  } else {
    history.doubt_write();
  }
}

TEST_CASE("perf::BlockHistory: a block that was never written accepts nothing") {
  const BlockHistory history;
  CHECK(history.newest() == 0);
  CHECK_FALSE(history.is_known());
  CHECK_FALSE(history.accepts(0));
  CHECK_FALSE(history.accepts(1));
}

TEST_CASE("perf::BlockHistory: a confirmed write leaves its generation alone") {
  BlockHistory history;
  for (uint32_t generation = 1; generation < 5; ++generation) {
    write(history, true);
    CHECK(history.newest() == generation);
    CHECK(history.oldest() == generation);
    CHECK(history.is_known());
    CHECK(history.accepts(generation));
    CHECK_FALSE(history.accepts(generation - 1));
    CHECK_FALSE(history.accepts(generation + 1));
  }
  CHECK(history.issued(1));
  CHECK_FALSE(history.issued(0));
  CHECK_FALSE(history.issued(5));
}

TEST_CASE("perf::BlockHistory: doubtful writes add to what is accepted, a confirmed one ends it") {
  BlockHistory history;
  write(history, false);
  write(history, false);
  CHECK_FALSE(history.is_known());
  CHECK(history.accepts(1));
  CHECK(history.accepts(2));
  write(history, true);
  CHECK(history.is_known());
  write(history, false);
  write(history, false);
  CHECK(history.oldest() == 3);
  CHECK(history.newest() == 5);
  CHECK_FALSE(history.accepts(2));
  for (const uint32_t generation : {3u, 4u, 5u}) CHECK(history.accepts(generation));
  CHECK_FALSE(history.accepts(6));
  write(history, true);
  CHECK(history.oldest() == 6);
}

TEST_CASE("perf::BlockHistory: a write of which nothing is known yet accepts both") {
  BlockHistory history;
  write(history, true);
  history.claim_write();
  CHECK(history.begin_write() == 2);
  CHECK(history.accepts(1));
  CHECK(history.accepts(2));
  history.confirm_write();
  CHECK_FALSE(history.accepts(1));
}

TEST_CASE("perf::BlockHistory: after too many doubtful writes the confirmed one is forgotten") {
  BlockHistory history;
  write(history, true);
  for (int turn = 0; turn < 65'534; ++turn) write(history, false);
  CHECK(history.is_known());
  CHECK(history.oldest() == 1);
  for (int turn = 0; turn < 100; ++turn) {
    write(history, false);
    CHECK_FALSE(history.is_known());
    CHECK(history.accepts(1));
    CHECK(history.accepts(history.newest()));
  }
  write(history, true);
  CHECK(history.oldest() == history.newest());
}

TEST_CASE("perf::BlockHistory: after the last generation comes the first") {
  for (const bool confirmed : {true, false}) {
    BlockHistory history = BlockHistoryAt::confirmed(~uint32_t{0} - 1);
    write(history, true);
    CHECK(history.newest() == ~uint32_t{0});
    CHECK(history.accepts(~uint32_t{0}));
    write(history, confirmed);
    CHECK(history.newest() == 1);
    CHECK(history.is_known() == confirmed);
    CHECK(history.accepts(1));
    write(history, false);
    CHECK(history.is_known() == confirmed);
    CHECK(history.accepts(1));
    CHECK(history.accepts(2));
  }
}

TEST_CASE("perf::BlockHistory: claims are one write or many reads") {
  BlockHistory history;
  history.claim_write();
  CHECK_FALSE(history.can_claim_read());
  CHECK_FALSE(history.can_claim_write());
  CHECK_FALSE(history.is_read());
  history.release_write();
  history.claim_write();
  history.begin_write();
  CHECK_FALSE(history.can_claim_read());
  CHECK_FALSE(history.can_claim_write());
  history.doubt_write();

  int readers = 0;
  for (; history.can_claim_read(); ++readers) {
    history.claim_read();
    CHECK_FALSE(history.can_claim_write());
    CHECK(history.is_read());
  }
  CHECK(readers == 65'533);
  for (; readers > 0; --readers) {
    CHECK_FALSE(history.can_claim_write());
    history.release_read();
    CHECK(history.can_claim_read());
  }
  CHECK(history.can_claim_write());
}

}  // namespace
}  // namespace capsuled::perf
