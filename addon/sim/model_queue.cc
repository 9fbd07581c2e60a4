#include "sim/model_queue.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace capsuled::sim {
namespace {

constexpr uint64_t kIcReqBytes = 128;
constexpr uint64_t kConnectBytes = 72 + 1024;  ///< with its data
constexpr size_t kSqeCid = 2;
constexpr size_t kSqeFlags = 1;
constexpr size_t kSqeSglLength = 32;
constexpr size_t kSqeSglType = 39;
constexpr uint64_t kStatusCodeAndType = 0x7ff;
constexpr uint8_t kPsdtSgl = 0x40;
constexpr uint8_t kSglInCapsule = 0x01;
constexpr uint8_t kSglTransport = 0x5a;
constexpr uint64_t kHostDataHeaderBytes = 24;
constexpr uint64_t kHeaderDigestBytes = 4;
constexpr uint64_t kTagsGuessed = 64;
constexpr uint64_t kRushesOneIn = 8;
constexpr uint64_t kRushNs = 300'000;

}  // namespace

ModelQueue::ModelQueue(env::sim::SimNetwork& network, Findings& findings, std::string name,
                       const Temper& temper)
    : network_(network), findings_(findings), name_(std::move(name)), temper_(temper) {
  if (temper_.resets_within_bytes == UINT64_MAX) return;
  // Most of them before they are what they were meant to be.
  Prng& prng = network_.machine().prng();
  const std::array<uint64_t, 3> most = {kIcReqBytes, kIcReqBytes + kConnectBytes,
                                        temper_.resets_within_bytes};
  const uint64_t within = most[prng.below(most.size())];
  resets_after_bytes_ = prng.chance(1, 4) ? within : prng.between(1, within);
}

ModelQueue::~ModelQueue() {
  if (socket_ == nullptr) return;
  socket_->readable = nullptr;
  socket_->writable = nullptr;
  if (!socket_->closed()) socket_->close();
}

void ModelQueue::dial(const std::string& from, const env::Endpoint& to,
                      std::function<void(bool)> open) {
  open_ = std::move(open);
  const std::weak_ptr<bool> alive = alive_;
  network_.connect(from, to, [this, alive](env::sim::SimSocket* socket, int) {
    // It was given up meanwhile.
    if (alive.expired() || over_) {
      if (socket != nullptr) socket->close();
      return;
    }
    if (socket == nullptr) {
      over_ = true;
      return open_(false);
    }
    socket_ = socket;
    port_ = socket->local().port;
    socket->readable = [this] { read_later(); };
    socket->writable = [this] { push_out(); };
    send(make_ic_req(temper_.digests, temper_.r2ts_max));
  });
}

uint16_t ModelQueue::pick_cid() const {
  Prng& prng = network_.machine().prng();
  if (commands_.empty()) return static_cast<uint16_t>(prng.below(0x10000));
  return std::next(commands_.begin(), static_cast<ptrdiff_t>(prng.below(commands_.size())))->first;
}

std::shared_ptr<Fate> ModelQueue::watch(uint16_t cid) {
  const auto found = commands_.find(cid);
  if (found == commands_.end()) return nullptr;
  Command& command = found->second;
  if (command.fate == nullptr) command.fate = std::make_shared<Fate>();
  return command.fate;
}

void ModelQueue::submit(Bytes sqe, Bytes to_controller, bool in_capsule, size_t reads, Done done) {
  ASSERT(is_open() && initialized_);
  while (commands_.contains(cid_next_)) ++cid_next_;
  const uint16_t cid = cid_next_++;
  Command& command = commands_[cid];
  command.reads = reads;
  command.in_capsule = in_capsule;
  command.done = std::move(done);
  put(sqe, kSqeFlags, 1, get(sqe, kSqeFlags, 1) | kPsdtSgl);
  put(sqe, kSqeCid, 2, cid);
  put(sqe, kSqeSglLength, 4, to_controller.empty() ? reads : to_controller.size());
  put(sqe, kSqeSglType, 1, in_capsule ? kSglInCapsule : kSglTransport);
  if (in_capsule) {
    send(make_capsule(sqe, std::move(to_controller)));
  } else {
    command.to_controller = std::move(to_controller);
    send(make_capsule(sqe));
    rush(cid);
  }
}

// ---- Out ----------------------------------------------------------------------------------------

void ModelQueue::send(ModelPdu pdu) {
  findings_.trace(name_, [&] { return "sends " + text_of(pdu); });
  const bool flips = spoil(pdu);
  Bytes bytes = encode(pdu, initialized_ ? temper_.digests : ModelDigests{}, alignment_);
  if (flips) {
    Prng& prng = network_.machine().prng();
    bytes[prng.below(bytes.size())] ^= static_cast<std::byte>(1u << prng.below(8));
  }
  outgoing_.insert(outgoing_.end(), bytes.begin(), bytes.end());
  push_out();
}

/// Data of a command that was asked for none yet, as if its R2T had been heard of.
ModelPdu ModelQueue::guessed_data(uint16_t cid) {
  Command& command = commands_.at(cid);
  // Its header is behind what is sent already. Nobody may look at it before its digest is there.
  command.guess_ends = sent_bytes_ + outgoing_.size() + kHostDataHeaderBytes +
                       (temper_.digests.header ? kHeaderDigestBytes : 0);
  if (env::sim::SimSocket* const target = socket_->other()) {
    target->handed_over = [this, alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) note_guesses_seen();
    };
  }
  // The tag that was used last is likely to be used next.
  Prng& prng = network_.machine().prng();
  const auto any = static_cast<uint16_t>(prng.below(kTagsGuessed));
  const uint16_t tag = prng.chance(3, 4) ? tag_heard_ : any;
  command.guess_tag = tag;
  return make_h2c_data(cid, tag, 0, command.to_controller, true);
}

/// The data follow their command at once, and for a while nothing leaves the target, so that there
/// may be something in the way of its R2T.
void ModelQueue::rush(uint16_t cid) {
  env::sim::SimMachine& machine = network_.machine();
  if (temper_.spoils_one_in == 0 || !machine.prng().chance(1, kRushesOneIn) || !is_open()) return;
  env::sim::SimSocket* const target = socket_->other();
  if (target == nullptr) return;
  target->block_writes(true);
  machine.after(kRushNs, [target] { target->block_writes(false); });
  machine.after(machine.prng().below(kRushNs), [this, alive = std::weak_ptr<bool>(alive_), cid] {
    if (alive.expired() || !is_open()) return;
    const auto found = commands_.find(cid);
    if (found == commands_.end() || found->second.asked > 0) return;
    spoiled_ = true;
    const ModelPdu pdu = guessed_data(cid);
    findings_.trace(name_, [&] { return "rushes to send " + text_of(pdu); });
    const Bytes bytes = encode(pdu, temper_.digests, alignment_);
    outgoing_.insert(outgoing_.end(), bytes.begin(), bytes.end());
    push_out();
  });
}

/// A target may take data for an R2T that it has sent, and who guesses well is as good as who
/// hears.
void ModelQueue::note_guesses_seen() {
  const env::sim::SimSocket* const target = socket_ == nullptr ? nullptr : socket_->other();
  if (target == nullptr) return;
  for (auto& [cid, command] : commands_) {
    if (command.guess_ends == 0 || command.sent_before_guess != 0) continue;
    if (target->handed_bytes() >= command.guess_ends) {
      command.sent_before_guess = target->offered_bytes();
    }
  }
}

/// The command that the PDU is of must not succeed any more.
void ModelQueue::note_spoiled(const ModelPdu& pdu) {
  const bool capsule = pdu.type == ModelPduType::CapsuleCmd;
  const auto cid = static_cast<uint16_t>(get(pdu.header, capsule ? 8 + kSqeCid : 8, 2));
  if (const auto found = commands_.find(cid); found != commands_.end()) {
    found->second.spoiled = true;
  }
}

/// Whether a bit of what is sent is to be another one; or else some field is another one already.
bool ModelQueue::spoil(ModelPdu& pdu) {
  Prng& prng = network_.machine().prng();
  if (temper_.spoils_one_in == 0) return false;
  // Those that a target has to look at most.
  const bool host_data = pdu.type == ModelPduType::H2cData;
  const uint32_t one_in =
      host_data ? std::max(temper_.spoils_one_in / 8, 2u) : temper_.spoils_one_in;
  if (!prng.chance(1, one_in)) return false;
  spoiled_ = true;
  findings_.trace(name_, [] { return "which it spoils"; });
  if (host_data && prng.chance(3, 4)) {
    spoil_host_data(pdu);
    return false;
  }
  switch (prng.below(4)) {
    case 0:
      if (initialized_ && temper_.digests.header && temper_.digests.data) note_spoiled(pdu);
      return true;
    case 1: {
      const auto bit = static_cast<uint8_t>(1u << prng.below(8));
      if (host_data && bit == kFlagLast) note_spoiled(pdu);
      pdu.flags ^= bit;
      return false;
    }
    case 2: {
      // CCCID, TTAG, DATAO, DATAL; or the opcode and what follows it.
      const size_t at = 8 + 2 * prng.below(6);
      const uint64_t before = get(pdu.header, at, 2);
      const uint64_t value = prng.below(0x10000) >> prng.below(16);
      if (host_data && value != before) note_spoiled(pdu);
      put(pdu.header, at, 2, value);
      return false;
    }
    default: {
      const size_t before = pdu.data.size();
      pdu.data.resize(prng.between(1, before == 0 ? 16'384 : 2 * before));
      if (host_data && pdu.data.size() != before) note_spoiled(pdu);
      return false;
    }
  }
}

/// Data that a careless target would take for what it asked for.
void ModelQueue::spoil_host_data(ModelPdu& pdu) {
  Prng& prng = network_.machine().prng();
  switch (prng.below(4)) {
    case 0: {
      // Of an R2T that another queue was sent.
      const R2tHeard& heard = *temper_.heard;
      if (heard.port == port_) return;
      note_spoiled(pdu);
      pdu = make_h2c_data(heard.cid, heard.tag, heard.offset, Bytes(heard.length), true);
      return;
    }
    case 1: {
      // Of one that is still to come, or on its way: then it is as good as one that was heard of.
      const auto waits = std::ranges::find_if(commands_, [](const auto& command) {
        return !command.second.to_controller.empty() && command.second.asked == 0;
      });
      if (waits == commands_.end()) return;
      note_spoiled(pdu);
      pdu = guessed_data(waits->first);
      return;
    }
    case 2:
      // As if more were to come, or none.
      note_spoiled(pdu);
      pdu.flags ^= kFlagLast;
      return;
    default:
      // More than was asked for, and as if more were to come.
      note_spoiled(pdu);
      pdu.data.resize(pdu.data.size() + prng.between(1, 4096));
      put(pdu.header, 16, 4, pdu.data.size());
      pdu.flags &= static_cast<uint8_t>(~kFlagLast);
      return;
  }
}

void ModelQueue::push_out() {
  while (!outgoing_.empty() && is_open()) {
    const size_t most = std::min<size_t>(outgoing_.size(), temper_.writes_at_once);
    const size_t count = network_.machine().prng().between(1, most);
    const size_t taken = socket_->write(std::span(outgoing_).first(count));
    if (taken == 0) return;
    sent_bytes_ += taken;
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<ptrdiff_t>(taken));
    if (sent_bytes_ >= resets_after_bytes_) return reset();
  }
}

// ---- In -----------------------------------------------------------------------------------------

void ModelQueue::read_later() {
  if (reading_ || over_) return;
  // What ends the connection is heard of even by who does not read.
  if (read_bytes_ >= temper_.reads_bytes_max && socket_->error() == 0) return;
  reading_ = true;
  env::sim::SimMachine& machine = network_.machine();
  const std::weak_ptr<bool> alive = alive_;
  machine.after(temper_.reads_after.pick(machine.prng()), [this, alive] {
    if (alive.expired()) return;
    reading_ = false;
    read_now();
  });
}

void ModelQueue::read_now() {
  if (over_) return;
  if (socket_->error() != 0 || socket_->at_end()) return end();
  Bytes bytes(network_.machine().prng().between(1, temper_.reads_at_once));
  bytes.resize(socket_->read(bytes));
  read_bytes_ += bytes.size();
  const std::string found =
      reader_.consume(bytes, [this](ModelPdu& pdu) { return over_ ? "" : take(pdu); });
  if (!found.empty()) return wrong(found);
  if (!over_ && (socket_->readable_bytes() > 0 || socket_->at_end())) read_later();
}

std::string ModelQueue::take(ModelPdu& pdu) {
  findings_.trace(name_, [&] { return "is sent " + text_of(pdu); });
  if (terminated_) return "a PDU came behind a C2HTermReq";
  switch (pdu.type) {
    case ModelPduType::IcResp: return take_ic_resp(pdu);
    case ModelPduType::R2t: return take_r2t(pdu);
    case ModelPduType::C2hData: return take_data(pdu);
    case ModelPduType::CapsuleResp: return take_response(pdu);
    case ModelPduType::C2hTermReq:
      terminated_ = true;
      return "a C2HTermReq came, with status " + std::to_string(get(pdu.header, 8, 2)) +
             " and information " + std::to_string(get(pdu.header, 10, 4));
    default: return text_of(pdu) + " came";
  }
}

std::string ModelQueue::take_ic_resp(const ModelPdu& pdu) {
  if (initialized_) return "a second ICResp came";
  const uint64_t digests = get(pdu.header, 11, 1);
  const uint64_t wanted = (temper_.digests.header ? 1u : 0u) | (temper_.digests.data ? 2u : 0u);
  if (digests != wanted) return "ICResp has DGST " + std::to_string(digests);
  alignment_ = (get(pdu.header, 10, 1) + 1) * 4;
  data_max_ = static_cast<uint32_t>(get(pdu.header, 12, 4));
  if (data_max_ < 4096) return "ICResp has MAXH2CDATA " + std::to_string(data_max_);
  initialized_ = true;
  reader_.set_digests(temper_.digests);
  // From an event of its own: the reader is not asked for more while it gives.
  network_.machine().after(0, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && !over_) open_(true);
  });
  return "";
}

std::string ModelQueue::take_r2t(const ModelPdu& pdu) {
  const auto cid = static_cast<uint16_t>(get(pdu.header, 8, 2));
  const auto tag = static_cast<uint16_t>(get(pdu.header, 10, 2));
  const uint64_t offset = get(pdu.header, 12, 4);
  const uint64_t length = get(pdu.header, 16, 4);
  const auto found = commands_.find(cid);
  const std::string name = "an R2T for command " + std::to_string(cid);
  if (found == commands_.end()) return name + ", which there is not";
  Command& command = found->second;
  if (command.in_capsule || command.to_controller.empty()) return name + ", which has no data";
  if (offset != command.asked || length == 0 || offset + length > command.to_controller.size()) {
    return name + " asks for " + std::to_string(length) + " bytes at " + std::to_string(offset) +
           ", expected them at " + std::to_string(command.asked);
  }
  // What was guessed may come too early; a target that takes it all the same is wrong.
  if (command.guess_ends != 0) {
    const uint64_t sent = command.sent_before_guess;
    const bool early = sent != 0 && reader_.taken_bytes() > sent;
    if (early) command.spoiled = true;
    command.guessed = !early && tag == command.guess_tag;
    command.guess_ends = 0;
  }
  tag_heard_ = tag;
  command.asked += length;
  R2tHeard& heard = *temper_.heard;
  const bool stays = !temper_.answers_r2ts;
  // What stays can be abused for longer.
  if (stays || !heard.stays || network_.machine().prng().chance(1, 8)) {
    heard = {port_, cid, tag, static_cast<uint32_t>(offset), static_cast<uint32_t>(length), stays};
  }
  if (!temper_.answers_r2ts) {
    owes_since_ns_ = std::min(owes_since_ns_, network_.machine().now_ns());
    return "";
  }
  env::sim::SimMachine& machine = network_.machine();
  const uint64_t delay_ns = temper_.answers_after.pick(machine.prng());
  if (delay_ns == 0) {
    answer_r2t(cid, tag, offset, length);
    return "";
  }
  machine.after(delay_ns, [this, alive = std::weak_ptr<bool>(alive_), cid, tag, offset, length] {
    if (!alive.expired() && is_open()) answer_r2t(cid, tag, offset, length);
  });
  return "";
}

void ModelQueue::answer_r2t(uint16_t cid, uint16_t tag, uint64_t offset, uint64_t length) {
  const auto found = commands_.find(cid);
  // It may have been answered with an error meanwhile, and then nothing more is wanted of it.
  if (found == commands_.end()) return;
  const Bytes data = found->second.to_controller;
  Prng& prng = network_.machine().prng();
  const size_t most = std::min<size_t>(data_max_, temper_.writes_at_once);
  for (uint64_t done = 0; done < length;) {
    uint64_t count = std::min<uint64_t>(length - done, most);
    if (prng.chance(1, 4)) count = prng.between(1, count);
    // All but the last have a multiple of four.
    if (done + count < length)
      count = std::max<uint64_t>(count / 4 * 4, std::min<uint64_t>(4, length - done));
    const auto from = data.begin() + static_cast<ptrdiff_t>(offset + done);
    send(make_h2c_data(cid, tag, static_cast<uint32_t>(offset + done),
                       Bytes(from, from + static_cast<ptrdiff_t>(count)), done + count == length));
    if (over_) return;
    done += count;
  }
}

std::string ModelQueue::take_data(const ModelPdu& pdu) {
  const auto cid = static_cast<uint16_t>(get(pdu.header, 8, 2));
  const uint64_t offset = get(pdu.header, 12, 4);
  const uint64_t length = get(pdu.header, 16, 4);
  const auto found = commands_.find(cid);
  const std::string name = "data of command " + std::to_string(cid);
  if (found == commands_.end()) return name + ", which there is not";
  Command& command = found->second;
  if (length != pdu.data.size() || length == 0) return name + " have a wrong DATAL";
  if (offset != command.received || offset + length > command.reads) {
    return name + " are at " + std::to_string(offset) + ", expected at " +
           std::to_string(command.received) + " of " + std::to_string(command.reads);
  }
  command.data.insert(command.data.end(), pdu.data.begin(), pdu.data.end());
  command.received += length;
  const bool last = (pdu.flags & kFlagLast) != 0;
  const bool success = (pdu.flags & kFlagSuccess) != 0;
  if (last != (command.received == command.reads)) return name + " have a wrong LAST_PDU";
  if (success && !last) return name + " have SUCCESS before the last";
  if (success) complete(found, {true, 0, 0});
  return "";
}

std::string ModelQueue::take_response(const ModelPdu& pdu) {
  const auto cid = static_cast<uint16_t>(get(pdu.header, 8 + 12, 2));
  const auto found = commands_.find(cid);
  const std::string name = "an answer to command " + std::to_string(cid);
  if (found == commands_.end()) return name + ", which there is not";
  const auto status = static_cast<uint16_t>(get(pdu.header, 8 + 14, 2) >> 1 & kStatusCodeAndType);
  const Command& command = found->second;
  if (status == 0 && command.received != command.reads) return name + " came before its data";
  if (status == 0 && command.asked != command.to_controller.size()) {
    return name + " came before its data were asked for";
  }
  complete(found, {true, status, static_cast<uint32_t>(get(pdu.header, 8, 4))});
  return "";
}

void ModelQueue::complete(Commands::iterator command, const Outcome& outcome) {
  const bool succeeded = outcome.answered && outcome.status == 0;
  if (succeeded && command->second.spoiled && !command->second.guessed) {
    findings_.tell(name_ + ": command " + std::to_string(command->first) +
                   " succeeded, whose data were spoiled");
  }
  if (const auto& fate = command->second.fate; fate != nullptr) {
    fate->over = true;
    fate->succeeded = succeeded;
    if (succeeded && fate->aborted) {
      findings_.tell(name_ + ": command " + std::to_string(command->first) +
                     " succeeded, which had been aborted");
    }
  }
  const Done done = std::move(command->second.done);
  const Bytes data = std::move(command->second.data);
  commands_.erase(command);
  done(outcome, data);
}

// ---- The end ------------------------------------------------------------------------------------

void ModelQueue::wrong(const std::string& what) {
  if (!spoiled_) findings_.tell(name_ + ": " + what);
  reset();
}

/// False: there is no connection to be ended, and none will be.
bool ModelQueue::give_up() {
  if (socket_ == nullptr) over_ = true;
  return !over_;
}

void ModelQueue::close() {
  if (!give_up()) return;
  socket_->close();
  end();
}

void ModelQueue::reset() {
  if (!give_up()) return;
  socket_->reset();
  socket_->close();
  end();
}

void ModelQueue::vanish() {
  if (!give_up()) return;
  socket_->vanish();
  end();
}

void ModelQueue::end() {
  if (std::exchange(over_, true)) return;
  if (!socket_->closed()) socket_->close();
  while (!commands_.empty()) complete(commands_.begin(), {});
  if (!initialized_) open_(false);
  if (closed != nullptr) closed();
}

}  // namespace capsuled::sim
