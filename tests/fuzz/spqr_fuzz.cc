// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/spqr.h"

#include <algorithm>

// Two ratchets and what lies between them, moved by the input: a message is sent, delivered, lost,
// doubled, changed or made up. Both sides always have the same key for a message, an error changes
// nothing, and what is written is read again.

namespace {

using namespace godwit;
using namespace godwit::crypto;
using namespace godwit::crypto::signal;

constexpr std::size_t messages_max = 64;
constexpr int steps_max = 150;

std::vector<std::uint8_t> stored(const Spqr& ratchet) {
  std::vector<std::uint8_t> form(ratchet.write_size());
  ByteWriter out(form);
  ratchet.write(out);
  GODWIT_CHECK(out.ok() && out.size() == form.size() && form.size() <= spqr_state_size_max);
  return form;
}

struct Side {
  Spqr ratchet;
  std::vector<Spqr::Sent> waiting{};  // for this side
};

void send(Side& from, Side& to, RandomSource& random) {
  if (to.waiting.size() >= messages_max) to.waiting.erase(to.waiting.begin());
  auto sent = from.ratchet.send(random);
  GODWIT_CHECK(sent && sent->message.size() <= spqr_message_size_max);
  to.waiting.push_back(std::move(*sent));
}

void receive(Side& to, std::size_t place) {
  if (to.waiting.empty()) return;
  const Spqr::Sent& sent = to.waiting[place % to.waiting.size()];
  const auto before = stored(to.ratchet);
  const auto key = to.ratchet.receive(sent.message);
  if (key) {
    GODWIT_CHECK(key->equals(sent.key));
  } else {
    GODWIT_CHECK(key.error().code == ErrorCode::expired && stored(to.ratchet) == before);
  }
}

// The caller's part: what fails, or gives another key than the MAC was made with, is dropped.
void receive_made_up(const Side& to, Bytes message) {
  const auto before = stored(to.ratchet);
  Spqr trial = to.ratchet.copy();
  if (!trial.receive(message)) GODWIT_CHECK(stored(trial) == before);
  GODWIT_CHECK(stored(to.ratchet) == before);
}

void receive_changed(const Side& to, std::uint8_t place, std::uint8_t bits) {
  if (to.waiting.empty()) return;
  auto message = to.waiting[place % to.waiting.size()].message;
  message[bits % message.size()] ^= static_cast<std::uint8_t>(bits | 1);
  receive_made_up(to, message);
}

void store(Side& side) {
  const auto form = stored(side.ratchet);
  auto read = Spqr::read(form);
  GODWIT_CHECK(read && stored(*read) == form);
  side.ratchet = std::move(*read);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  SeededRandom random(1);
  Side alice{Spqr::start(Secret<32>(), Role::alice)};
  Side bob{Spqr::start(Secret<32>(), Role::bob)};
  ByteReader in(Bytes(data, size));
  for (int steps = 0; steps < steps_max && !in.at_end(); ++steps) {
    const std::uint8_t step = in.u8();
    Side& side = step & 1 ? bob : alice;
    Side& peer = step & 1 ? alice : bob;
    switch (step >> 1 & 7) {
      case 0:
        send(side, peer, random);
        break;
      case 1:
        receive(side, in.u8());
        break;
      case 2:
        if (!side.waiting.empty()) side.waiting.erase(side.waiting.begin());
        break;
      case 3:
        receive_changed(side, step >> 4, in.u8());
        break;
      case 4:
        receive_made_up(side, in.take(std::min<std::size_t>(in.remaining(), in.u8())));
        break;
      case 5:
        store(side);
        break;
      default:
        // The quick way through an agreement: sent and delivered, both ways.
        for (int i = 0; i < 1 + step / 32; ++i) {
          send(side, peer, random);
          receive(peer, peer.waiting.size() - 1);
          send(peer, side, random);
          receive(side, side.waiting.size() - 1);
        }
    }
  }
  return 0;
}
