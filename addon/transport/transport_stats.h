// TransportStats: counters of the connections of one reactor; 64-bit words, one writer (the
// reactor), read by the control thread without locks. kTransportStatNames has the order. The
// per-state counters are gauges: after the last connection and request ended, all but the `free`
// ones are zero.
#pragma once

#include <array>
#include <cstdint>

namespace capsuled::transport {

#define CAPSULED_TRANSPORT_STATS(X) \
  X(connections_total)              \
  X(connections_rejected)           \
  X(connections_displaced)          \
  X(connection_free)                \
  X(connection_await_icreq)         \
  X(connection_await_connect)       \
  X(connection_live)                \
  X(connection_terminating)         \
  X(connection_draining)            \
  X(connection_closing)             \
  X(request_free)                   \
  X(request_receiving)              \
  X(commands_parked)                \
  X(request_await_host_data)        \
  X(request_executing)              \
  X(request_await_control)          \
  X(request_responding)             \
  X(request_retiring)               \
  X(pdus_received)                  \
  X(pdus_sent)                      \
  X(bytes_received)                 \
  X(bytes_sent)                     \
  X(sends)                          \
  X(receives)                       \
  X(receives_in_place)              \
  X(keep_alive_commands)            \
  X(keep_alive_expired)             \
  X(control_commands)               \
  X(error_invalid_pdu_header)       \
  X(error_pdu_sequence)             \
  X(error_header_digest)            \
  X(error_data_digest)              \
  X(error_data_out_of_range)        \
  X(error_data_limit_exceeded)      \
  X(error_unsupported_parameter)    \
  X(error_icreq_timeout)            \
  X(error_connect_timeout)          \
  X(error_pdu_timeout)              \
  X(error_h2c_term_req)             \
  X(error_queue_overrun)            \
  X(limit_stranger_requests)        \
  X(limit_stranger_host_waits)      \
  X(limit_stranger_parked)          \
  X(limit_stranger_small_buffers)   \
  X(limit_stranger_large_buffers)   \
  X(limit_discovery_requests)       \
  X(limit_discovery_host_waits)     \
  X(limit_discovery_parked)         \
  X(limit_discovery_small_buffers)  \
  X(limit_discovery_large_buffers)  \
  X(limit_discovery_event_waits)    \
  X(limit_admin_event_waits)        \
  X(limit_admin_requests)           \
  X(limit_admin_host_waits)         \
  X(limit_admin_parked)             \
  X(limit_admin_small_buffers)      \
  X(limit_admin_large_buffers)      \
  X(limit_host_requests)            \
  X(limit_host_host_waits)          \
  X(limit_host_parked)              \
  X(limit_host_small_buffers)       \
  X(limit_host_large_buffers)       \
  X(limit_host_bdev_buffers)        \
  X(limit_host_bdev_requests)

struct alignas(64) TransportStats {
#define X(name) uint64_t name = 0;
  CAPSULED_TRANSPORT_STATS(X)
#undef X
};

#define X(name) #name,
inline constexpr std::array kTransportStatNames = {CAPSULED_TRANSPORT_STATS(X)};
#undef X

}  // namespace capsuled::transport
