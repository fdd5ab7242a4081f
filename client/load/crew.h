// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "client/load/arrivals.h"
#include "client/load/crew_counters.h"
#include "client/load/identities.h"
#include "client/load/latency_histogram.h"
#include "client/load/ledger.h"
#include "client/load/payload.h"
#include "client/load/session.h"
#include "client/load/shape.h"
#include "protocol/limits.h"

// The clients of one thread of a load: who connects when, who sends what to whom, and whether all
// of it came as the gateway promised. It has no socket and no clock: whoever drives it hands it
// what the network says and the time, and carries what it writes.
//
// A lost connection, a refused login and a refused message are events that are counted; the client
// comes back by the rules of client/client.cc, or when the gateway said, and sends again what was
// not settled, with the same ids. What the gateway gets wrong is a fault: fault() then says it, and
// the run is over.
//
// Members are named by their place, 0 … count-1. All that send to each other are in one crew. What
// becomes due for a member in one turn leaves in one frame, with the acknowledgement; that leaves
// alone when no message follows within ack_delay. Not thread safe.

namespace godwit::client::load {

// What carries a crew's bytes. Calls down; what comes of them is told by the crew's on_… functions,
// never from within a call.
class LoadWire {
 public:
  virtual ~LoadWire() = default;
  // False when there is nothing to connect with (ports, descriptors); tried again later.
  virtual bool open(std::uint32_t member) = 0;
  // All or nothing; after false on_writable() comes.
  virtual bool send(std::uint32_t member, Bytes bytes) = 0;
  // on_closed() comes after it.
  virtual void close(std::uint32_t member, bool abort) = 0;
};

enum class Who : std::uint8_t { all, senders, receivers };  // receivers: who sends to nobody

struct Flow {
  enum class Kind : std::uint8_t {
    closed,  // the next leaves when the one `window` before it has arrived
    reply,   // the same, but the recipient is who sends it; for pairs
    stored,  // the next leaves when the one `window` before it is accepted
    open,    // at a rate, whatever becomes of those before
  };
  Kind kind = Kind::closed;
  std::uint32_t window = 1;
  std::uint64_t each_max = 0;  // messages of each sender, 0 for no end; of closed and stored
  std::uint32_t every = 1;     // of the shape's groups, in order, only each so-manyth one sends
  Arrivals::Options rate;      // of all senders of this crew together
};

struct CrewLatencies {
  LatencyHistogram arrival;     // of a message from when it was due
  LatencyHistogram acceptance;  // the same
  LatencyHistogram login;       // from when it was due to the session
  void merge(const CrewLatencies& other);
};

class Crew final : public SessionEvents {
 public:
  struct Options {
    Shape shape;
    std::uint32_t count = 0;  // passed shape.check()
    std::uint32_t first = 0;  // the number of member 0 among all accounts
    const Identities& identities;
    std::string domain = "localhost";
    std::size_t payload_size = 100;
    std::uint64_t first_id = 1;
    std::uint64_t seed = 1;
    Duration ack_delay = std::chrono::milliseconds(5);
  };
  // Derives the keys of all, some 50 us each. `random` is for handshakes, and outlives it.
  Crew(const Options& options, LoadWire& wire, RandomSource& random);

  struct Coming {
    std::uint32_t handshakes = 256;  // under way at once; 0: nobody waits for anybody
    Arrivals::Options rate;          // 0: as fast as that allows
    bool register_first = false;     // or only once one is found not to be registered
    bool leave = false;              // as soon as they have a session
    double part = 1;                 // of the members, the first ones
  };
  // These are to have a session from now on; they come back when they lose it.
  void want(Who who, const Coming& coming, Instant now);
  // They say goodbye, and stay away.
  void dismiss(Who who);
  void start(const Flow& flow, Instant now);
  // Nothing new is due from now on.
  void stop();
  // What was due and never left is given up, and counted by the return value. After stop().
  std::uint64_t forget_unsent();
  // Sessions end at this rate, half of them without a goodbye, and come back within a second.
  void churn(const Arrivals::Options& rate, Instant now);

  // From the wire.
  void on_opened(std::uint32_t member, Instant now);
  void on_bytes(std::uint32_t member, MutableBytes bytes, Instant now);
  void on_writable(std::uint32_t member);
  void on_closed(std::uint32_t member, Instant now);
  // Whatever is due, and what leaves. Returns how many events that was.
  std::size_t turn(Instant now);
  // When turn() has something to do at the latest.
  Instant next_deadline() const;

  const CrewCounters& counters() const { return counters_; }
  // Since the last call.
  CrewLatencies take_latencies();
  std::uint32_t ready() const { return ready_; }    // with a session
  std::uint32_t wanted() const { return wanted_; }  // to have one
  std::uint32_t connections() const { return connections_; }
  // Accepted and not arrived; neither accepted nor refused.
  std::uint64_t missing() const { return missing_; }
  std::uint64_t undecided() const {
    return counters_.due - counters_.accepted - counters_.refused - forgotten_;
  }
  // Nobody has anything to send, to wait for or to acknowledge.
  bool quiet() const;
  const std::string& fault() const { return fault_; }

 private:
  // As long as the client likes: exponential, with jitter.
  static constexpr Duration own_wait{-1};

  enum class State : std::uint8_t { away, waiting, opening, greeting, ready, leaving };
  struct Member {
    crypto::KeyPair keys;
    std::string user;
    std::unique_ptr<LoadSession> session;
    SenderLedger ledger;
    std::vector<std::uint8_t> blocked;  // what the wire did not take
    Instant began{};                    // when this attempt was due
    Instant retry_at{};
    std::uint64_t frames = 0;   // sent
    std::uint64_t started = 0;  // messages of this flow
    Duration wait = own_wait;   // before the next attempt
    std::uint64_t last_sequence = 0;
    std::uint32_t recipient = nobody;
    std::uint16_t device = 1;
    std::uint8_t failures = 0;
    State state = State::away;
    bool wanted = false;
    bool first_try = true;    // of the present coming, of which began is the start
    bool registered = false;  // is known to be
    bool must_register = false;
    bool dirty = false;
    bool ack_now = false;
    bool held = false;       // a refusal: nothing leaves until all before it is settled
    bool trying = false;     // counted in trying_
    bool connected = false;  // counted in connections_
  };
  struct AckTimer {
    Instant due{};
    std::uint32_t member = 0;
    std::uint64_t frames = 0;
  };
  struct Retry {
    Instant at{};
    std::uint32_t member = 0;
    bool operator>(const Retry& other) const { return at > other.at; }
  };
  struct Credit {
    Instant at{};
    std::uint32_t member = 0;
  };

  // SessionEvents, of member current_.
  void on_registered(std::uint16_t device) override;
  void on_ready(std::uint64_t backlog) override;
  void on_backlog_end() override {}
  void on_message(const Message& message) override;
  void on_settled(std::uint64_t upto) override;
  void on_refused(const Refusal& refusal) override;
  void on_end(const End& end) override;

  // crew_connect.cc
  bool is(Who who, const Member& member) const;
  void begin_attempt(std::uint32_t index, Instant due);
  void try_later(std::uint32_t index, Duration wait);
  void lose(std::uint32_t index);
  void leave(std::uint32_t index, bool politely);
  void stop_trying(Member& member);
  std::size_t connect_due();
  std::size_t churn_due();
  void leave_due();

  // crew_flow.cc
  void add_message(std::uint32_t index, Instant due);
  void give_credit(std::uint32_t index);
  std::size_t arrivals_due();
  std::size_t credits_due();
  void expire_acks();
  void flush();
  void flush_member(std::uint32_t index);
  unsigned write_messages(std::uint32_t index, ByteWriter& plain);
  void put_out(std::uint32_t index, Bytes bytes);
  void mark_dirty(std::uint32_t index);
  void set_fault(std::uint32_t index, std::string what);

  const Options options_;
  LoadWire& wire_;
  RandomSource& random_;
  SeededRandom chance_;
  Payload payload_;
  std::vector<Member> members_;
  std::vector<std::uint32_t> senders_;
  std::vector<std::uint32_t> flowing_senders_;  // of the present flow
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> flushing_;
  std::deque<AckTimer> ack_timers_;
  std::deque<std::uint32_t> queue_;     // wanted, and not yet tried
  std::vector<std::uint32_t> leaving_;  // have what they came for
  std::priority_queue<Retry, std::vector<Retry>, std::greater<>> retries_;
  std::deque<Credit> credits_;
  Coming coming_;
  Arrivals connects_;
  Arrivals churns_;
  Flow flow_;
  Arrivals messages_;
  std::array<std::uint8_t, protocol::frame_plaintext_size_max> plain_;
  std::vector<std::uint8_t> output_;
  CrewCounters counters_;
  CrewLatencies latencies_;
  Instant now_{};
  std::uint32_t current_ = 0;
  std::uint32_t ready_ = 0;
  std::uint32_t wanted_ = 0;
  std::uint32_t trying_ = 0;  // attempts under way
  std::uint32_t connections_ = 0;
  std::uint64_t missing_ = 0;
  std::uint64_t open_ = 0;  // messages of all ledgers
  unsigned came_ = 0;       // messages of the bytes being read
  std::uint64_t forgotten_ = 0;
  bool flowing_ = false;
  bool churning_ = false;
  bool some_unregistered_ = false;
  std::string fault_;
};

}  // namespace godwit::client::load
