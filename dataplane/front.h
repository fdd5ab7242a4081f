// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/keyed_hash.h"
#include "dataplane/handshake_turns.h"
#include "dataplane/io/stream.h"
#include "dataplane/output.h"
#include "dataplane/refusal_metric.h"
#include "dataplane/session.h"
#include "dataplane/settings.h"
#include "protocol/frame.h"
#include "protocol/stanza.h"
#include "queues/chunk_table.h"
#include "queues/counters.h"
#include "queues/mesh.h"
#include "queues/records.h"
#include "queues/slab.h"
#include "queues/store.h"
#include "queues/tick_wheel.h"

// The front of some connections: handshakes, frames in and out, and the numbering of a session's
// stanzas. What a message means is the home's business.
//
// Input: a frame is opened where it lies, its stanzas are cut out, a message's body is written once
// into a buffer and posted to the home. Output waits as nodes on its session and is sealed into as
// few frames as possible when the turn flushes. Whatever a front cannot do for lack of memory ends
// the session: its client sends again what was not acknowledged, so nothing is lost.
//
// Against strangers: a connection is refused before it costs a buffer or a key when its address has
// what it may have; those that have not logged in are few, have little time, and make room for each
// other, the slowest first; handshakes wait for a turn that is theirs (handshake_turns.h), and then
// a turn answers a few.
//
// Thread safety: the owning shard's thread only.

namespace godwit::dataplane {

template <io::StreamBackend Io>
class Front {
 public:
  struct Options {
    std::uint16_t shard = 0;
    std::uint16_t control = 0;  // control's place in the mesh
    std::uint16_t shards = 1;   // homes
    const Settings& settings;
    const NodeIdentity& identity;
    const crypto::HashKey& hash_key;
    Io& io;
    queues::BufferPool& pool;
    queues::CommandPort& port;
    queues::ShardCounters& counters;
    RandomSource& random;
  };

  explicit Front(const Options& options);

  // The backend's events. `now` is the turn's, set by begin_turn.
  void begin_turn(Now now) {
    now_ = now;
    handshake_turns_.begin(now.instant);
  }
  void on_open(ConnectionName name, bool connected);
  void on_bytes(ConnectionName name, std::uint64_t user, MutableBytes lease);
  void on_writable(ConnectionName name, std::uint64_t user);
  void on_closed(ConnectionName name, std::uint64_t user, io::CloseReason reason);

  // Handshake messages that have come, if it is their turn. After flush(). Returns how many it
  // answered.
  std::size_t answer_handshakes();
  void set_live(const LiveSettings& live);

  // This turn found something to do, for whomever.
  void turn_worked() { handshake_turns_.worked(); }
  // This turn does something for a session without the front: handshakes wait for it.
  void session_served() { handshake_turns_.session_served(); }
  // A home's or control's word; takes the command's buffer.
  void handle(const queues::Command& command);
  // Handshakes that took too long, acknowledgements that have waited long enough.
  std::size_t expire();
  // Seals and sends what has gathered.
  void flush();
  Instant next_deadline() const;
  void publish_gauges();

  std::size_t session_count() const { return ready_; }
  // Of all users when `user` is empty.
  void list_sessions(std::uint64_t query, std::string_view user);
  // Returns how many sessions it closed.
  std::uint32_t kick(const protocol::Jid& jid);
  // Tells every client to go and come back within `spread`, and takes no new one.
  void drain(Duration spread);
  // The name of an account within the deployment, and the shard that is its home.
  std::size_t home_of(std::uint64_t account) const {
    return queues::store_file_of(account) % options_.shards;
  }
  std::uint64_t hash_user(std::string_view user) const {
    return crypto::keyed_hash(options_.hash_key, as_bytes(user));
  }
  // Nothing is outstanding and nothing waits to leave.
  bool drained() const { return outstanding_ == 0 && open_ == 0; }

 private:
  struct Deadline {
    Instant at;
    ConnectionName name;
  };

  // front_start.h
  bool admits(ConnectionName name, AddressLimits::Place& place);
  bool displace_one();
  void link_start(Session& session);
  void end_start(Session& session);
  void blame(const Session& session);
  std::size_t expire_starts();
  void on_preamble(Session& session, MutableBytes& input);
  void defer_handshake(Session& session, Bytes input);
  static bool is_deferred(const Session& session) {
    return session.start && session.start->deferred;
  }
  void keep_deferred(Session& session, Bytes input);
  // A handshake message whose turn has come: its session, and what has come from it.
  struct Waiting {
    ConnectionName name;
    queues::Buffer input;
  };
  std::optional<Waiting> next_waiting();
  std::size_t answer_together(std::size_t count_max);
  void on_handshake_answer(Session& session, const ServerHandshake::Exchange& exchange);
  bool on_login(Session& session, Bytes content);
  bool on_register(Session& session, Bytes content);
  std::uint64_t device_key(const Session& session) const;

  // front_input.h
  Session* find(ConnectionName name);
  // REQUIRES: a slot that has had a connection.
  Session& at(std::uint32_t slot) { return sessions_[slot]; }
  const Session& at(std::uint32_t slot) const { return sessions_[slot]; }
  bool on_frame(Session& session, MutableBytes body);
  void consume(Session& session, MutableBytes input);
  bool keep_partial(Session& session, Bytes input, std::size_t wanted);
  bool on_stanza(Session& session, const protocol::RawStanza& stanza);
  void fail_parse(Session& session);

  // front_stanzas.h
  bool on_message(Session& session, Bytes content);
  bool on_presence(Session& session, Bytes content);
  bool on_iq(Session& session, Bytes content);
  bool on_ack(Session& session, Bytes content);
  bool on_window(Session& session, Bytes content);
  bool on_ping(Session& session, Bytes content);
  bool take_number(Session& session, std::uint32_t& number);
  void pace(Session& session);
  std::size_t resume_paced();
  [[gnu::noinline]] void on_attached(Session* session, const queues::Command& command);
  [[gnu::noinline]] void on_answer(Session& session, const queues::Command& command,
                                   queues::Buffer buffer);
  bool post_home(Session& session, const queues::Command& command);
  void record_delivery(std::uint64_t accepted_ns);
  void settle(Session& session, std::uint32_t number);
  void refuse(Session& session, protocol::StanzaType kind, std::uint64_t id, std::uint32_t number,
              protocol::Condition condition);

  // front_output.h
  void append(Session& session, OutputNode&& node);
  template <typename Stanza>
  void append_encoded(Session& session, const Stanza& stanza);
  template <typename Visit>
  void for_each_session(Visit&& visit);
  void mark_dirty(Session& session);
  void note_ack(Session& session);
  void flush_session(Session& session);
  void watch(Session& session);
  std::size_t expire_stuck();
  bool send_frame(Session& session);
  bool write_node(ByteWriter& out, Session& session, OutputNode& node);
  void drop_pending(Session& session);
  void drop_deliveries(Session& session);
  void fail(Session& session, protocol::StreamCondition condition, std::uint32_t retry_after_ms = 0,
            std::string_view text = {});
  void fail_registration(Session& session, protocol::Condition condition, std::string_view why);
  void close(Session& session, io::CloseMode mode);
  void leave(Session& session);

  const Options options_;
  const Settings& settings_;
  bool require_hybrid_;
  Io& io_;
  queues::ShardCounters& counters_;
  Now now_{};
  // By connection slot. A chunk is whole pages of memory (110 592 bytes), and what an allocator
  // rounds it up by is never touched.
  queues::ChunkTable<Session, 512> sessions_;
  queues::Slab<OutputNode> nodes_;
  std::vector<ConnectionName> dirty_;
  std::deque<Deadline> acks_due_;  // constant wait, so in order
  std::deque<Deadline> stuck_;     // the same
  std::deque<ConnectionName> deferred_;
  AddressLimits addresses_;
  std::uint32_t oldest_start_ = SessionStart::none;
  std::uint32_t newest_start_ = SessionStart::none;
  HandshakeTurns handshake_turns_;
  std::uint64_t io_refused_ = 0;  // of the backend's count, what is in the metric
  queues::TickWheel<ConnectionName> paced_;
  ClientNames client_names_;
  crypto::AeadCache aead_cache_;
  std::vector<std::uint8_t> frame_;  // one frame being written
  std::size_t open_ = 0;
  std::size_t unauthenticated_ = 0;
  std::size_t ready_ = 0;
  std::uint64_t outstanding_ = 0;  // over all sessions, see Settings::outstanding_max
  bool draining_ = false;
};

}  // namespace godwit::dataplane

#include "dataplane/front_input.h"
#include "dataplane/front_output.h"
#include "dataplane/front_stanzas.h"
#include "dataplane/front_start.h"
