#include "nvmf/controller.h"

#include <array>
#include <functional>

#include "nvmf/testing/io_fixture.h"

namespace capsuled::nvmf {

namespace {

using testing::IoFixture;

/// An Asynchronous Event Request that remembers its answers.
struct EventRequest : Request {
  int answers = 0;
  static const RequestOwner kOwner;
  EventRequest() { owner = &kOwner; }
  void begin(Controller& controller) {
    executing = AnswerPermit::issue();
    controller.park(*this);
  }
};

const RequestOwner EventRequest::kOwner = {
    .answered = [](Request& request) { static_cast<EventRequest&>(request).answers++; },
    .given_to_device = nullptr,
};

void ignore(Controller&, void*) {}

}  // namespace

TEST_CASE("an event completes a parked request, or waits for the next one") {
  IoFixture fixture;
  fixture.on_reactor([&] {
    Controller controller(fixture.reactor(), 1, 4, ignore, nullptr);
    EventRequest request;
    request.begin(controller);
    CHECK(request.answers == 0);
    controller.asynchronous_event(0x40002);
    CHECK(request.answers == 1);
    CHECK(request.cqe.dw0.get() == 0x40002);

    controller.asynchronous_event(1);
    controller.asynchronous_event(1);
    controller.asynchronous_event(2);
    for (const uint32_t dw0 : {1u, 2u}) {
      request.begin(controller);
      CHECK(request.cqe.dw0.get() == dw0);
    }
    CHECK(request.answers == 3);
    request.begin(controller);
    CHECK(request.answers == 3);
    CHECK(controller.unpark(request));
    CHECK(!controller.unpark(request));
    request.answer(wire::GenericStatus::kAbortRequested);
  });
}

TEST_CASE("one request more than the limit is refused, the others stay parked") {
  IoFixture fixture;
  fixture.on_reactor([&] {
    Controller controller(fixture.reactor(), 1, 2, ignore, nullptr);
    EventRequest first;
    EventRequest second;
    EventRequest third;
    first.begin(controller);
    second.begin(controller);
    third.begin(controller);
    CHECK(third.answers == 1);
    CHECK(
        wire::Status::unpack(third.cqe.status.get()) ==
        wire::Status(wire::CommandSpecificStatus::kAsyncEventRequestLimitExceeded).do_not_retry());
    CHECK(first.answers + second.answers == 0);
    for (EventRequest* const request : {&first, &second}) {
      CHECK(controller.unpark(*request));
      request->answer(wire::GenericStatus::kAbortRequested);
    }
  });
}

TEST_CASE("the keep-alive timer expires in silence, and not while the host shows signs of life") {
  IoFixture fixture;
  std::unique_ptr<Controller> controller;
  std::promise<uint64_t> expired;
  uint64_t last_sign_ns = 0;
  fixture.on_reactor([&] {
    controller = std::make_unique<Controller>(
        fixture.reactor(), 1, 4,
        [](Controller&, void* argument) {
          static_cast<std::promise<uint64_t>*>(argument)->set_value(Reactor::current()->now_ns());
        },
        &expired);
    controller->set_keep_alive(300);
  });
  auto future = expired.get_future();
  for (int round = 0; round < 8; round++) {
    CHECK(future.wait_for(std::chrono::milliseconds(60)) == std::future_status::timeout);
    fixture.on_reactor([&] {
      controller->touch();
      last_sign_ns = fixture.reactor().now_ns();
    });
  }
  REQUIRE(future.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  CHECK(future.get() >= last_sign_ns + 300'000'000);
  fixture.on_reactor([&] { controller.reset(); });
}

TEST_CASE("a reset aborts parked requests and forgets events, and the next requests start anew") {
  IoFixture fixture;
  fixture.on_reactor([&] {
    Controller controller(fixture.reactor(), 1, 2, ignore, nullptr);
    std::array<EventRequest, 4> requests;
    requests[0].begin(controller);
    requests[1].begin(controller);
    controller.reset();
    for (const EventRequest& request : {std::cref(requests[0]), std::cref(requests[1])}) {
      CHECK(request.answers == 1);
      CHECK(wire::Status::unpack(request.cqe.status.get()) ==
            wire::Status(wire::GenericStatus::kAbortedSqDeletion));
    }
    controller.asynchronous_event(7);
    controller.reset();
    requests[2].begin(controller);
    requests[3].begin(controller);
    CHECK(requests[2].answers + requests[3].answers == 0);
    controller.reset();
  });
}

}  // namespace capsuled::nvmf
