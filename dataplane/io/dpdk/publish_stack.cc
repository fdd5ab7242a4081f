// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/publish_stack.h"

namespace godwit::dataplane::io::dpdk {

namespace {

using queues::PortMetric;
using queues::StackMetric;

// The reasons from one to another, as tcp::Drop lists them.
std::uint64_t drops_between(const tcp::IpCounters& ip, tcp::Drop first, tcp::Drop last) {
  std::uint64_t sum = 0;
  for (auto i = static_cast<std::size_t>(first); i <= static_cast<std::size_t>(last); ++i) {
    sum += ip.drops[i];
  }
  return sum;
}

}  // namespace

void publish_stack(const tcp::Tcp& tcp, queues::StackCounters& counters) {
  const tcp::Counters& seen = tcp.counters();
  counters.set(StackMetric::segments_received, seen.segments_in);
  counters.set(StackMetric::segments_sent, seen.segments_out);
  counters.set(StackMetric::retransmits, seen.retransmits);
  counters.set(StackMetric::spurious_retransmits, seen.spurious_retransmits);
  counters.set(StackMetric::timeouts, seen.timeouts);
  counters.set(StackMetric::given_up, seen.timed_out);
  counters.set(StackMetric::resets_received, seen.resets_in);
  counters.set(StackMetric::resets_sent, seen.resets_out);
  counters.set(StackMetric::syn_received, seen.syn_received);
  counters.set(StackMetric::syn_dropped, seen.syn_dropped);
  counters.set(StackMetric::cookies_sent, seen.cookies_sent);
  counters.set(StackMetric::cookies_accepted, seen.cookies_accepted);
  counters.set(StackMetric::challenge_acks, seen.challenge_acks);
  counters.set(StackMetric::no_memory, seen.dropped_no_memory);
  counters.set(StackMetric::half_open, tcp.half_open());
  counters.set(StackMetric::time_wait, tcp.time_waits());
  counters.set(StackMetric::orphans, tcp.orphans());
  counters.set(StackMetric::buffer_bytes, tcp.buffers_in_use());
  counters.set(StackMetric::memory, tcp.memory_bytes());
}

void publish_layer(const tcp::IpLayer& layer, queues::PortCounters& counters) {
  using tcp::Drop;
  const tcp::IpCounters& ip = layer.counters();
  counters.set(PortMetric::ignored_link,
               drops_between(ip, Drop::short_frame, Drop::duplicate_address));
  counters.set(PortMetric::ignored_ip, drops_between(ip, Drop::bad_ip_header, Drop::group_address));
  counters.set(PortMetric::ignored_transport,
               drops_between(ip, Drop::bad_tcp_header, Drop::icmp_limited));
  counters.set(PortMetric::ignored_outgoing,
               drops_between(ip, Drop::no_route, Drop::address_not_ready));
}

void publish_queue(const QueueCounters& queue, queues::PortCounters& counters) {
  counters.set(PortMetric::packets_received, queue.rx_packets);
  counters.set(PortMetric::packets_sent, queue.tx_packets);
  counters.set(PortMetric::packets_uncut, queue.tx_uncut);
  counters.set(PortMetric::packets_unsent_ring, queue.tx_dropped);
  counters.set(PortMetric::packets_unsent_buffer, queue.no_buffers);
  counters.set(PortMetric::packets_steered, queue.steered);
  counters.set(PortMetric::packets_steered_lost, queue.steer_dropped);
}

}  // namespace godwit::dataplane::io::dpdk
