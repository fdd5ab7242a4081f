// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/connection_name.h"
#include "base/random.h"
#include "base/result.h"
#include "dataplane/io/stream.h"
#include "dataplane/tcp/answer_limits.h"
#include "dataplane/tcp/connection.h"
#include "dataplane/tcp/counters.h"
#include "dataplane/tcp/fifo_list.h"
#include "dataplane/tcp/flow_hash.h"
#include "dataplane/tcp/receiver.h"
#include "dataplane/tcp/seams.h"
#include "dataplane/tcp/sender.h"
#include "dataplane/tcp/settings.h"
#include "dataplane/tcp/syn_cache.h"
#include "dataplane/tcp/time_wait.h"
#include "dataplane/tcp/timer_wheel.h"
#include "dataplane/tcp/tuning.h"
#include "dataplane/tcp/wire/segment.h"
#include "queues/buffer.h"
#include "queues/hash_index.h"
#include "queues/slab.h"

// TCP (RFC 9293) for one shard: segments and time in, segments and events out. No I/O, no clock.
//
// Thread safety: none; one instance per shard, on its thread, sharing nothing.
//
// The order of a turn: on_segment and on_icmp for what has arrived, expire(now), flush(now). Events
// come from these only; the calls of a user (listen ... set_user) never make one, and never
// transmit: what they cause leaves with the next flush. A handler may make any of these calls while
// it is called. The rules are those of dataplane/io/stream.h.

namespace godwit::dataplane::tcp {

// For tests, for what an operator asks, and for a socket layer's TCP_INFO.
struct ConnectionInfo {
  State state = State::closed;
  std::uint16_t mss = 0;
  std::uint32_t send_window = 0;  // bytes the peer takes
  std::uint32_t congestion_window = 0;
  std::uint32_t slow_start_threshold = 0;
  std::uint32_t queued = 0;          // bytes not acknowledged
  std::uint32_t in_flight = 0;       // of these, thought to be in the network
  std::uint32_t held = 0;            // bytes that wait for the user to resume
  std::uint32_t unacked = 0;         // segments in flight: sent, and not acknowledged
  std::uint32_t sacked = 0;          // of these, told to have come out of order
  std::uint32_t lost = 0;            // of these, taken for lost and not sent again
  std::uint32_t unsent = 0;          // bytes
  std::uint32_t retransmitted = 0;   // segments, since it was opened
  std::uint32_t acknowledged = 0;    // bytes, modulo 2^32
  std::uint32_t received = 0;        // bytes in order, modulo 2^32
  std::uint32_t receive_window = 0;  // bytes offered
  std::uint32_t receive_space = 0;   // that is offered while nothing waits
  std::uint16_t receive_mss = 0;     // the largest segment seen
  std::uint16_t mss_told = 0;        // by us
  std::uint8_t backoff = 0;          // how often in a row a timeout came
  std::uint8_t probes = 0;           // of keepalive, unanswered
  std::uint8_t send_scale = 0;
  std::uint8_t receive_scale = 0;
  Sender::Phase phase = Sender::Phase::open;
  bool reno = false;
  bool quick_acks = false;
  Duration rtt_least{};
  Duration rtt_variance{};
  Instant last_sent{};
  Instant last_heard{};
  Duration rtt{};
  Duration timeout{};  // RTO, not doubled
  bool timestamps = false;
  bool sack = false;
  bool scaling = false;
  bool ecn = false;
};

class Tcp {
 public:
  // `random` and `sink` outlive the stack.
  template <SegmentSink Sink>
  Tcp(const Settings& settings, std::uint16_t shard, RandomSource& random, Sink& sink)
      : Tcp(settings, shard, random, SinkView(sink)) {}
  Tcp(const Settings& settings, std::uint16_t shard, RandomSource& random, SinkView sink);
  // The end forgets every connection without a word to peers or handler.
  Tcp(const Tcp&) = delete;
  Tcp& operator=(const Tcp&) = delete;

  // --- Ahead of segments that have come and will be told of soon. expect() has a segment's place
  // in the table of flows fetched from memory; fetch(), somewhat later, what lies there: its
  // connection. So a burst waits for all of that at once and not for one after another. An
  // expectation that comes out wrong costs time and nothing else.
  struct Expected {
    Flow flow;
    std::uint64_t place = 0;  // set by expect()
  };
  void expect(Expected& expected) const;
  void fetch(const Expected& expected) const;
  // There are so many connections that it is worth it.
  bool fetches_ahead() const { return connections_.used() >= settings_.fetch_ahead_from; }

  // --- Up. The payload of `segment` may be overwritten.
  // With what was expected of it, if anything was.
  void on_segment(const SegmentIn& segment, const Expected* expected, Instant now, Events events) {
    const bool known = expected != nullptr && expected->flow == segment.flow;
    on_segment_at(known ? expected->place : hash_.place(segment.flow), segment, now, events);
  }
  void on_segment(const SegmentIn& segment, Instant now, Events events) {
    on_segment(segment, nullptr, now, events);
  }
  void on_icmp(const IcmpError& error, Instant now, Events events);
  // What is due at `now`.
  void expire(Instant now, Events events);
  // Sends what was decided and not sent yet: one acknowledgement for a turn, data gathered; and
  // reports what the user's own calls have caused.
  void flush(Instant now, Events events);
  // When expire() or flush() has something to do next; in the past when flush() has now.
  Instant next_deadline() const;

  // --- Down.
  // An address of all zeros stands for any; port 0 takes a free one. Returns the port. Errors:
  // exists, limit.
  Result<std::uint16_t> listen(const IpAddress& local, std::uint16_t port);
  void stop_listening();  // everywhere
  void stop_listening(const IpAddress& local, std::uint16_t port);
  // From flow.local to flow.remote; local_port 0 takes a free one of 32768-60999. on_open or
  // on_closed(failed) follows. Errors: exists, limit (connections or ports), invalid.
  Result<ConnectionName> connect(Flow flow);
  Result<ConnectionName> connect(Flow flow, const Tuning& tuning);
  void set_user(ConnectionName name, std::uint64_t user);
  // All bytes or 0; then on_writable follows once there is room (stream.h, rule 5).
  std::size_t send(ConnectionName name, std::span<const Bytes> chunks);
  void pause_receive(ConnectionName name);
  void resume_receive(ConnectionName name);
  void close(ConnectionName name, io::CloseMode mode);
  // FIN after what is queued; bytes still come. on_closed comes when the peer has ended too.
  void shutdown_send(ConnectionName name);
  // What this connection has otherwise than the settings: see tuning.h. A stale name has the
  // settings'. A listener's is that of what it accepts from then on.
  Tuning tuning(ConnectionName name) const;
  void tune(ConnectionName name, const Tuning& wanted);
  void tune_listener(const IpAddress& local, std::uint16_t port, const Tuning& wanted);
  // Acknowledgements leave at once for the next segments, or wait as if the user answered each.
  void send_acks_at_once(ConnectionName name, bool on);
  // All zeros for a stale name.
  Flow flow_of(ConnectionName name) const;
  std::optional<ConnectionInfo> info(ConnectionName name) const;

  // --- Numbers.
  const Counters& counters() const { return counters_; }
  std::size_t open_connections() const { return open_; }  // that a user has
  std::size_t control_blocks() const { return connections_.used(); }
  std::size_t orphans() const { return orphans_; }
  std::size_t half_open() const { return syn_cache_.size(); }
  std::size_t time_waits() const { return time_wait_.size(); }
  std::size_t armed_timers() const { return wheel_.size(); }
  std::size_t senders() const { return senders_.used(); }
  std::size_t receivers() const { return receivers_.used(); }
  // Bytes of queues, both ways. Exact after a flush.
  std::size_t buffers_in_use() const { return buffers_.in_use(); }
  // Taken from the system, all of it: the stack itself with its timer wheel, queues of both ways,
  // tables and what they are found by.
  std::size_t memory_bytes() const;
  // Empty, or what is wrong. Walks everything: for tests and fuzz targets.
  std::string first_broken_invariant() const;

 private:
  struct Listener {
    IpAddress local;
    std::uint16_t port = 0;
    Tuning tuning;
  };
  struct EntryOf {
    queues::Slab<Connection>* connections;
    TimerEntry& operator()(std::uint32_t index) const { return (*connections)[index].timer; }
  };
  // What one segment acknowledged.
  struct Acked {
    std::uint32_t bytes = 0;      // newly, in order
    std::uint32_t delivered = 0;  // newly, in order or not
    std::uint32_t segments = 0;   // in order
    bool advanced = false;
    bool duplicate = false;  // RFC 5681, 2
    bool dsack = false;
    std::uint32_t dsack_end = 0;
    Instant newest_sent{};  // of the newest sent once
    bool has_newest = false;
  };
  // What of a segment is new.
  struct Trimmed {
    std::uint32_t sequence = 0;
    MutableBytes bytes;
    bool has_fin = false;
  };
  struct Output {
    std::uint32_t seq = 0;
    std::uint8_t flags = 0;
    Ecn ecn = Ecn::not_capable;
    std::span<const Bytes> payload{};
    std::uint16_t segment_size = 0;  // as SegmentOut has it
  };

  // Names and memory (tcp.cc).
  ConnectionName name_of(std::uint32_t index) const { return {index, shard_, generations_[index]}; }
  std::uint32_t find(ConnectionName name) const;  // 0: stale
  std::uint32_t allocate(const Flow& flow, std::uint64_t place);
  void release(std::uint32_t index);
  Sender& sender_of(Connection& connection) {
    return connection.sender != 0 ? senders_[connection.sender] : make_sender(connection);
  }
  Sender& make_sender(Connection& connection);
  Receiver& receiver_of(std::uint32_t index);
  void drop_sender(Connection& connection);
  void drop_receiver(Connection& connection);
  SendMemory send_memory() { return {buffers_, blocks_}; }
  void into_turn(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (connection.in_turn) return;
    connection.in_turn = true;
    turn_.push_back(index);
  }
  std::uint16_t own_mss(const Flow& flow) const;
  void set_mss(Connection& connection);
  std::uint32_t initial_window(const Connection& connection, bool handshake_lost) const;
  std::uint16_t free_port(const Flow& flow);
  const Tuning& tuning_of(const Connection& connection) const;
  const Tuning& tuning_at(const Flow& flow) const;
  void take_tuning(Connection& connection, const Tuning& wanted);

  // The window we offer (receive_window.cc).
  static std::uint8_t window_scale(const Tuning& tuning);
  static std::uint16_t first_window(const Tuning& tuning);
  void start_receive_window(Connection& connection, Instant now);
  std::uint32_t window_space(const Connection& connection) const;
  void measure_window(Connection& connection, Instant now);
  std::uint16_t window_to_offer(Connection& connection, bool scaled);
  bool window_update_due(const Connection& connection) const;

  // The end of a connection (ending.cc).
  void report(std::uint32_t index, io::CloseReason reason, Events events);
  void finish(std::uint32_t index, io::CloseReason reason, Events events);
  void reset(std::uint32_t index, Instant now, io::CloseReason reason, Events events);
  void give_up(std::uint32_t index, Instant now, Events events);
  void enter_time_wait(std::uint32_t index, Instant now, Events events);
  bool settle(std::uint32_t index, Instant now, Events events);
  void make_orphan(std::uint32_t index, Instant now, Events events);
  void begin_close(Connection& connection);

  // Input (input_*.cc).
  void segment_without_connection(const SegmentIn& segment, std::uint64_t place, Instant now,
                                  Events events);
  void on_segment_at(std::uint64_t place, const SegmentIn& segment, Instant now, Events events);
  bool listens(const Flow& flow) const;
  void listen_syn(const SegmentIn& segment, std::uint64_t place, Instant now,
                  std::optional<std::uint32_t> last_number = std::nullopt);
  void half_open_segment(std::uint32_t record, const SegmentIn& segment, std::uint64_t place,
                         Instant now, Events events);
  void challenge_half_open(const HalfOpen& half_open, Instant now);
  bool cookie_segment(const SegmentIn& segment, std::uint64_t place, Instant now, Events events);
  void accept(const HalfOpen& half_open, const SegmentIn& segment, std::uint64_t place, Instant now,
              Events events);
  void time_wait_segment(std::uint32_t record, const SegmentIn& segment, std::uint64_t place,
                         Instant now);
  void answer_unknown(const SegmentIn& segment, Instant now);
  void answer_with_reset(const SegmentIn& segment);
  void send_syn_ack(const HalfOpen& half_open, Instant now, bool cookie);

  void syn_sent_segment(std::uint32_t index, const SegmentIn& segment, Instant now, Events events);
  void take_syn_options(Connection& connection, const SegmentIn& segment, Instant now);
  void establish(std::uint32_t index, const SegmentIn& segment, Instant now, Events events);

  void both_open_segment(std::uint32_t index, const SegmentIn& arrived, Instant now, Events events);
  void connection_segment(std::uint32_t index, const SegmentIn& segment, Instant now,
                          Events events);
  bool check_timestamp(std::uint32_t index, const SegmentIn& segment, Instant now);
  bool check_sequence(std::uint32_t index, const SegmentIn& segment, Instant now);
  bool check_reset(std::uint32_t index, const SegmentIn& segment, Instant now, Events events);
  bool check_ack(std::uint32_t index, const SegmentIn& segment, Instant now);
  void answer_or_limit(Connection& connection, Instant now);

  void take_ack(std::uint32_t index, const SegmentIn& segment, Instant now);
  Acked acknowledge(Connection& connection, const SegmentIn& segment, Instant now);
  void take_sacks(Connection& connection, const SegmentIn& segment, Acked& acked, Instant now);
  void delivered(Connection& connection, const SentSegment& segment, const SegmentIn& from,
                 Acked& acked, Instant now);
  void take_window(Connection& connection, const SegmentIn& segment);
  bool own_fin_acked(std::uint32_t index, Instant now, Events events);

  void take_data(std::uint32_t index, const SegmentIn& segment, Instant now, Events events);
  Trimmed trim(Connection& connection, const SegmentIn& segment) const;
  void note_known(Connection& connection, const Trimmed& part) const;
  void acknowledge_later(std::uint32_t index, bool fills_gap, Instant now);
  bool keep_ready(std::uint32_t index, Bytes bytes);
  bool deliver(std::uint32_t index, MutableBytes bytes, Events events);
  void hold(std::uint32_t index, std::uint32_t sequence, Bytes bytes);
  bool discard_oldest_held(std::uint32_t but);
  void list_held(Connection& connection);
  void drain_held(std::uint32_t index, Events events);
  void deliver_ready(std::uint32_t index, Events events);
  void peer_fin(std::uint32_t index, Instant now, Events events);
  void tell_peer_finished(std::uint32_t index, Events events);

  // Loss and congestion (recovery.cc, rack.cc).
  void react(Connection& connection, const SegmentIn& segment, const Acked& acked, Instant now);
  bool detect_losses(Connection& connection, Sender& sender, const Acked& acked, Instant now);
  bool rack_detect(Connection& connection, Sender& sender, Instant now);
  Duration rack_window(const Connection& connection, const Sender& sender) const;
  void rack_delivered(Connection& connection, Sender& sender, const SentSegment& segment,
                      const SegmentIn& from, Instant now);
  void rack_dsack(Connection& connection, Sender& sender);
  void enter_recovery(Connection& connection, Sender& sender);
  void reduce_proportionally(Connection& connection, Sender& sender, const Acked& acked,
                             bool newly_lost);
  void take_congestion_mark(Connection& connection, Sender& sender, const SegmentIn& segment,
                            const Acked& acked);
  void tail_probe_acked(Connection& connection, Sender& sender, const SegmentIn& segment,
                        const Acked& acked);
  // Without SACK each duplicate acknowledgement says that a segment has left the network.
  static std::uint32_t pipe(const Connection& connection, const Sender& sender) {
    const std::uint32_t known = sender.board.pipe();
    if (connection.sack) return known;
    return known - std::min(known, sender.duplicate_acks * connection.mss);
  }
  void timed_out(std::uint32_t index, Instant now, Events events);
  bool echo_is_older(Sender& sender, const SegmentIn& segment) const;
  bool every_copy_came_twice(Sender& sender, const Acked& acked) const;
  void undo_reduction(Connection& connection, Sender& sender);
  void send_tail_probe(Connection& connection, Sender& sender, Instant now);
  void lower_mss(Connection& connection, std::uint32_t mtu);

  // Output (output.cc, emit.cc).
  void turn(std::uint32_t index, Instant now, Events events);
  void send_queued(std::uint32_t index, Instant now);
  bool send_lost(Connection& connection, Sender& sender, Instant now);
  bool send_new(Connection& connection, Sender& sender, std::uint32_t before, Instant now);
  std::uint32_t sendable(const Connection& connection, Sender& sender, std::uint32_t ahead) const;
  bool worth_sending(const Connection& connection, const Sender& sender, std::uint32_t size,
                     std::uint32_t usable) const;
  std::uint32_t uncut_size(const Connection& connection, const Sender& sender) const;
  void record_sent(Connection& connection, Sender& sender, std::uint32_t size, std::uint8_t flags,
                   Instant now);
  void transmit_new(Connection& connection, Sender& sender, std::uint32_t size, Instant now,
                    bool push = false);
  void retransmit(Connection& connection, Sender& sender, std::uint32_t record, Instant now);
  void send_window_probe(Connection& connection, Sender& sender, Instant now);
  void emit(Connection& connection, const Output& output, Instant now);
  void add_sack_blocks(Connection& connection, SegmentOut& segment);
  void emit_ack(Connection& connection, Instant now);
  void emit_syn(Connection& connection, Instant now);
  void emit_reset(const Connection& connection, Instant now);

  // Timers (timers.cc).
  void fire(std::uint32_t index, Instant now, Events events);
  void arm(std::uint32_t index) {
    const Instant due = connections_[index].deadline();
    if (due == never) {
      wheel_.disarm(index);
    } else {
      wheel_.arm(index, due);
    }
  }
  void retransmit_due(std::uint32_t index, Instant now, Events events);
  void state_due(std::uint32_t index, Instant now, Events events);
  void set_retransmit_timer(Connection& connection, Instant now);
  Duration timeout_of(const Connection& connection) const {
    const Duration once = connection.rtt.timeout(settings_);
    const auto factor = std::int64_t{1} << std::min<int>(connection.backoff, 20);
    return std::min(once * factor, settings_.rto_max);
  }
  void window_probe_due(std::uint32_t index, Instant now, Events events);
  void keep_alive(std::uint32_t index, Instant now, Events events);
  void set_keepalive(Connection& connection);
  Instant give_up_at(const Connection& connection) const;

  const char* broken_numbers(const Connection& connection) const;
  const char* broken_sender(const Connection& connection) const;
  const char* broken_receiver(const Connection& connection) const;

  static constexpr std::uint32_t window_limit = 65535U << 14;  // RFC 7323, 2.3

  const Settings settings_;
  const Tuning default_tuning_;
  const std::uint16_t shard_;
  RandomSource& random_;
  const SinkView sink_;
  const FlowHash hash_;

  queues::BufferPool buffers_;
  queues::Slab<Connection> connections_;
  std::vector<std::uint16_t> generations_;  // by index; it survives the connection
  queues::Slab<Sender, 256> senders_;
  FifoList<Receiver, 256>::Records receivers_;
  FifoList<Receiver, 256> holders_;  // of bytes out of order, the oldest first
  queues::Slab<SendBlock> blocks_;
  SentSegments sent_;
  queues::Slab<HeldRange> ranges_;
  HoldMemory hold_memory_;
  queues::Slab<Tuning, 256> tunings_;
  queues::HashIndex flows_;
  TimerWheel<EntryOf> wheel_;

  std::vector<Listener> listeners_;
  SynCache syn_cache_;
  TimeWaitTable time_wait_;
  Instant cookie_sent_at_ = Instant::min();
  AnswerLimit challenge_limit_;
  AnswerLimit reset_limit_;

  std::vector<std::uint32_t> turn_;     // has something to send or to report
  std::vector<std::uint32_t> turning_;  // the same while flush goes through it
  std::vector<std::uint32_t> memory_waiters_;
  Instant now_{};  // of the last call that had it, for the numbers of new connections
  std::size_t open_ = 0;
  std::size_t orphans_ = 0;
  std::uint32_t port_counter_ = 0;
  Counters counters_;
};

}  // namespace godwit::dataplane::tcp
