// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/noise.h"
#include "protocol/frame.h"
#include "protocol/preamble.h"
#include "protocol/stanza.h"

// One connection of a device to its gateway, without the socket: bytes in and out, events up.
// docs/protocol.md is the same from the wire's side. Its handshakes are hybrid: it never asks for
// another kind, so nobody can talk it down to one. Not thread safe.

namespace godwit::client {

struct ServerTrusted {  // the handshake is done; pin these
  crypto::OperatorPublicKey operator_key{};
  crypto::PublicKey node_key{};
};
struct Registered {
  std::uint16_t device = 0;
};
struct SessionReady {
  std::uint64_t backlog = 0;
};
struct Delivered {
  std::string from;
  std::uint64_t id = 0;
  std::uint64_t sequence = 0;  // absolute; 0: ephemeral, not to be acknowledged
  std::uint32_t delay_s = 0;
  std::string payload;
};
struct Settled {
  std::uint64_t upto = 0;  // stanza number
};
struct Refused {
  std::uint32_t number = 0;
  std::uint64_t id = 0;
  protocol::Condition condition{};
  std::string text;
};
struct Listed {  // a message was for other devices than its recipient has; before its Settled
  protocol::DeviceList list;
};
struct Answered {  // a question to the server
  std::uint64_t id = 0;
  std::optional<protocol::Condition> refused;
  std::vector<std::uint8_t> node;
};
struct Noticed {  // by the server, of itself
  std::vector<std::uint8_t> node;
};
struct BacklogEnd {};
struct StreamEnded {
  protocol::StreamCondition condition{};
  bool authenticated = true;  // false: said before the server had proved itself; anyone may have
  std::uint32_t retry_after_ms = 0;
  std::string text;
};
using Event = std::variant<ServerTrusted, Registered, SessionReady, Delivered, Settled, Refused,
                           Listed, Answered, Noticed, BacklogEnd, StreamEnded>;

class Connection {
 public:
  struct Options {
    protocol::Jid jid;  // device 0: register first
    const crypto::KeyPair& identity;
    std::optional<crypto::PublicKey> node_key;              // known: IKhfs, else XXhfs
    std::optional<crypto::OperatorPublicKey> operator_key;  // pinned; none: trust on first use
    std::uint64_t last_sequence = 0;
    std::uint32_t window = protocol::delivery_window_default;
    std::string invite;
    std::string client_name;
  };

  Connection(const Options& options, RandomSource& random);

  // What arrived; events in order. An error ends the connection: it says what was wrong with the
  // server, and what came with it is as if it had never come. After StreamEnded nothing more is
  // read.
  Result<std::vector<Event>> on_bytes(Bytes bytes, WallTime now);

  // REQUIRES: ready(), a valid address, at most protocol::payload_size_max bytes. `devices` is the
  // digest of those it was encrypted for. Returns the stanza number.
  std::uint32_t send_message(std::uint64_t id, const protocol::Jid& to, Bytes payload,
                             std::optional<std::uint16_t> devices = std::nullopt);
  // A question to the server. REQUIRES: ready(), at most protocol::iq_node_size_max bytes.
  void ask(std::uint64_t id, bool set, Bytes node);
  // Everything up to this absolute sequence is stored.
  void acknowledge(std::uint64_t sequence);
  // The refusals up to this stanza number are known.
  void confirm_refusal(std::uint32_t number);
  void ping(std::uint64_t token);
  void say_bye();

  bool ready() const { return ready_; }
  // Bytes to send, sealed; empty when there are none. The caller owns them from then on.
  std::vector<std::uint8_t> take_output();

 private:
  Result<void> on_handshake(Bytes message, WallTime now, std::vector<Event>& events);
  Result<ServerTrusted> check_certificate(Bytes encoded, WallTime now) const;
  void begin_transport();
  Result<void> on_stanza(const protocol::RawStanza& stanza, std::vector<Event>& events);
  Result<void> on_session_stanza(const protocol::RawStanza& stanza, std::vector<Event>& events);
  Result<void> on_message(Bytes content, std::vector<Event>& events);
  Result<void> on_iq(Bytes content, std::vector<Event>& events);
  void write_handshake(bool with_preamble);
  void log_in();
  void write_ack();
  template <typename Write>
  void append(std::size_t size_max, Write&& write);
  void seal_plain();
  std::unexpected<Error> malformed() const;

  const Options options_;
  RandomSource& random_;
  protocol::PreambleBytes preamble_{};
  std::optional<crypto::NoiseHandshake> noise_;
  crypto::TransportKey send_;
  crypto::TransportKey receive_;
  std::vector<std::uint8_t> input_;
  std::vector<std::uint8_t> plain_;  // stanzas not yet in a frame
  std::vector<std::uint8_t> output_;
  protocol::Jid jid_;
  std::uint64_t sequence_base_ = 0;
  std::uint64_t last_received_ = 0;   // relative
  std::uint64_t acknowledged_ = 0;    // relative, told
  std::uint64_t to_acknowledge_ = 0;  // relative
  std::uint32_t refusal_ = 0;
  std::uint32_t refusal_told_ = 0;
  std::uint32_t number_ = 0;
  bool transport_ = false;
  bool ready_ = false;
  bool ended_ = false;
};

}  // namespace godwit::client
