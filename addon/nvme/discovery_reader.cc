#include "nvme/discovery_reader.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/assert.h"

namespace capsuled::nvme {
namespace {

constexpr uint32_t kHeaderBytes = sizeof(wire::DiscoveryLogHeader);
constexpr uint32_t kRecordBytes = sizeof(wire::DiscoveryLogEntry);
constexpr uint32_t kRecordsAtOnce = kAdminDataBytes / kRecordBytes;
/// Times that a log page is read anew, because it changed meanwhile.
constexpr uint32_t kRestartsMax = 4;
constexpr uint64_t kConnectNs = 3'000'000'000;
constexpr uint64_t kTimeoutNs = 5'000'000'000;

std::string text_of(const env::Endpoint& endpoint) {
  const bool ipv6 = endpoint.address.find(':') != std::string::npos;
  const std::string address = ipv6 ? "[" + endpoint.address + "]" : endpoint.address;
  return address + ":" + std::to_string(endpoint.port);
}

/// Where an entry leads; without a port: nowhere that we can go.
env::Endpoint endpoint_of(const wire::DiscoveryLogEntry& entry) {
  const auto family = static_cast<wire::AddressFamily>(entry.adrfam);
  const bool tcp = static_cast<wire::TransportType>(entry.trtype) == wire::TransportType::kTcp;
  if (!tcp || (family != wire::AddressFamily::kIpv4 && family != wire::AddressFamily::kIpv6)) {
    return {};
  }
  const std::string_view port = entry.trsvcid.view();
  env::Endpoint endpoint{std::string(entry.traddr.view()), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  // Some pad with NUL, others with spaces.
  const bool whole = end == port.data() + port.size() || *end == '\0';
  if (error != std::errc() || !whole) return {};
  endpoint.address.resize(std::min(endpoint.address.size(), endpoint.address.find('\0')));
  return endpoint;
}

}  // namespace

DiscoveryReader::DiscoveryReader(Reactor& reactor)
    : reactor_(reactor), controller_(reactor, *this) {
  timer_.reader = this;
  timer_.expired = [](Timer& timer) { static_cast<ReaderTimer&>(timer).reader->on_time(); };
}

DiscoveryReader::~DiscoveryReader() { ASSERT_MSG(idle(), "a reader destroyed while it reads"); }

void DiscoveryReader::set_state(State state) {
  const bool allowed =
      (state_ == State::Idle && state == State::Connecting) ||
      (state_ == State::Connecting && (state == State::Reading || state == State::Leaving)) ||
      (state_ == State::Reading && state == State::Leaving) ||
      (state_ == State::Leaving && (state == State::Connecting || state == State::Idle));
  ASSERT_MSG(allowed, "a transition that readers do not have");
  state_ = state;
}

void DiscoveryReader::read(const DiscoveryOptions& options,
                           std::function<void(DiscoveryFindings)> done) {
  ASSERT(idle() && !options.addresses.empty());
  options_ = options;
  done_ = std::move(done);
  findings_ = {};
  visited_.clear();
  until_ns_ = reactor_.now_ns() + kReadingNs;
  for (const env::Endpoint& address : options.addresses) refer(address, 0);
  next();
}

void DiscoveryReader::stop() {
  if (idle()) return;
  to_visit_.clear();
  if (state_ != State::Leaving) leave("");
}

/// Each address once, so that circles end.
void DiscoveryReader::refer(const env::Endpoint& endpoint, uint32_t level) {
  const Address address{endpoint.address, endpoint.port};
  if (visited_.contains(address)) return;
  if (level > kLevelsMax || visited_.size() == kVisitsMax) {
    findings_.more = true;
    return;
  }
  visited_.insert(address);
  to_visit_.push_back({endpoint, level});
}

void DiscoveryReader::next() {
  while (!to_visit_.empty()) {
    visit_ = std::move(to_visit_.front());
    to_visit_.pop_front();
    const Result<env::SocketAddress> address = reactor_.env().resolve(visit_.endpoint);
    if (!address.ok()) {
      findings_.failures.push_back(text_of(visit_.endpoint) + ": " + address.error().what);
      continue;
    }
    failure_.clear();
    restarts_ = 0;
    set_state(State::Connecting);
    reactor_.start_timer(timer_, std::min(reactor_.now_ns() + kVisitNs, until_ns_));
    FabricsControllerOptions options;
    options.io_queues = 0;
    options.io_entries = 2;
    options.nsids.clear();
    options.timeout_ns = kTimeoutNs;
    options.connect_timeout_ns = kConnectNs;
    options.keep_alive_timeout_ms = 0;
    options.address = address.value();
    options.subnqn = std::string(wire::kDiscoveryNqn);
    options.hostnqn = options_.hostnqn;
    options.hostid = options_.hostid;
    controller_.connect(options);
    return;
  }
  // There was one to visit at least, but maybe none that has an address.
  if (!idle()) set_state(State::Idle);
  const auto done = std::exchange(done_, nullptr);
  done(std::exchange(findings_, {}));
}

void DiscoveryReader::controller_live(Controller&) {
  if (state_ != State::Connecting) return;
  set_state(State::Reading);
  begin_log();
}

void DiscoveryReader::controller_closed(Controller&, const std::string& reason) {
  reactor_.cancel_timer(timer_);
  if (state_ != State::Leaving) set_state(State::Leaving);
  if (failure_.empty()) failure_ = reason;
  if (!failure_.empty()) {
    findings_.failures.push_back(text_of(visit_.endpoint) + ": " + failure_);
  }
  next();
}

void DiscoveryReader::leave(std::string failure) {
  failure_ = std::move(failure);
  set_state(State::Leaving);
  reactor_.cancel_timer(timer_);
  controller_.disconnect();
}

void DiscoveryReader::on_time() {
  const bool over = reactor_.now_ns() >= until_ns_;
  if (over) findings_.more = findings_.more || !std::exchange(to_visit_, {}).empty();
  leave("it takes longer than " + std::to_string((over ? kReadingNs : kVisitNs) / 1'000'000'000) +
        " s");
}

// ---- The log page ------------------------------------------------------------------------------

void DiscoveryReader::read_log(uint64_t offset, uint32_t bytes,
                               std::function<void(std::span<const std::byte>)> take) {
  AdminCommand get;
  get.sqe.opcode = static_cast<uint8_t>(wire::AdminOpcode::kGetLogPage);
  using Cdw10 = wire::GetLogPageCdw10;
  const uint32_t cdw10 = Cdw10::Lid::set(0u, static_cast<uint32_t>(wire::LogPage::kDiscovery));
  get.sqe.cdw10.set(Cdw10::Numdl::set(cdw10, bytes / 4 - 1));
  get.sqe.cdw12.set(static_cast<uint32_t>(offset));
  get.sqe.cdw13.set(static_cast<uint32_t>(offset >> 32));
  get.bytes = bytes;
  get.done = [this, take = std::move(take)](const AdminOutcome& outcome) {
    if (state_ != State::Reading || !outcome.answered) return;
    if (outcome.ok()) return take(outcome.data);
    // Where there were records there may be none now.
    anew("Get Log Page of the discovery log: " + Controller::words_of(status_of(outcome.cqe)));
  };
  controller_.add_command(std::move(get));
}

/// What was read so far is worth nothing, because of `reason`.
void DiscoveryReader::anew(std::string reason) {
  if (++restarts_ > kRestartsMax) return leave(std::move(reason));
  begin_log();
}

void DiscoveryReader::begin_log() {
  entries_.clear();
  records_read_ = 0;
  read_log(0, kHeaderBytes, [this](std::span<const std::byte> log) {
    take_header(wire::view_as<wire::DiscoveryLogHeader>(log));
  });
}

void DiscoveryReader::take_header(const wire::DiscoveryLogHeader& header) {
  generation_ = header.genctr.get();
  records_ = std::min(header.numrec.get(), kRecordsMax);
  if (header.recfmt.get() != 0) {
    leave("its discovery log has a format that this host does not know");
    return;
  }
  read_records();
}

void DiscoveryReader::read_records() {
  if (records_read_ == records_) return check_unchanged();
  const auto count =
      static_cast<uint32_t>(std::min<uint64_t>(records_ - records_read_, kRecordsAtOnce));
  read_log(kHeaderBytes + records_read_ * kRecordBytes, count * kRecordBytes,
           [this, count](std::span<const std::byte> log) {
             for (uint32_t index = 0; index < count; ++index) {
               entries_.push_back(
                   wire::view_as<wire::DiscoveryLogEntry>(log.subspan(index * kRecordBytes)));
             }
             records_read_ += count;
             read_records();
           });
}

/// Pieces of two logs are no log.
void DiscoveryReader::check_unchanged() {
  read_log(0, kHeaderBytes, [this](std::span<const std::byte> log) {
    if (wire::view_as<wire::DiscoveryLogHeader>(log).genctr.get() != generation_) {
      return anew("its discovery log changes faster than it can be read");
    }
    for (const wire::DiscoveryLogEntry& entry : entries_) take_record(entry);
    leave("");
  });
}

void DiscoveryReader::take_record(const wire::DiscoveryLogEntry& entry) {
  const env::Endpoint endpoint = endpoint_of(entry);
  if (endpoint.port == 0) return;
  const auto type = static_cast<wire::SubsystemType>(entry.subtype);
  if (type == wire::SubsystemType::kReferral) return refer(endpoint, visit_.level + 1);
  if (type != wire::SubsystemType::kNvme || entry.subnqn.view() != options_.subnqn) return;
  const bool known = std::ranges::any_of(findings_.endpoints, [&](const env::Endpoint& other) {
    return other.address == endpoint.address && other.port == endpoint.port;
  });
  if (known) return;
  if (findings_.endpoints.size() < options_.endpoints_max) {
    findings_.endpoints.push_back(endpoint);
  } else {
    findings_.more = true;
  }
}

}  // namespace capsuled::nvme
