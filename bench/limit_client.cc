// The client of limit_server: keeps so many requests under way on each connection, polling, and
// prints what came back, as JSON with times in µs.
//
//   limit_client CORE PORT READ_PERCENT BYTES DEPTH CONNECTIONS SECONDS
#include <algorithm>
#include <memory>
#include <vector>

#include "base/prng.h"
#include "perf/latency_histogram.h"
#include "shape.h"
#include "stream.h"

namespace capsuled::bench {
namespace {

struct Load {
  uint32_t read_percent = 100;
  uint32_t bytes = 4096;
  uint32_t depth = 1;
};

class Connection {
 public:
  Connection(uint16_t port, const Load& load, uint64_t seed)
      : stream_(connect_to(port)),
        load_(load),
        prng_(seed),
        requests_(load.depth),
        host_data_(load.depth),
        started_ns_(load.depth),
        data_(load.bytes) {}

  void begin() {
    for (uint32_t tag = 0; tag < load_.depth; tag++) ask(tag, now_ns());
    stream_.flush();
  }

  /// One turn; false: closed.
  bool turn(perf::LatencyHistogram& latency) {
    if (stream_.pending() > 0) stream_.flush();
    stream_.receive();
    if (stream_.closed()) return false;
    if (stream_.there() == 0) return true;
    const uint64_t now = now_ns();
    while (stream_.skipped() && stream_.there() >= sizeof(Response)) {
      Response response;
      std::memcpy(&response, stream_.at(), sizeof(response));
      // The data of an answer must have come before it counts.
      if (response.bytes > 0 && stream_.there() < sizeof(Response) + response.bytes &&
          response.bytes <= kWholeMax) {
        break;
      }
      stream_.take(sizeof(response));
      stream_.skip(response.bytes);
      if (response.answer == Answer::Asked) {
        Request& header = host_data_[response.tag];
        header = {};
        header.ask = Ask::HostData;
        header.bytes = load_.bytes;
        header.tag = response.tag;
        stream_.add(&header, kHostDataHeaderBytes);
        stream_.add(data_.data(), load_.bytes);
        continue;
      }
      latency.add(now - started_ns_[response.tag]);
      ask(response.tag, now);
    }
    stream_.settle();
    stream_.flush();
    return true;
  }

 private:
  static constexpr uint32_t kWholeMax = 256 * 1024;

  void ask(uint64_t tag, uint64_t now) {
    const bool read = prng_.next() % 100 < load_.read_percent;
    Request& request = requests_[tag];
    request = {};
    request.ask = read ? Ask::Read : load_.bytes <= kInCapsuleBytes ? Ask::Write : Ask::WriteLater;
    request.bytes = load_.bytes;
    request.tag = tag;
    started_ns_[tag] = now;
    stream_.add(&request, sizeof(request));
    if (request.ask == Ask::Write) stream_.add(data_.data(), load_.bytes);
  }

  Stream stream_;
  Load load_;
  Prng prng_;
  std::vector<Request> requests_;
  std::vector<Request> host_data_;
  std::vector<uint64_t> started_ns_;
  std::vector<std::byte> data_;
};

int run(char** argv) {
  pin_to_core(std::atoi(argv[1]));
  Load load;
  load.read_percent = static_cast<uint32_t>(std::atoi(argv[3]));
  load.bytes = static_cast<uint32_t>(std::atoi(argv[4]));
  load.depth = static_cast<uint32_t>(std::atoi(argv[5]));
  const int count = std::atoi(argv[6]);
  const double seconds = std::atof(argv[7]);
  std::vector<std::unique_ptr<Connection>> connections;
  for (int index = 0; index < count; index++) {
    connections.push_back(std::make_unique<Connection>(static_cast<uint16_t>(std::atoi(argv[2])),
                                                       load, static_cast<uint64_t>(index)));
  }
  for (const auto& connection : connections) connection->begin();
  auto latency = std::make_unique<perf::LatencyHistogram>();
  const uint64_t begin_ns = now_ns();
  const auto warm_ns = static_cast<uint64_t>(2e8);
  const auto length_ns = static_cast<uint64_t>(seconds * 1e9);
  uint64_t measured_from_ns = 0;
  for (uint64_t now = begin_ns; measured_from_ns == 0 || now - measured_from_ns < length_ns;
       now = now_ns()) {
    if (measured_from_ns == 0 && now - begin_ns > warm_ns) {
      *latency = perf::LatencyHistogram();
      measured_from_ns = now;
    }
    for (const auto& connection : connections) {
      if (!connection->turn(*latency)) fail("the server has closed");
    }
  }
  const double elapsed = static_cast<double>(now_ns() - measured_from_ns) / 1e9;
  const auto us = [&](double quantile) {
    return static_cast<double>(latency->quantile_ns(quantile)) / 1000;
  };
  std::printf("{\"iops\":%.0f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f}\n",
              static_cast<double>(latency->count()) / elapsed, us(0.5), us(0.99), us(0.999));
  return 0;
}

}  // namespace
}  // namespace capsuled::bench

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr,
                 "usage: limit_client CORE PORT READ_PERCENT BYTES DEPTH CONNECTIONS SECONDS\n");
    return 2;
  }
  return capsuled::bench::run(argv);
}
