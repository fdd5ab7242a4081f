// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// What a stack has seen and done since its start. Written and read by the shard's thread, which
// publishes what others shall see. Values.

namespace godwit::dataplane::tcp {

struct Counters {
  std::uint64_t segments_in = 0;
  std::uint64_t segments_out = 0;  // those that left uncut, too
  std::uint64_t uncut_out = 0;     // several segments as one, for the port to cut
  std::uint64_t bytes_in = 0;      // given to users
  std::uint64_t bytes_out = 0;     // taken from users

  std::uint64_t active_opens = 0;
  std::uint64_t passive_opens = 0;
  std::uint64_t refused_full = 0;  // complete handshakes that found no place
  std::uint64_t connects_failed = 0;
  std::uint64_t resets_in = 0;  // that ended a connection
  std::uint64_t resets_out = 0;
  std::uint64_t timed_out = 0;  // connections given up
  std::uint64_t orphans_dropped = 0;

  std::uint64_t retransmits = 0;
  std::uint64_t timeouts = 0;         // RTO
  std::uint64_t timeouts_undone = 0;  // of these, found to be none
  std::uint64_t recoveries_undone = 0;
  std::uint64_t fast_recoveries = 0;
  std::uint64_t tail_probes = 0;
  std::uint64_t window_probes = 0;
  std::uint64_t spurious_retransmits = 0;  // told by D-SACK
  std::uint64_t ecn_reductions = 0;
  std::uint64_t path_mtu_lowered = 0;
  std::uint64_t black_holes = 0;

  std::uint64_t syn_received = 0;
  std::uint64_t syn_cache_expired = 0;
  std::uint64_t syn_dropped = 0;  // neither a place nor a cookie
  std::uint64_t cookies_sent = 0;
  std::uint64_t cookies_accepted = 0;
  std::uint64_t cookies_wrong = 0;
  std::uint64_t time_wait_evicted = 0;
  std::uint64_t time_wait_reused = 0;

  std::uint64_t challenge_acks = 0;
  std::uint64_t challenge_acks_limited = 0;
  std::uint64_t resets_limited = 0;

  std::uint64_t dropped_no_connection = 0;
  std::uint64_t dropped_malformed = 0;  // flags or numbers that no peer sends
  std::uint64_t dropped_old_timestamp = 0;
  std::uint64_t dropped_outside_window = 0;
  std::uint64_t dropped_bad_ack = 0;
  std::uint64_t dropped_no_memory = 0;
  std::uint64_t dropped_out_of_order = 0;  // over a limit of what is held
  std::uint64_t out_of_order_held = 0;
  std::uint64_t out_of_order_discarded = 0;  // held and given up for others
  std::uint64_t duplicate_segments = 0;
  std::uint64_t icmp_believed = 0;
  std::uint64_t icmp_ignored = 0;
};

}  // namespace godwit::dataplane::tcp
