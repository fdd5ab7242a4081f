// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "crypto/certificate.h"
#include "crypto/noise.h"
#include "protocol/frame.h"
#include "protocol/preamble.h"
#include "protocol/stanza.h"

// A gateway's end of one connection, written from the wire's side and told what to say by a test.
// No I/O, no clock.

namespace godwit::client::test {

inline constexpr WallTime test_time{std::chrono::milliseconds(1'800'000'000'000)};

// What a gateway keeps over its connections.
struct FakeNode {
  explicit FakeNode(std::uint64_t seed = 1);
  void certify(const std::string& name, WallTime not_before, WallTime not_after);

  SeededRandom random;
  crypto::OperatorKey operator_key;
  crypto::KeyPair key;
  std::vector<std::uint8_t> certificate;
};

class FakeGateway {
 public:
  struct Message {
    std::uint64_t id = 0;
    std::string to;
    std::string payload;
    std::optional<std::uint16_t> devices{};
    bool operator==(const Message&) const = default;
  };
  struct SeenLogin {
    std::string jid;
    std::uint64_t last_sequence = 0;
  };

  explicit FakeGateway(FakeNode& node) : node_(node) {}

  // False when what came is not the protocol.
  bool on_bytes(Bytes bytes);
  std::vector<std::uint8_t> take_output() { return std::exchange(output_, {}); }

  // What has come.
  std::optional<protocol::Preamble> preamble;
  std::optional<crypto::PublicKey> client_key;
  std::vector<std::string> registers;  // "jid invite"
  std::vector<SeenLogin> logins;
  std::vector<Message> messages;  // the index is the stanza number less one
  struct SeenIq {
    protocol::IqType type{};
    std::uint64_t id = 0;
    std::vector<std::uint8_t> node;
  };
  std::vector<SeenIq> iqs;
  std::vector<protocol::Ack> acks;
  std::vector<std::size_t> messages_before_ack;  // how many messages had come before each of `acks`
  std::vector<std::uint64_t> pings, pongs;
  std::size_t frames = 0;
  bool bye = false;

  // What to say; each is a frame of its own.
  void registered(std::uint16_t device);
  void ready(std::uint64_t base, std::uint64_t backlog = 0);
  void backlog_end();
  void deliver(const protocol::Message& message);
  void ack(std::uint64_t upto);
  void refuse(std::uint32_t number, protocol::Condition condition);
  void name_devices(const protocol::DeviceList& list);
  void end(protocol::StreamCondition condition, std::uint32_t retry_after_ms = 0,
           std::string_view text = {});
  void say_iq(const protocol::Iq& iq);
  void refuse_iq(std::uint64_t id, std::uint32_t number, protocol::Condition condition);
  void ping(std::uint64_t token);
  void say_plain(Bytes stanzas);
  void say_raw(Bytes bytes) { output_.insert(output_.end(), bytes.begin(), bytes.end()); }

 private:
  bool on_handshake(Bytes message);
  bool on_stanza(const protocol::RawStanza& stanza);
  void start(crypto::NoisePattern pattern, std::optional<crypto::PublicKey> remote_ephemeral);
  template <typename Write>
  void say(Write&& write);

  FakeNode& node_;
  std::vector<std::uint8_t> input_;
  std::vector<std::uint8_t> output_;
  protocol::PreambleBytes prologue_{};
  std::optional<crypto::NoiseHandshake> noise_;
  crypto::TransportKey send_;
  crypto::TransportKey receive_;
  bool transport_ = false;
};

}  // namespace godwit::client::test
