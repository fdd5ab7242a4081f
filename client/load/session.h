// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "client/load/channel.h"
#include "protocol/stanza.h"

// One connection of a load's account to a gateway, without a socket: it registers or logs in over a
// channel, hands on the stanzas that come, and writes those that are to leave. An idle one is a few
// hundred bytes. Not thread safe.

namespace godwit::client::load {

// What a session tells, from within on_bytes().
class SessionEvents {
 public:
  struct Message {
    std::string_view from;  // the user
    std::uint64_t id = 0;
    Bytes payload;
  };
  struct Refusal {
    std::uint64_t id = 0;
    std::uint32_t number = 0;
    protocol::Condition condition{};
  };
  struct End {
    protocol::StreamCondition condition{};
    std::uint32_t retry_after_ms = 0;  // 0: when the client likes
    std::string_view text;
  };
  virtual ~SessionEvents() = default;
  virtual void on_registered(std::uint16_t device) = 0;
  virtual void on_ready(std::uint64_t backlog) = 0;
  virtual void on_backlog_end() = 0;
  virtual void on_message(const Message& message) = 0;
  // Every stanza up to this number is accepted or has been refused.
  virtual void on_settled(std::uint64_t upto) = 0;
  virtual void on_refused(const Refusal& refusal) = 0;
  // The gateway closes, be it before the handshake was done. Nothing more is read after it.
  virtual void on_end(const End& end) = 0;
};

class LoadSession {
 public:
  enum class Goal : std::uint8_t { log_in, register_first };
  struct Options {
    const crypto::KeyPair& identity;
    std::string_view user;  // this and the next outlive the session
    std::string_view domain;
    std::uint16_t device = 1;
    std::uint64_t last_sequence = 0;
    Goal goal = Goal::log_in;
  };

  // Writes what leaves first.
  LoadSession(const Options& options, std::vector<std::uint8_t>& out, RandomSource& random);

  // What arrived, decrypted where it lies. What has to be answered at once goes behind `out`. An
  // error says what the server got wrong and ends the session.
  Result<void> on_bytes(MutableBytes bytes, std::vector<std::uint8_t>& out, SessionEvents& events);

  bool ready() const { return ready_; }
  // Of what came, absolute; to be named at the next login.
  std::uint64_t last_sequence() const {
    return received_ == 0 ? options_.last_sequence : base_ + received_;
  }
  // Messages that came since the last acknowledgement.
  std::uint64_t unacknowledged() const { return received_ - acknowledged_; }
  bool ack_due() const { return received_ != acknowledged_ || refusal_ != refusal_told_; }
  // All that was sent is settled.
  bool settled() const { return settled_ == number_; }
  std::uint64_t unsettled() const { return number_ - settled_; }

  // Stanzas of the next frame. REQUIRES: ready(). The first returns the stanza number, and 0 when
  // the message does not fit any more; the second is false when the acknowledgement does not.
  struct Outgoing {
    std::uint64_t id = 0;
    std::string_view to;  // the user
    Bytes payload;
  };
  std::uint32_t add_message(ByteWriter& plain, const Outgoing& message);
  bool add_ack(ByteWriter& plain);
  void add_bye(ByteWriter& plain);
  // One frame, behind `out`. REQUIRES: `plain` is not empty.
  void seal(Bytes plain, std::vector<std::uint8_t>& out) { channel_.seal(plain, out); }

 private:
  struct Reader;  // of one on_bytes()

  Result<void> on_stanza(const protocol::RawStanza& stanza, std::vector<std::uint8_t>& out,
                         SessionEvents& events);
  Result<void> on_message(Bytes content, SessionEvents& events);
  Result<void> on_ack(Bytes content, SessionEvents& events);
  Result<void> on_error(Bytes content, SessionEvents& events);
  void write_register(std::vector<std::uint8_t>& out);
  void write_login(std::vector<std::uint8_t>& out);

  Options options_;
  LoadChannel channel_;
  std::uint64_t base_ = 0;
  std::uint64_t received_ = 0;  // relative to it, as the next
  std::uint64_t acknowledged_ = 0;
  std::uint64_t settled_ = 0;
  std::uint32_t number_ = 0;
  std::uint32_t refusal_ = 0;       // the highest number refused
  std::uint32_t refusal_told_ = 0;  // the same, confirmed
  bool ready_ = false;
  bool ended_ = false;
};

}  // namespace godwit::client::load
