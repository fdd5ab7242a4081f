// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"
#include "protocol/preamble.h"
#include "tests/fuzz/gateway_world.h"
#include "tests/protocol/rewrite.h"

// A whole gateway against three devices that hold the right keys and say whatever the input says.
// Whatever they do: the gateway keeps its invariants, and what it sends is readable, in one form,
// counted right and in order.
//
// Input: steps of one byte, `device (2 bits) · kind (3 bits)`, and what the kind needs: a frame
// (two bytes of length, plaintext), bytes on the wire (one byte of length), an acknowledgement of
// all that came, time, a new connection, storage that fails or works again.

namespace godwit::dataplane {
namespace {

using protocol::RawStanza;
using protocol::Side;
using protocol::StanzaType;

constexpr protocol::Context own{"example.org"};
constexpr std::array<protocol::JidView, 3> addresses{protocol::JidView{"alice", "example.org", 1},
                                                     {"alice", "example.org", 2},
                                                     {"bob", "example.org", 1}};

class Device {
 public:
  Device(GatewayWorld& world, std::size_t index) : world_(world), index_(index) {}

  bool connected() const { return open_; }
  ConnectionName name() const { return name_; }
  void closed() { open_ = false; }

  void connect() {
    if (open_) world_.client.close(name_, io::CloseMode::abort);
    const auto name = world_.client.connect({"127.0.0.1", 5210});
    GODWIT_CHECK(name.has_value());
    name_ = *name;
    open_ = true;
    transport_ = ready_ = false;
    input_.clear();
    output_.clear();
    numbered_ = acknowledged_ = refused_ = received_ = 0;
    const auto preamble = protocol::encode({.pattern = protocol::HandshakePattern::ik,
                                            .suite = protocol::HandshakeSuite::chachapoly_blake2b});
    noise_.emplace(*crypto::NoiseHandshake::start({.pattern = crypto::NoisePattern::ik,
                                                   .suite = *crypto::suite_from_byte(2),
                                                   .initiator = true,
                                                   .prologue = preamble,
                                                   .local_static = &world_.device_keys[index_],
                                                   .remote_static = world_.node_key.public_key}));
    std::array<std::uint8_t, 200> bytes;
    std::ranges::copy(preamble, bytes.begin());
    const auto size = noise_->write_message({}, MutableBytes(bytes).subspan(7), world_.random);
    GODWIT_CHECK(size.has_value());
    protocol::write_frame_length(MutableBytes(bytes).subspan(4), *size);
    send(Bytes(bytes).first(7 + *size));
  }

  void send(Bytes bytes) { output_.insert(output_.end(), bytes.begin(), bytes.end()); }

  // What the network takes now; nothing while the connection is being made.
  std::size_t flush() {
    const Bytes bytes = output_;
    if (bytes.empty() || world_.client.send(name_, {&bytes, 1}) == 0) return 0;
    output_.clear();
    return 1;
  }

  void send_frame(Bytes plain) {
    if (!transport_ || plain.size() > protocol::frame_plaintext_size_max) return;
    count(plain);
    std::vector<std::uint8_t> frame(protocol::length_prefix_size + plain.size() +
                                    crypto::aead_tag_size);
    protocol::write_frame_length(frame, plain.size() + crypto::aead_tag_size);
    GODWIT_CHECK(crypto::seal(send_key_, {}, plain,
                              MutableBytes(frame).subspan(protocol::length_prefix_size)));
    send(frame);
  }

  void acknowledge() {
    std::array<std::uint8_t, 32> bytes;
    ByteWriter out(bytes);
    GODWIT_CHECK(write(out, protocol::Ack{.upto = received_, .refusal = refused_}));
    if (ready_) send_frame(out.written());
  }

  void receive(Bytes bytes) {
    input_.insert(input_.end(), bytes.begin(), bytes.end());
    for (;;) {
      const auto limits =
          transport_ ? protocol::transport_frame_limits : protocol::handshake_frame_limits;
      const auto split = protocol::split_frame(input_, limits);
      if (split.status == protocol::SplitStatus::need_more) return;
      GODWIT_CHECK(split.status == protocol::SplitStatus::complete);
      const MutableBytes body = protocol::frame_body(MutableBytes(input_), split);
      transport_ ? read_frame(body) : finish_handshake(body);
      input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(split.wire_size));
    }
  }

 private:
  // No more than these can be numbered; behind what is wrong the gateway reads nothing.
  void count(Bytes plain) {
    while (!plain.empty()) {
      const auto stanza = protocol::next_stanza(plain);
      if (!stanza) return;
      if (stanza->type <= StanzaType::iq) ++numbered_;
    }
  }

  void finish_handshake(Bytes body) {
    GODWIT_CHECK(body[0] == static_cast<std::uint8_t>(protocol::HandshakeStatus::message));
    std::array<std::uint8_t, protocol::handshake_message_size_max> payload;
    GODWIT_CHECK(noise_->read_message(body.subspan(1), payload) && noise_->finished());
    crypto::NoiseResult result = noise_->finish();
    noise_.reset();
    send_key_ = std::move(result.send);
    receive_key_ = std::move(result.receive);
    transport_ = true;
    std::array<std::uint8_t, 64> bytes;
    ByteWriter out(bytes);
    GODWIT_CHECK(write(
        out, protocol::Login{.jid = addresses[index_], .last_sequence = stored_, .window = 4}));
    send_frame(out.written());
  }

  void read_frame(MutableBytes body) {
    const MutableBytes plain = body.first(body.size() - crypto::aead_tag_size);
    GODWIT_CHECK(crypto::open(receive_key_, {}, body, plain));
    Bytes rest = plain;
    while (!rest.empty()) {
      const Bytes before = rest;
      const auto stanza = protocol::next_stanza(rest);
      GODWIT_CHECK(stanza.has_value());
      const Bytes encoded = before.first(before.size() - rest.size());
      std::vector<std::uint8_t> bytes(encoded.size());
      ByteWriter out(bytes);
      GODWIT_CHECK(protocol::testing::rewrite(out, *stanza, own, Side::from_gateway));
      GODWIT_CHECK(std::ranges::equal(out.written(), encoded));
      check(*stanza);
    }
  }

  void check(const RawStanza& stanza) {
    protocol::JidScratch scratch;
    switch (stanza.type) {
      case StanzaType::session_ready:
        GODWIT_CHECK(!ready_);
        base_ = protocol::read_session_ready(stanza.content)->sequence_base;
        GODWIT_CHECK(base_ >= stored_);
        ready_ = true;
        return;
      case StanzaType::message: {
        const auto message =
            protocol::read_message(stanza.content, own, Side::from_gateway, scratch);
        GODWIT_CHECK(ready_ && message->peer.device != 0);
        if (message->ephemeral) return;
        const std::uint64_t sequence = message->sequence != 0 ? message->sequence : received_ + 1;
        GODWIT_CHECK(sequence > received_);
        received_ = sequence;
        stored_ = base_ + sequence;
        return;
      }
      case StanzaType::ack: {
        const auto ack = protocol::read_ack(stanza.content);
        GODWIT_CHECK(ready_ && ack->refusal == 0);
        GODWIT_CHECK(ack->upto > acknowledged_ && ack->upto <= numbered_);
        acknowledged_ = ack->upto;
        return;
      }
      case StanzaType::error: {
        const auto error = protocol::read_error(stanza.content);
        GODWIT_CHECK(ready_ && error->number > acknowledged_ && error->number <= numbered_);
        refused_ = std::max(refused_, error->number);
        return;
      }
      case StanzaType::stream_error:
        return;
      case StanzaType::presence:
      case StanzaType::iq:
      case StanzaType::backlog_end:
      case StanzaType::pong:
        GODWIT_CHECK(ready_);
        return;
      default:
        broken_invariant("the gateway sent what only a client sends", __FILE__, __LINE__);
    }
  }

  GatewayWorld& world_;
  const std::size_t index_;
  ConnectionName name_{};
  std::optional<crypto::NoiseHandshake> noise_;
  crypto::TransportKey send_key_;
  crypto::TransportKey receive_key_;
  std::vector<std::uint8_t> input_;
  std::vector<std::uint8_t> output_;
  std::uint64_t base_ = 0;
  std::uint64_t stored_ = 0;    // absolute, over connections
  std::uint64_t received_ = 0;  // relative
  std::uint64_t numbered_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint32_t refused_ = 0;
  bool open_ = false;
  bool transport_ = false;
  bool ready_ = false;
};

// The devices and their side of the network.
class Play {
 public:
  // The network's events.
  void on_open(ConnectionName, bool) {}
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    for (Device& device : devices_) {
      if (device.connected() && device.name() == name) device.receive(lease);
    }
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason) {
    for (Device& device : devices_) {
      if (device.name() == name) device.closed();
    }
  }

  void run(ByteReader in) {
    for (int steps = 0; steps < 64 && in.ok() && !in.at_end(); ++steps) {
      const std::uint8_t step = in.u8();
      take_step(devices_[(step & 3) % devices_.size()], step >> 2 & 7, in);
      settle();
    }
  }

 private:
  void take_step(Device& device, unsigned kind, ByteReader& in) {
    if (!device.connected() && kind < 5) {
      device.connect();
      settle();
    }
    switch (kind) {
      case 3:
        return device.acknowledge();
      case 4: {
        return device.send(in.take(in.u8()));
      }
      case 5:
        return world_.pass(std::chrono::milliseconds(10) * in.u8());
      case 6:
        return device.connect();
      case 7:
        world_.store().failing = !world_.store().failing;
        return;
      default:
        return device.send_frame(in.take(in.u16()));
    }
  }

  void settle() {
    for (int quiet = 0, turns = 0; quiet < 2; ++turns) {
      GODWIT_CHECK(turns < 10'000);
      std::size_t done = world_.turn();
      for (Device& device : devices_) done += device.flush();
      done += world_.client.poll(world_.now, 512, world_.now.instant, *this);
      quiet = done == 0 ? quiet + 1 : 0;
    }
  }

  GatewayWorld world_;
  std::array<Device, 3> devices_{Device{world_, 0}, Device{world_, 1}, Device{world_, 2}};
};

}  // namespace
}  // namespace godwit::dataplane

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace godwit;
  dataplane::Play play;
  play.run(ByteReader(Bytes(data, size)));
  return 0;
}
