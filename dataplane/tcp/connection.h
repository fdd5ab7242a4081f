// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"
#include "dataplane/io/stream.h"
#include "dataplane/tcp/cubic.h"
#include "dataplane/tcp/rtt.h"
#include "dataplane/tcp/timer_wheel.h"
#include "dataplane/tcp/wire/segment.h"

// The control block: what a connection needs while nothing happens on it. What is in flight, held
// or lost lies in a Sender and a Receiver, taken when needed and given back.

namespace godwit::dataplane::tcp {

// RFC 9293, 3.3.2. LISTEN and the SYN-RECEIVED of a passive open are records of the SYN cache,
// TIME-WAIT is one of its own table: none of them has a control block.
enum class State : std::uint8_t {
  closed,
  syn_sent,
  syn_received,  // of a simultaneous open
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
};

struct Connection {
  Flow flow;
  State state = State::closed;
  io::CloseReason close_reason = io::CloseReason::local;

  std::uint64_t user = 0;

  // What the peer has and offers (RFC 9293, 3.3.1).
  std::uint32_t snd_una = 0;
  std::uint32_t snd_nxt = 0;
  std::uint32_t snd_wnd = 0;
  std::uint32_t snd_wl1 = 0;
  std::uint32_t snd_wl2 = 0;
  std::uint32_t snd_wnd_max = 0;  // the largest it ever offered
  std::uint32_t iss = 0;
  // What we have and offer.
  std::uint32_t rcv_nxt = 0;
  std::uint32_t rcv_edge = 0;  // right edge of the window last offered; never moves back
  std::uint32_t irs = 0;
  std::uint32_t last_ack_sent = 0;
  std::uint32_t unacked_bytes = 0;  // in order, since the last acknowledgement
  // The window's size while nothing waits for the user, and the round in which it is measured
  // whether that holds the peer back (receive_window.cc).
  std::uint32_t rcv_space = 0;
  std::uint32_t rcv_round_end = 0;
  std::uint32_t rcv_round_at = 0;  // in 2^18 ns, from any time

  std::uint32_t timestamp_offset = 0;
  std::uint32_t ts_recent = 0;
  std::uint32_t ts_recent_at = 0;  // seconds
  std::uint32_t fin_sequence = 0;  // of the peer's FIN, once fin_known
  SequenceRange dsack{};           // to be told with the next acknowledgement (RFC 2883)

  std::uint32_t sender = 0;         // index, 0: nothing queued or in flight
  std::uint32_t receiver = 0;       // index, 0: nothing held
  std::uint32_t tuning = 0;         // index, 0: as the settings have it
  std::uint32_t retransmitted = 0;  // segments, since it was opened

  Cubic congestion;
  RttEstimator rtt;

  std::uint16_t mss = 536;       // payload of a segment without options but timestamps
  std::uint16_t mss_peer = 536;  // as told, before timestamps and path MTU
  std::uint16_t rcv_mss = 536;   // the largest payload seen: every second such is acknowledged
  std::uint8_t snd_scale = 0;
  std::uint8_t rcv_scale = 0;
  std::uint8_t backoff = 0;         // RTO and probes are doubled as often
  std::uint8_t quick_acks = 0;      // acknowledgements still sent at once
  std::uint8_t keepalives = 0;      // probes since the peer was last heard
  std::uint8_t challenges = 0;      // in the window that begins at challenges_at
  std::uint32_t challenges_at = 0;  // seconds
  std::uint8_t large_timeouts = 0;  // in a row, of a head that a path may not carry

  // Agreed in the handshake.
  bool timestamps : 1 = false;
  bool sack : 1 = false;
  bool scaling : 1 = false;
  bool ecn : 1 = false;
  // Towards the user.
  bool connected : 1 = false;  // by us
  bool opened : 1 = false;     // on_open was called
  bool reported : 1 = false;   // on_closed was called: an orphan
  bool paused : 1 = false;
  bool close_requested : 1 = false;  // by either side's user: no more on_bytes
  bool lingering : 1 = false;        // and the waiting for the peer's FIN has begun
  bool abort_requested : 1 = false;
  bool want_writable : 1 = false;
  bool waits_for_memory : 1 = false;
  bool peer_finished_told : 1 = false;
  // Of the numbers.
  bool fin_wanted : 1 = false;  // after what is queued
  bool fin_sent : 1 = false;
  bool fin_acked : 1 = false;
  bool fin_known : 1 = false;  // the peer's has come, maybe out of order
  bool fin_taken : 1 = false;  // and everything before it
  bool syn_due : 1 = false;    // the SYN or SYN-ACK is to be sent with the next flush
  bool ack_now : 1 = false;
  bool probe_sent : 1 = false;  // one byte beyond snd_nxt may be acknowledged
  bool dsack_due : 1 = false;
  bool ecn_echo : 1 = false;  // ECE in all we send, until the peer's CWR
  bool cwr_due : 1 = false;
  bool reordering_seen : 1 = false;  // RFC 8985, 6.2 step 3
  bool in_turn : 1 = false;          // listed for the next flush
  bool nagle : 1 = false;
  bool cork : 1 = false;

  // Deadlines; the wheel's entry is armed for the earliest.
  TimerEntry timer;
  Instant retransmit_at = never;  // RTO, tail probe, reordering, window probe: see Sender::timer
  Instant ack_at = never;
  Instant state_at = never;      // handshake, linger, orphan, keepalive
  Instant trying_since = never;  // the oldest thing the peer has not answered
  Instant last_heard{};
  Instant last_data_sent{};

  Instant deadline() const { return std::min({retransmit_at, ack_at, state_at}); }
  bool synchronized() const {
    return state != State::closed && state != State::syn_sent && state != State::syn_received;
  }
  bool may_send() const { return state == State::established || state == State::close_wait; }
};
// With its share of the flow table (8 bytes a slot, at least 3/8 full just after it has grown), of
// the slab's free list and the generation.
inline constexpr std::size_t connection_share = sizeof(Connection) + 22 + 4 + 2;
static_assert(connection_share <= 512, "an idle connection costs at most this");

}  // namespace godwit::dataplane::tcp
