// The limit of request and response over loopback TCP: a server with the byte shape of NVMe/TCP and
// nothing else: no protocol, no storage, no choice. One thread, polling; everything that one
// receive brought is answered by one gather send; payloads of writes are received into one hot
// buffer.
//
//   limit_server CORE CONNECTIONS
//
// Prints its port, serves so many connections until they are closed, and prints the requests that
// it answered and the time it was at work (turns that found something to do), as JSON.
#include <memory>
#include <vector>

#include "shape.h"
#include "stream.h"

namespace capsuled::bench {
namespace {

constexpr size_t kResponsesMax = 4096;
constexpr uint32_t kBytesMax = 1024 * 1024;

class Connection {
 public:
  Connection(int fd, const std::vector<std::byte>& data) : stream_(fd), data_(data) {}

  /// One turn; false: closed.
  bool turn(uint64_t& answered, bool& worked) {
    stream_.receive();
    if (stream_.closed()) return false;
    if (stream_.there() == 0) return true;
    worked = true;
    while (stream_.skipped()) {
      if (later_answer_) {
        answer(Answer::Done, later_.tag, 0);
        later_answer_ = false;
        ++answered;
      }
      Request request;
      if (stream_.there() < kHostDataHeaderBytes) break;
      std::memcpy(&request, stream_.at(), kHostDataHeaderBytes);
      if (request.ask == Ask::HostData) {
        stream_.take(kHostDataHeaderBytes);
        stream_.skip(request.bytes);
        later_ = request;
        later_answer_ = true;
        continue;
      }
      if (stream_.there() < sizeof(Request)) break;
      stream_.take(sizeof(Request));
      if (request.ask == Ask::WriteLater) {
        answer(Answer::Asked, request.tag, 0);
        continue;
      }
      if (request.ask == Ask::Write) {
        stream_.skip(request.bytes);
        later_ = request;
        later_answer_ = true;
        continue;
      }
      answer(Answer::Done, request.tag, request.bytes);
      ++answered;
    }
    stream_.settle();
    stream_.flush();
    return !stream_.closed();
  }
  bool pending() const { return stream_.pending() > 0 && !stream_.closed(); }
  void flush() { stream_.flush(); }

 private:
  /// With so many bytes of data behind it.
  void answer(Answer kind, uint64_t tag, uint32_t bytes) {
    Response& response = responses_[next_++ % kResponsesMax];
    response = {};
    response.answer = kind;
    response.bytes = bytes;
    response.tag = tag;
    stream_.add(&response, sizeof(response));
    if (bytes > 0) stream_.add(data_.data(), bytes);
  }

  Stream stream_;
  const std::vector<std::byte>& data_;
  std::vector<Response> responses_ = std::vector<Response>(kResponsesMax);
  size_t next_ = 0;
  Request later_{};
  bool later_answer_ = false;
};

int run(int core, int count) {
  pin_to_core(core);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof(address);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0) fail("bind");
  if (::listen(listener, count) != 0) fail("listen");
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) fail("port");
  std::printf("%u\n", ntohs(address.sin_port));
  std::fflush(stdout);
  const std::vector<std::byte> data(kBytesMax);
  std::vector<std::unique_ptr<Connection>> connections;
  for (int index = 0; index < count; index++) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd < 0) fail("accept");
    const int on = 1;
    if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) fail("TCP_NODELAY");
    connections.push_back(std::make_unique<Connection>(fd, data));
  }
  uint64_t answered = 0;
  uint64_t busy_ns = 0;
  uint64_t turn_ns = now_ns();
  while (!connections.empty()) {
    bool worked = false;
    std::erase_if(connections, [&](const auto& connection) {
      if (connection->pending()) {
        worked = true;
        connection->flush();
        if (connection->pending()) return false;
      }
      return !connection->turn(answered, worked);
    });
    const uint64_t ended_ns = now_ns();
    if (worked) busy_ns += ended_ns - turn_ns;
    turn_ns = ended_ns;
  }
  std::printf("{\"requests\":%llu,\"busy_ns\":%llu}\n", static_cast<unsigned long long>(answered),
              static_cast<unsigned long long>(busy_ns));
  return 0;
}

}  // namespace
}  // namespace capsuled::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: limit_server CORE CONNECTIONS\n");
    return 2;
  }
  return capsuled::bench::run(std::atoi(argv[1]), std::atoi(argv[2]));
}
