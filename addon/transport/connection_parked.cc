// Commands that wait for memory: when they begin, and where they wait.
//
// A command whose data do not come in its capsule needs a buffer, and if it writes, an R2T. If all
// of that is there, it begins at once. Else it is parked: what it said is kept, and its request
// goes back. It begins when it is its turn: peers take turns, and so do the connections of a peer;
// commands of one connection begin in order, but those with small buffers do not wait for those
// with large ones.
//
// Why a group never locks up. In a host's stream, the data that an R2T asked for may come behind
// other commands. If the connection had to stop reading there for want of something that only those
// data make free, all would wait for ever. So:
//
//  1. A connection is sent an R2T, and waits for buffers, only after it claimed as many places for
//     parked commands as its queue has entries. With that claim it reads on whatever comes: all
//     that it needs for a command is a request, for the moment of reading. Only a command that
//     needs no buffer, such as one that brings its data, holds its request longer. If its device
//     has as many of these as it may have (bdev_shares.h), the stream waits until the device gives
//     some back; if it does not, it counts as one that hangs (CoreChannel::hangs()), and what comes
//     for it is refused, to be sent again later. So a stream waits some seconds for a device.
//  2. A connection without a claim may have one command parked, and then stops reading until it has
//     the claim. It has no R2T outstanding, so no data behind what it reads; and it waits in a line
//     of its own (Wait::Places), so that nobody with a claim stands behind it.
//  3. Requests whose data the host is asked for (Resource::HostWaits) are none of those that
//     streams need, neither of a peer's guarantee nor of the shared part. These end by themselves:
//     a bdev, the control plane or the host, which takes the answers, ends them; and what a bdev
//     that hangs has of them is bounded, too. So a stream that waits for a request gets one, within
//     its peer's guarantee whatever other peers hold. Those that wait for an event, which may never
//     come, are none of either (Resource::EventWaits).
//  4. All else that a command needs is taken at once, or nothing of it: nobody holds buffers while
//     it waits for an R2T, or the other way round.
//
// By 1 and 3 the stream of everybody with a claim is read on, so the data of every R2T arrive, or
// the host lets its deadline pass (host_debt.h). So buffers and waits come back, and by 4 what
// comes back is enough for the first in its line, which nobody overtakes (peers.h). So parked
// commands begin, and claims are given back. lock_up_test.cc tries to find a way to lock up.
#include <utility>

#include "nvmf/io_command.h"
#include "transport/connection.h"
#include "transport/control_command.h"
#include "transport/group_core.h"

namespace capsuled::transport {

namespace {

uint32_t large_buffers_of(uint32_t bytes) {
  return (bytes + kLargeBufferBytes - 1) / kLargeBufferBytes;
}

}  // namespace

Connection::Need Connection::need_of(Executor executor, nvmf::Direction direction, uint32_t bytes) {
  Need need;
  need.host_data = direction == nvmf::Direction::HostToController;
  // What a command of the control plane brings fits the request's own memory.
  if (executor == Executor::Control) return need;
  const bool small = bytes <= kSmallBufferBytes;
  need.wait = small ? Wait::Small : Wait::Large;
  need.buffers = small ? Resource::SmallBuffers : Resource::LargeBuffers;
  need.buffer_count = small ? 1 : large_buffers_of(bytes);
  return need;
}

[[gnu::always_inline]] inline Shortage Connection::shortage_of(const Need& need) const {
  const PeerClass& of_kind = *peer_->kind;
  Lack lack = Lack::None;
  if (need.buffer_count > 0) lack = of_kind.lack(*peer_, need.buffers, need.buffer_count);
  if (lack != Lack::None) return {lack, need.buffers};
  if (!need.host_data) return {};
  lack = of_kind.lack(*peer_, Resource::HostWaits, 1);
  return {lack, Resource::HostWaits};
}

/// What the host has of the bdev of a request that was just planned; null: it needs no buffers.
[[gnu::always_inline]] inline BdevHoldPart* Connection::hold_of(const TcpRequest& request,
                                                                const Need& need) const {
  if (need.buffer_count == 0) return nullptr;
  return &peer_->bdevs.of(nvmf::io_bdev(request), core_.bdevs).part(share_of(need));
}

/// It is beyond its host's guarantee, and its bdev has as many buffers as it may have.
[[gnu::always_inline]] inline bool Connection::is_over(const Need& need, const BdevHoldPart& hold,
                                                       uint32_t taken) const {
  const PeerShare& share = peer_->share(need.buffers);
  if (share.held + need.buffer_count <= share.guarantee) return false;
  const Room room = peer_->kind->room(*peer_, need.buffers);
  return BdevShares::over(hold, need.buffer_count, room, taken);
}

/// A command more is beyond its host's guarantee of requests, and its device has as many as it may
/// have.
bool Connection::has_too_many(bool host_data, const BdevHoldPart& device, uint32_t taken) const {
  return BdevShares::over(device, 1, peer_->kind->room(*peer_, requests_for(host_data)), taken);
}

/// Null: it is for none.
BdevHoldPart* Connection::part_of_device(bool host_data,
                                         const wire::SubmissionQueueEntry& sqe) const {
  const auto device = nvmf::io_device(qpair_, sqe);
  if (!device.has_value()) return nullptr;
  return &peer_->bdevs.of(*device, core_.bdevs)
              .part(host_data ? BdevShare::HostWaits : BdevShare::Requests);
}

/// Where a command that needs a buffer has to wait for its bdev, if it has to. Those of a line come
/// after it only if it was there before them: `waited`.
[[gnu::always_inline]] inline BdevHoldPart* Connection::line_of(const Need& need,
                                                                BdevHoldPart* hold,
                                                                BdevHoldPart* device,
                                                                const BdevHoldPart* waited) const {
  const auto is_behind = [waited](const BdevHoldPart& part) {
    return &part != waited && !part.line.empty();
  };
  if (hold != nullptr && (is_behind(*hold) || is_over(need, *hold, 0))) return hold;
  if (device != nullptr && (is_behind(*device) || has_too_many(need.host_data, *device, 0)))
    return device;
  return nullptr;
}

/// Whether the next command of the stream, which is beyond its host's guarantee of requests, may
/// have one though its device may keep it.
Connection::Start Connection::start_of(const wire::SubmissionQueueEntry& sqe) {
  BdevHoldPart* const device = device_part(false, sqe, 1);
  // What needs a buffer is parked, if it has to wait.
  if (device == nullptr || !nvmf::io_needs_no_buffer(qpair_, sqe)) return Start::Begin;
  if (line_of({}, nullptr, device, stalled_.waits_in) == nullptr) return Start::Begin;
  count(core_.stats.limit_host_bdev_requests);
  if (nvmf::io_hangs(qpair_, sqe)) return Start::Interrupt;
  stalled_.hold = device;
  stalled_.note.sqe = sqe;
  return Start::Wait;
}

/// From the timer: the stream goes on if the device hangs that it waits for, or if its next command
/// is not for that one any more.
void Connection::resume_if_device_hangs() {
  if (!stalled_.bdev_node.linked()) return;
  const wire::SubmissionQueueEntry& sqe = stalled_.note.sqe;
  if (part_of_device(false, sqe) == stalled_.waits_in && !nvmf::io_hangs(qpair_, sqe)) return;
  core_.bdevs.leave(stalled_);
  await_stream();
}

Shortage Connection::take_places() {
  const Shortage shortage = {peer_->kind->lack(*peer_, Resource::Parked, entries()),
                             Resource::Parked};
  if (shortage) return shortage;
  places_ = entries();
  core_.peers.take(*peer_, Resource::Parked, places_);
  return {};
}

void Connection::give_places() {
  if (places_ > 0) core_.peers.give(*peer_, Resource::Parked, std::exchange(places_, 0u));
  core_.peers.cancel(*peer_, Wait::Places, wait_node(Wait::Places));
  unstall(Stall::Places);
}

/// The receiver has stalled for a reason that does not hold any more.
void Connection::await_stream() {
  stall_ = Stall::Requests;
  core_.peers.wait_ready(*peer_, Wait::Stream, wait_node(Wait::Stream), core_.now_ns());
}

void Connection::use_own_memory(TcpRequest& request) {
  ASSERT(request.plan.bytes <= kControlHostDataMax);
  request.data_in = DataIn::Capsule;
  request.data.buffers.iov[0] = iovec{request.capsule_data, request.plan.bytes};
  request.data.buffers.count = 1;
  request.data.buffers.bytes = request.plan.bytes;
}

/// What it needs is there.
[[gnu::always_inline]] inline void Connection::begin(TcpRequest& request, const Need& need) {
  Peers& peers = core_.peers;
  if (need.buffer_count > 0) {
    peers.take(*peer_, need.buffers, need.buffer_count);
    const bool got = core_.reactor.buffers().try_get(request.plan.bytes, request.data.buffers);
    ASSERT_MSG(got, "fewer buffers than are shared out");
    request.data_in = DataIn::Pool;
    BdevShares::take(*request.hold, need.buffer_count);
  } else {
    use_own_memory(request);
  }
  if (!need.host_data) return execute(request);
  ask_for_data(request);
}

void Connection::ask_for_data(TcpRequest& request) {
  ASSERT(places_ > 0);
  core_.peers.give(*peer_, Resource::Requests, 1);
  core_.bdevs.wake(peer_->bdevs);
  core_.peers.take(*peer_, Resource::HostWaits, 1);
  request.charged_to = Resource::HostWaits;
  if (BdevHoldPart* const device = part_of_device(true, request.sqe)) take_device(request, *device);
  ++r2ts_;
  request.waits_for_host = true;
  request.cursor = {request.data.buffers.iov.data(), 0};
  core_.requests->set_state(request, RequestState::AwaitHostData);
  request.host_data_due_ns =
      debt_.owe(request.plan.bytes, core_.now_ns(), core_.options.pdu_timeout_ns);
  request.r2t_item.kind = SendKind::R2t;
  request.r2t_item.request = &request;
  writer_.write_r2t(request);
  queue(request.r2t_item);
}

/// A command that needs memory: begins or is parked.
void Connection::start(TcpRequest& request) {
  const Need need = need_of(request.executor, request.plan.direction, request.plan.bytes);
  request.hold = hold_of(request, need);
  const PeerLine& line = peer_->line(need.wait);
  const bool first = !core_.peers.anybody_waits() ||
                     (line.connections.empty() && parked_[size_t(need.wait)].empty());
  Shortage shortage = first ? shortage_of(need) : Shortage{Lack::Own, line.lacks};
  if (!shortage && need.host_data) shortage = claim_places();
  if (!shortage) [[likely]] {
    BdevHoldPart* const device = device_part(need.host_data, request.sqe, need.host_data ? 1 : 0);
    BdevHoldPart* const of_bdev = line_of(need, request.hold, device, nullptr);
    if (of_bdev == nullptr) [[likely]]
      return begin(request, need);
    return park_beside(request, *of_bdev);
  }
  if (!peer_->kind->possible(*peer_, need.buffers, need.buffer_count)) {
    const auto refused = wire::Status(wire::GenericStatus::kDataSglLengthInvalid);
    return complete(request, refused.do_not_retry());
  }
  park(request, need, shortage);
}

void Connection::all_data_came(TcpRequest& request) {
  request.waits_for_host = false;
  ASSERT(r2ts_ > 0);
  --r2ts_;
  settle_places();
}

/// The rest of its data will not be taken.
void Connection::forgo_data(TcpRequest& request) {
  all_data_came(request);
  if (request.device_hold != nullptr) leave_device(request);
}

void Connection::leave_device(TcpRequest& request) {
  core_.bdevs.give(*std::exchange(request.device_hold, nullptr), 1, request.peer->bdevs);
}

/// Parks the command in `list`, and gives its request back.
ParkedCommand& Connection::keep(TcpRequest& request, ParkedList& list) {
  ParkedCommand& command = core_.parked.get();
  command.connection = this;
  command.hold = request.hold;
  command.note = {.sqe = request.sqe,
                  .started_ns = request.started_ns,
                  .bytes = request.plan.bytes,
                  .table_version = request.table_version,
                  .direction = request.plan.direction,
                  .executor = request.executor,
                  .connect = request.connect,
                  .owed = std::move(request.owed)};
  list.push_back(command);
  ++parked_count_;
  core_.publish_parked();
  retire(request);
  return command;
}

void Connection::park(TcpRequest& request, const Need& need, Shortage shortage) {
  keep(request, parked_[static_cast<size_t>(need.wait)]);
  Wait line = need.wait;
  if (const Shortage places = claim_places()) {
    line = Wait::Places;
    shortage = places;
  }
  WaitNode& node = wait_node(line);
  if (!node.node.linked()) core_.peers.wait(*peer_, line, node, shortage, core_.now_ns());
}

/// Its bdev has as many buffers or requests as it may have.
void Connection::park_beside(TcpRequest& request, BdevHoldPart& line) {
  const bool buffers = &line == request.hold;
  count(buffers ? core_.stats.limit_host_bdev_buffers : core_.stats.limit_host_bdev_requests);
  core_.bdevs.wait(keep(request, beside_), line);
  const Shortage places = claim_places();
  WaitNode& node = wait_node(Wait::Places);
  if (places && !node.node.linked()) {
    core_.peers.wait(*peer_, Wait::Places, node, places, core_.now_ns());
  }
}

CommandNote Connection::take_out(ParkedList& list, ParkedCommand& command) {
  core_.bdevs.forget(command);
  CommandNote note = std::move(command.note);
  list.remove(command);
  core_.parked.put(command);
  --parked_count_;
  core_.publish_parked();
  return note;
}

/// It goes on to the line of its peer. Returns how many buffers, or requests, it is about to take;
/// 0: it waits.
uint32_t Connection::resume_beside(ParkedCommand& command, uint32_t taken) {
  const CommandNote& waits = command.note;
  const Need need = need_of(waits.executor, waits.direction, waits.bytes);
  const bool for_device = &command == &stalled_ || command.waits_in != command.hold;
  if (for_device) {
    const PeerShare& requests = peer_->share(requests_for(need.host_data));
    const bool guaranteed = requests.held + taken < requests.guarantee;
    if (!guaranteed && has_too_many(need.host_data, *command.waits_in, taken)) return 0;
  } else if (is_over(need, *command.hold, taken)) {
    return 0;
  }
  core_.bdevs.leave(command);
  if (&command == &stalled_) {
    await_stream();
    return 1;
  }
  beside_.remove(command);
  parked_[static_cast<size_t>(need.wait)].push_front(command);
  // Without a claim its turn comes with that.
  WaitNode& node = wait_node(need.wait);
  if (places_ > 0 && !node.node.linked()) {
    core_.peers.wait_ready(*peer_, need.wait, node, core_.now_ns());
  }
  return for_device ? 1 : need.buffer_count;
}

/// It is this connection's turn to have a claim: its parked command goes on to its own line.
Turn Connection::resume_places() {
  if (const Shortage shortage = claim_places()) return {.more = true, .shortage = shortage};
  for (size_t wait = 0; wait < parked_.size(); ++wait) {
    if (parked_[wait].empty() || wait_nodes_[wait].node.linked()) continue;
    core_.peers.wait_ready(*peer_, static_cast<Wait>(wait), wait_nodes_[wait], core_.now_ns());
  }
  unstall(Stall::Places);
  return {.moved = true};
}

/// It is this connection's turn: its first parked command of this kind begins, if it can.
Turn Connection::resume_parked(Wait wait) {
  ParkedList& list = parked_[static_cast<size_t>(wait)];
  ParkedCommand& command = *list.front();
  const CommandNote& waits = command.note;
  const Need need = need_of(waits.executor, waits.direction, waits.bytes);
  const Lack lack = peer_->kind->lack(*peer_, Resource::Requests, 1);
  if (lack != Lack::None) return {.more = true, .shortage = {lack, Resource::Requests}};
  if (const Shortage shortage = shortage_of(need)) return {.more = true, .shortage = shortage};
  BdevHoldPart* const device = device_part(need.host_data, waits.sqe, 1);
  if (BdevHoldPart* const line = line_of(need, command.hold, device, command.waits_in)) {
    list.remove(command);
    beside_.push_back(command);
    core_.bdevs.wait(command, *line);
    return {.moved = true, .more = !list.empty()};
  }
  begin(unpark(list, command), need);
  settle_places();
  return {.moved = true, .more = !list.empty()};
}

/// A request for a command that is parked no more.
TcpRequest& Connection::unpark(ParkedList& list, ParkedCommand& command) {
  BdevHoldPart* const hold = command.hold;
  CommandNote note = take_out(list, command);
  TcpRequest& request = take_request(note.sqe, 0);
  request.owed = std::move(note.owed);
  request.started_ns = note.started_ns;
  request.executor = note.executor;
  request.connect = note.connect;
  request.hold = hold;
  // It is planned only once. What has changed since then io_execute() finds by the version: a
  // command that was meant for one disk must not be taken for one that is meant for another.
  request.plan.direction = note.direction;
  request.plan.bytes = note.bytes;
  request.table_version = note.table_version;
  return request;
}

ParkedCommand* Connection::find_parked(ParkedList& list, uint16_t cid) {
  ParkedCommand* found = nullptr;
  list.for_each([&](ParkedCommand& command) {
    if (command.note.sqe.cid.get() == cid) found = &command;
  });
  return found;
}

/// Abort: a parked command needs nothing but a request for its answer. False: there is no such
/// command, or no request now.
bool Connection::abort_parked(uint16_t cid) {
  if (state_ != ConnectionState::Live) return false;
  if (peer_->kind->lack(*peer_, Resource::Requests, 1) != Lack::None) return false;
  for (ParkedList* const list : {&parked_[0], &parked_[1], &beside_}) {
    ParkedCommand* const found = find_parked(*list, cid);
    if (found == nullptr) continue;
    answer_parked(*list, *found, wire::GenericStatus::kAbortRequested);
    return true;
  }
  return false;
}

void Connection::answer_parked(ParkedList& list, ParkedCommand& command, wire::Status status) {
  TcpRequest& request = unpark(list, command);
  for (size_t wait = 0; wait < parked_.size(); ++wait) {
    if (parked_[wait].empty()) {
      core_.peers.cancel(*peer_, static_cast<Wait>(wait), wait_nodes_[wait]);
    }
  }
  settle_places();
  complete(request, status);
}

/// The end of the connection: nobody answers them.
void Connection::drop_parked() {
  for (size_t wait = 0; wait < parked_.size(); ++wait) {
    core_.peers.cancel(*peer_, static_cast<Wait>(wait), wait_nodes_[wait]);
  }
  for (ParkedList* const list : {&parked_[0], &parked_[1], &beside_}) {
    while (ParkedCommand* const command = list->front()) {
      take_out(*list, *command).owed.waive();
      --outstanding_;
    }
  }
  settle_places();
}

/// Why the next command of the stream cannot have a request.
Shortage Connection::shortage_of_stream() const {
  const PeerLine& line = peer_->line(Wait::Stream);
  if (!line.connections.empty() && !peer_->kind->is_turn(line)) return {Lack::Own, line.lacks};
  return {peer_->kind->lack(*peer_, Resource::Requests, 1), Resource::Requests};
}

/// It is this connection's turn to go on with its stream.
Turn Connection::resume_stream() {
  stream_moved_ = false;
  resume();
  const bool waits = receiver_ == ReceiverState::Stalled && stall_ == Stall::Requests;
  return {.moved = stream_moved_, .more = waits, .shortage = stream_shortage_};
}

Turn Connection::take_turn(Wait wait) {
  switch (wait) {
    case Wait::Small:
    case Wait::Large: return resume_parked(wait);
    case Wait::Stream: return resume_stream();
    case Wait::Places: return resume_places();
  }
  UNREACHABLE();
}

}  // namespace capsuled::transport
