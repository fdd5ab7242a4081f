// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "queues/counters.h"

// What a shard whose network is our own TCP/IP stack publishes of it: of each port, a device that
// it has an end of, and of the TCP above them. As queues/counters.h.

namespace godwit::queues {

enum class PortMetric : std::size_t {
  packets_received,
  packets_sent,
  packets_uncut,
  packets_unsent_ring,
  packets_unsent_buffer,
  packets_steered,
  packets_steered_lost,
  ignored_link,
  ignored_ip,
  ignored_transport,
  ignored_outgoing,
  count_
};

enum class StackMetric : std::size_t {
  segments_received,
  segments_sent,
  retransmits,
  spurious_retransmits,
  timeouts,
  given_up,
  resets_received,
  resets_sent,
  syn_received,
  syn_dropped,
  cookies_sent,
  cookies_accepted,
  challenge_acks,
  no_memory,
  half_open,
  time_wait,
  orphans,
  buffer_bytes,
  memory,
  count_
};

inline constexpr std::string_view unsent_help =
    "Packets to send that were lost within the gateway.";
inline constexpr std::string_view ignored_help =
    "Packets that went no further, by where it was found: malformed, or not for this gateway.";

inline constexpr std::array<MetricInfo, static_cast<std::size_t>(PortMetric::count_)> port_metrics{{
    {"network_packets_received_total", MetricKind::counter,
     "Packets a shard took from the device."},
    {"network_packets_sent_total", MetricKind::counter, "Packets a shard gave to the device."},
    {"network_packets_tso_total", MetricKind::counter,
     "Of these, packets for the device to cut into TCP segments."},
    {"network_packets_unsent_total", MetricKind::counter, unsent_help, "reason=\"ring\""},
    {"network_packets_unsent_total", MetricKind::counter, unsent_help, "reason=\"buffer\""},
    {"network_packets_steered_total", MetricKind::counter,
     "Packets handed to the shard whose connection they were for."},
    {"network_packets_steered_lost_total", MetricKind::counter,
     "Packets lost because that shard's ring was full."},
    {"network_packets_ignored_total", MetricKind::counter, ignored_help, "layer=\"link\""},
    {"network_packets_ignored_total", MetricKind::counter, ignored_help, "layer=\"ip\""},
    {"network_packets_ignored_total", MetricKind::counter, ignored_help, "layer=\"transport\""},
    {"network_packets_ignored_total", MetricKind::counter, ignored_help, "layer=\"outgoing\""},
}};

inline constexpr std::array<MetricInfo, static_cast<std::size_t>(StackMetric::count_)>
    stack_metrics{{
        {"tcp_segments_received_total", MetricKind::counter, "TCP segments received."},
        {"tcp_segments_sent_total", MetricKind::counter, "TCP segments sent."},
        {"tcp_retransmitted_total", MetricKind::counter, "TCP segments sent again."},
        {"tcp_spurious_retransmits_total", MetricKind::counter,
         "Segments sent again that the peer had (D-SACK)."},
        {"tcp_timeouts_total", MetricKind::counter, "Retransmission timeouts."},
        {"tcp_given_up_total", MetricKind::counter, "Connections whose peer no longer answered."},
        {"tcp_resets_received_total", MetricKind::counter,
         "Connections ended by the peer's reset."},
        {"tcp_resets_sent_total", MetricKind::counter, "Resets sent."},
        {"tcp_syn_received_total", MetricKind::counter, "Connections asked for."},
        {"tcp_syn_dropped_total", MetricKind::counter,
         "Of these, given neither a place nor a cookie."},
        {"tcp_syn_cookies_sent_total", MetricKind::counter,
         "SYN cookies sent because too many connections were half open."},
        {"tcp_syn_cookies_accepted_total", MetricKind::counter,
         "Connections opened by a SYN cookie."},
        {"tcp_challenge_acks_total", MetricKind::counter,
         "Answers to segments that may be forged (RFC 5961)."},
        {"tcp_dropped_no_memory_total", MetricKind::counter,
         "Segments dropped because the shard's network buffers were used up."},
        {"tcp_half_open", MetricKind::gauge, "Connections half open."},
        {"tcp_time_wait", MetricKind::gauge, "Ended connections that wait out old segments."},
        {"tcp_orphans", MetricKind::gauge, "Connections closed here and not yet by the peer."},
        {"tcp_buffer_bytes", MetricKind::gauge, "Bytes queued in connections, both ways."},
        {"tcp_memory_bytes", MetricKind::gauge, "Memory the stack has taken."},
    }};

// Counters of one of several alike, with the labels that tell it from the others:
// "shard=\"0\",port=\"net_tap0\"".
template <typename Source>
struct LabelledCounters {
  std::string labels;
  const Source* counters = nullptr;
};

class PortCounters : public Counters<PortMetric> {};
class StackCounters : public Counters<StackMetric> {};

}  // namespace godwit::queues
