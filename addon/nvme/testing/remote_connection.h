// RemoteConnection: one NVMe/TCP connection of a RemoteSubsystem: PDUs become commands with their
// data, and answers become PDUs. It reads and writes a SimSocket, from the machine's events.
//
// Owner: a RemoteSubsystem. Thread: the simulation's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "env/sim/sim_network.h"
#include "pdu/pdu_reader.h"
#include "pdu/testing/make_pdu.h"
#include "wire/command.h"

namespace capsuled::nvme::testing {

using capsuled::testing::Octets;

struct RemoteCommand {
  wire::SubmissionQueueEntry sqe{};
  Octets data{};  ///< that it brings

  uint16_t cid() const { return sqe.cid.get(); }
};

class RemoteConnection;

class RemoteConnectionOwner {
 public:
  virtual void commanded(RemoteConnection& connection, RemoteCommand command) = 0;
  /// Once; no command of it follows.
  virtual void ended(RemoteConnection& connection) = 0;

 protected:
  ~RemoteConnectionOwner() = default;
};

class RemoteConnection : public std::enable_shared_from_this<RemoteConnection> {
 public:
  RemoteConnection(RemoteConnectionOwner& owner, env::sim::SimSocket& socket, uint32_t its_port)
      : port(its_port), owner_(owner), socket_(socket) {}

  /// Once it is somebody's.
  void begin();
  void answer(const wire::CompletionQueueEntry& cqe, const Octets& data = {});
  /// Reset.
  void cut();
  /// Nothing comes or goes any more.
  void silence() { silent_ = true; }
  bool open() const { return open_; }

  // From PduReader.
  PduVerdict on_header(const PduHeader& header, PayloadCursor*& payload);
  void on_pdu(DataDigest digest);
  void on_error(const PduError& error);

  const uint32_t port;  ///< through which it came
  uint16_t qid = 0;
  uint16_t cntlid = 0;  ///< 0: not connected yet
  /// The network is parted, and what came is carried out up to then; 0: it is not.
  uint64_t goes_on_until_ns = 0;

 private:
  struct Incoming {
    RemoteCommand command;
    size_t received = 0;
  };

  void on_readable();
  void send(const Octets& octets);
  void take_capsule();
  void take_data();
  void end();

  RemoteConnectionOwner& owner_;
  env::sim::SimSocket& socket_;
  PduReader<RemoteConnection, PduEnd::Controller> reader_;
  capsuled::testing::Digests digests_;
  wire::PduType type_ = {};
  Octets header_;
  Octets payload_;
  iovec payload_iov_ = {};
  PayloadCursor cursor_;
  std::map<uint16_t, Incoming> incoming_;  ///< by CID: data were asked for
  bool open_ = true;
  bool silent_ = false;
};

}  // namespace capsuled::nvme::testing
