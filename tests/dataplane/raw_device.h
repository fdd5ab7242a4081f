// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "crypto/aead.h"
#include "protocol/preamble.h"
#include "tests/dataplane/gateway_world.h"

namespace godwit::dataplane {

// A device of the world that says what the test tells it to: true keys, any stanzas. What the
// gateway said is kept, stanza by stanza.
class RawDevice {
 public:
  struct Said {
    protocol::StanzaType type{};
    std::vector<std::uint8_t> content;
    std::size_t frame = 0;  // counted from 1
  };

  RawDevice(GatewayWorld& world, const crypto::KeyPair& key, protocol::JidView jid)
      : world_(world), jid_(jid), key_(key) {}
  virtual ~RawDevice() = default;

  // A connection, and IK's first message on it.
  virtual void connect() {
    connect_silently();
    transport_ = false;
    frames = 0;
    input_.clear();
    said.clear();
    using protocol::HandshakePattern;
    const auto preamble =
        protocol::encode({.pattern = hybrid ? HandshakePattern::ik_hfs : HandshakePattern::ik,
                          .suite = protocol::HandshakeSuite::chachapoly_blake2b});
    noise_.emplace(*crypto::NoiseHandshake::start(
        {.pattern = hybrid ? crypto::NoisePattern::ik_hfs : crypto::NoisePattern::ik,
         .suite = *crypto::suite_from_byte(2),
         .initiator = true,
         .prologue = preamble,
         .local_static = &key_,
         .remote_static = world_.node_key.public_key}));
    std::array<std::uint8_t, 1400> bytes;
    std::ranges::copy(preamble, bytes.begin());
    const auto size = noise_->write_message({}, MutableBytes(bytes).subspan(7), world_.random);
    GODWIT_CHECK(size.has_value());
    protocol::write_frame_length(MutableBytes(bytes).subspan(4), *size);
    send(Bytes(bytes).first(7 + *size));
  }
  // A connection without a word on it.
  void connect_silently() {
    name_ = *world_.client.connect({"127.0.0.1", 5210});
    opened_ = false;
    closed = std::nullopt;
    unsent_.clear();
    recorded_.clear();
  }
  void log_in(std::uint64_t last_sequence = 0, std::uint32_t window = 256) {
    say(protocol::Login{.jid = jid_, .last_sequence = last_sequence, .window = window});
  }

  // On the wire, once the connection is there.
  void send(Bytes bytes) {
    recorded_.insert(recorded_.end(), bytes.begin(), bytes.end());
    unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
    flush();
  }
  void say_plain(Bytes plain) {
    GODWIT_CHECK(transport_);
    std::vector<std::uint8_t> frame(protocol::length_prefix_size + plain.size() +
                                    crypto::aead_tag_size);
    protocol::write_frame_length(frame, plain.size() + crypto::aead_tag_size);
    GODWIT_CHECK(crypto::seal(send_key_, {}, plain,
                              MutableBytes(frame).subspan(protocol::length_prefix_size)));
    send(frame);
  }
  template <typename Stanza>
  void say(const Stanza& stanza) {
    std::vector<std::uint8_t> bytes(protocol::frame_plaintext_size_max);
    ByteWriter out(bytes);
    GODWIT_CHECK(write(out, stanza));
    say_plain(out.written());
  }
  // Several messages to one account, in one frame.
  void say_messages(const protocol::JidView& to, std::uint64_t first_id, std::size_t count,
                    std::string_view payload = "text") {
    std::vector<std::uint8_t> bytes(protocol::frame_plaintext_size_max);
    ByteWriter out(bytes);
    for (std::uint64_t id = first_id; id < first_id + count; ++id) {
      GODWIT_CHECK(protocol::write(
          out, protocol::Message{.id = id, .peer = to, .payload = as_bytes(payload)},
          {jid_.domain}));
    }
    say_plain(out.written());
  }
  void ping(std::uint64_t token) {
    std::array<std::uint8_t, 16> bytes;
    ByteWriter out(bytes);
    GODWIT_CHECK(protocol::write_ping(out, {token}));
    say_plain(out.written());
  }
  void acknowledge(std::uint64_t upto, std::uint32_t refusal = 0) {
    say(protocol::Ack{.upto = upto, .refusal = refusal});
  }

  // All it has sent since it last connected, as an eavesdropper has it.
  const std::vector<std::uint8_t>& recorded() const { return recorded_; }

  // Which IK it speaks: the older one, as clients in other languages may.
  bool hybrid = false;

  // What the gateway said.
  std::vector<Said> said;
  std::size_t frames = 0;
  std::optional<io::CloseReason> closed;

  std::size_t count(protocol::StanzaType type) const {
    return static_cast<std::size_t>(std::ranges::count(said, type, &Said::type));
  }
  const Said* last(protocol::StanzaType type) const {
    const auto found = std::ranges::find(said.rbegin(), said.rend(), type, &Said::type);
    return found == said.rend() ? nullptr : &*found;
  }
  std::uint64_t acknowledged() const {
    const Said* ack = last(protocol::StanzaType::ack);
    return ack == nullptr ? 0 : protocol::read_ack(ack->content)->upto;
  }
  std::optional<protocol::StreamCondition> stream_error() const {
    const Said* error = last(protocol::StanzaType::stream_error);
    if (error == nullptr) return std::nullopt;
    return protocol::read_stream_error(error->content)->condition;
  }
  // Texts of the messages delivered, in order.
  std::vector<std::string> texts() const {
    std::vector<std::string> result;
    for (const Said& stanza : said) {
      if (stanza.type != protocol::StanzaType::message) continue;
      protocol::JidScratch scratch;
      const auto message = protocol::read_message(stanza.content, {jid_.domain},
                                                  protocol::Side::from_gateway, scratch);
      GODWIT_CHECK(message.has_value());
      result.emplace_back(as_text(message->payload));
    }
    return result;
  }
  ConnectionName name() const { return name_; }

  // The network's events.
  void open() {
    opened_ = true;
    flush();
  }
  void receive(Bytes bytes) {
    input_.insert(input_.end(), bytes.begin(), bytes.end());
    for (;;) {
      const auto limits =
          transport_ ? protocol::transport_frame_limits : protocol::hybrid_handshake_frame_limits;
      const auto split = protocol::split_frame(input_, limits);
      if (split.status == protocol::SplitStatus::need_more) return;
      GODWIT_CHECK(split.status == protocol::SplitStatus::complete);
      const MutableBytes body = protocol::frame_body(MutableBytes(input_), split);
      transport_ ? read_frame(body) : read_handshake(body);
      input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(split.wire_size));
    }
  }

 protected:
  bool has_transport() const { return transport_; }
  virtual void on_transport() {}
  virtual void on_stanza(const protocol::RawStanza& stanza, Bytes) {
    said.push_back({stanza.type, {stanza.content.begin(), stanza.content.end()}, frames});
  }

  GatewayWorld& world_;
  const protocol::JidView jid_;

 private:
  void flush() {
    const Bytes bytes(unsent_);
    if (!opened_ || bytes.empty()) return;
    // A gateway that has closed takes nothing.
    const std::size_t sent = world_.client.send(name_, {&bytes, 1});
    GODWIT_CHECK(sent == bytes.size() || sent == 0);
    unsent_.clear();
  }
  void read_handshake(Bytes body) {
    GODWIT_CHECK(body[0] == static_cast<std::uint8_t>(protocol::HandshakeStatus::message));
    std::array<std::uint8_t, protocol::hybrid_handshake_message_size_max> payload;
    GODWIT_CHECK(noise_->read_message(body.subspan(1), payload) && noise_->finished());
    crypto::NoiseResult result = noise_->finish();
    noise_.reset();
    send_key_ = std::move(result.send);
    receive_key_ = std::move(result.receive);
    transport_ = true;
    on_transport();
  }
  void read_frame(MutableBytes body) {
    const MutableBytes plain = body.first(body.size() - crypto::aead_tag_size);
    GODWIT_CHECK(crypto::open(receive_key_, {}, body, plain));
    ++frames;
    for (Bytes rest = plain; !rest.empty();) {
      const Bytes before = rest;
      const auto stanza = protocol::next_stanza(rest);
      GODWIT_CHECK(stanza.has_value());
      on_stanza(*stanza, before.first(before.size() - rest.size()));
    }
  }

  const crypto::KeyPair& key_;
  ConnectionName name_{};
  bool opened_ = false;
  std::vector<std::uint8_t> unsent_;
  std::vector<std::uint8_t> recorded_;
  std::optional<crypto::NoiseHandshake> noise_;
  crypto::TransportKey send_key_;
  crypto::TransportKey receive_key_;
  std::vector<std::uint8_t> input_;
  bool transport_ = false;
};

}  // namespace godwit::dataplane
