// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "dataplane/tcp/wire/segmentation.h"

// Every limit and waiting time of the stack, with where it comes from. A value, fixed when the
// stack is made.

namespace godwit::dataplane::tcp {

enum class EcnMode : std::uint8_t {
  off,
  accept,   // used when the peer asks for it
  request,  // asked for in our own SYN as well (RFC 3168, 6.1.1)
};

struct Settings {
  // Segments. The headers without options: 40 bytes over IPv4, 60 over IPv6 (RFC 6691).
  std::uint32_t mtu = 1500;
  // What a peer may not push our segments below: it would make us spend a header, a record and an
  // interrupt on a few bytes. 536 is the default of RFC 9293, 3.7.1; real paths go down to 256 (the
  // smallest MTU in the table of RFC 1191, 7, is 296).
  std::uint16_t mss_floor = 216;
  // What the port cuts: a stack's is its port's.
  Segmentation segmentation{};
  // Path MTUs that a router may tell (RFC 5927, 7.2 wants a floor); IPv6 has 1280 (RFC 8200, 5).
  std::uint32_t mtu_floor_v4 = 552;
  std::uint32_t mtu_floor_v6 = 1280;

  // Connections and what stands for one before and after.
  std::uint32_t connections_max = 1'048'576;
  std::uint32_t listeners_max = 64;
  // From so many on, memory is fetched ahead of the frames of a burst. Of fewer, all that a frame
  // needs lies in a core's second cache (a megabyte), and looking ahead costs more than it gives.
  std::uint32_t fetch_ahead_from = 4096;
  // Half-open connections kept, of about 100 bytes each; beyond, cookies (RFC 4987, 3.5, 3.6).
  std::uint32_t syn_cache_max = 8192;
  std::uint32_t syn_retries = 5;  // of a SYN-ACK: 1, 2, 4, 8, 16 s, gone after 63 s
  bool syn_cookies = true;
  // Connections waiting out old segments, of about 100 bytes each; the oldest make room.
  std::uint32_t time_wait_max = 65'536;
  Duration time_wait = std::chrono::seconds(60);  // 2 MSL with an MSL of 30 s
  // Closed by their users, not yet by their peers.
  std::uint32_t orphans_max = 65'536;
  Duration linger = std::chrono::seconds(5);        // from close() to on_closed at the longest
  Duration orphan_time = std::chrono::seconds(60);  // from on_closed until it is dropped

  // Memory.
  std::size_t send_queue_max = std::size_t{1} << 20;  // bytes, per connection
  std::size_t buffer_bytes = std::size_t{64} << 20;   // of all queues together, both ways
  // What a paused connection may hold while more than half of these are in use; else its window.
  std::uint32_t paused_bytes_short = 16 * 1024;
  std::size_t reassembly_bytes = std::size_t{8} << 20;  // of these, out of order
  // What a peer may send ahead, at the start of a connection; and what this may grow to for one who
  // uses all of it in less than two round trips, while a quarter of the memory is in use at the
  // most. No memory is set aside for it. A maximum that is not larger stands for no growth.
  std::uint32_t receive_window = 256 * 1024 - 4;   // 65535 << 2
  std::uint32_t receive_window_max = 65535U << 6;  // 4 MB: 300 Mbit/s over 100 ms
  std::uint32_t in_flight_segments_max = 1024;  // records walked for one SACK block, at the worst
  std::uint32_t held_ranges_max = 512;          // out-of-order blocks of one connection

  // Waiting.
  Duration rto_initial = std::chrono::seconds(1);         // RFC 6298, 2.1
  Duration rto_after_lost_syn = std::chrono::seconds(3);  // 5.7
  Duration rto_min = std::chrono::milliseconds(200);      // 1 s in RFC 6298, 2.4; as deployed
  Duration rto_max = std::chrono::seconds(60);            // RFC 6298, 2.5
  Duration give_up = std::chrono::seconds(120);           // R2 of RFC 9293, 3.8.3: at least 100 s
  Duration give_up_syn = std::chrono::seconds(180);       // of a SYN: at least 3 minutes
  // Of a peer whose window stays closed, while memory is short (it may hoard: RFC 6429).
  Duration give_up_persist = std::chrono::seconds(60);
  Duration delayed_ack = std::chrono::milliseconds(40);  // under 500 ms (RFC 9293, 3.8.6.3)
  // At once is acknowledged what is two full segments (RFC 9293, 3.8.6.3), or, as kernels have it,
  // anything more than one.
  bool acks_beyond_one_segment = false;
  // A FIN behind data is acknowledged as late as data is, as kernels do; else at once.
  bool delay_fin_acks = false;
  // ACKs sent at once from the start of a connection, while the peer is in slow start.
  std::uint8_t quick_acks = 16;
  Duration keepalive_idle{0};  // 0: off (RFC 9293, 3.8.4); else 2 hours or more by default
  Duration keepalive_interval = std::chrono::seconds(75);
  std::uint8_t keepalive_probes = 9;

  // Behaviour.
  bool nagle = false;  // a messenger's stanzas are small and do not wait
  EcnMode ecn = EcnMode::accept;
  bool timestamps = true;
  // Segments without one, where they are agreed (RFC 7323, 3.2, a SHOULD). Kernels take them.
  bool drop_without_timestamp = true;
  bool sack = true;
  bool window_scale = true;
  std::uint32_t initial_window_segments = 10;  // RFC 6928
  // Data that comes after close(): a reset tells the peer that it was lost (RFC 9293, 3.6.1). Off,
  // it is acknowledged and dropped until the linger time ends, so that what we sent last arrives.
  bool reset_late_data = false;
  // PSH also where the windows end a burst of an even number of segments, as kernels have it, which
  // send them in pairs.
  bool push_bursts = false;
  // A closed window is probed with a byte of data (RFC 9293, 3.8.6.1) or with an old number.
  bool probe_with_data = true;
  // Segments that three timeouts in a row could not carry are halved (RFC 4821, 7.7).
  bool find_black_holes = true;
  // A peer that is given up for its silence, or because it never closed its half, is told so,
  // should it only be cut off. Not asked for by RFC 9293, 3.8.3; kernels do not.
  bool reset_given_up = true;

  // Answers to what may be forged (RFC 5961, 7). The global number is drawn anew each second
  // between half and one and a half times this, so that it tells nothing (CVE-2016-5696).
  std::uint32_t challenge_acks_per_second = 1000;
  std::uint8_t challenge_acks_per_connection = 10;  // in 5 seconds
  std::uint32_t resets_per_second = 1000;           // to segments of no connection
};

}  // namespace godwit::dataplane::tcp
