// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"
#include "protocol/preamble.h"
#include "tests/dataplane/raw_device.h"
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

class Device : public RawDevice {
 public:
  Device(GatewayWorld& world, std::size_t index)
      : RawDevice(world, world.device_keys[index], addresses[index]) {}

  bool connected() const { return name().valid() && !closed; }

  void connect() override {
    if (connected()) world_.client.close(name(), io::CloseMode::abort);
    ready_ = false;
    numbered_ = acknowledged_ = refused_ = received_ = 0;
    RawDevice::connect();
  }

  void send_frame(Bytes plain) {
    if (!has_transport() || plain.size() > protocol::frame_plaintext_size_max) return;
    count(plain);
    say_plain(plain);
  }

  void acknowledge_all() {
    if (ready_) acknowledge(received_, refused_);
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

  void on_transport() override { log_in(stored_, 4); }

  void on_stanza(const RawStanza& stanza, Bytes encoded) override {
    std::vector<std::uint8_t> bytes(encoded.size());
    ByteWriter out(bytes);
    GODWIT_CHECK(protocol::testing::rewrite(out, stanza, own, Side::from_gateway));
    GODWIT_CHECK(std::ranges::equal(out.written(), encoded));
    check(stanza);
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
      case StanzaType::device_list: {
        const auto list = protocol::read_device_list(stanza.content);
        GODWIT_CHECK(ready_ && list->number > acknowledged_ && list->number <= numbered_);
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

  std::uint64_t base_ = 0;
  std::uint64_t stored_ = 0;    // absolute, over connections
  std::uint64_t received_ = 0;  // relative
  std::uint64_t numbered_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint32_t refused_ = 0;
  bool ready_ = false;
};

// The devices and their side of the network.
class Play {
 public:
  // The network's events.
  void on_open(ConnectionName name, bool) {
    for (Device& device : devices_) {
      if (device.name() == name) device.open();
    }
  }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    for (Device& device : devices_) {
      if (device.connected() && device.name() == name) device.receive(lease);
    }
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason reason) {
    for (Device& device : devices_) {
      if (device.name() == name) device.closed = reason;
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
        return device.acknowledge_all();
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
