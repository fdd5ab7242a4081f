// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "crypto/signal/sender_key.h"
#include "tests/crypto/signal/device.h"

// What a session and a sender key receive. Any bytes, or a genuine message with some of its bytes
// changed: a message that is not genuine is refused and changes nothing that is stored.
// Input: which message (a byte), whether it is changed or replaced (a byte), then positions and
// values, or the bytes.

namespace {

using namespace godwit;
using namespace godwit::crypto::signal;
using crypto::signal::testing::Device;

struct World {
  Device alice{"alice@example.org", 1};
  Device bob{"bob@example.org", 2};
  Device carol{"carol@example.org", 3};
  SeededRandom random{4};
  SenderKeyRecord sender{DistributionId{7}};
  SenderKeyRecord reader{DistributionId{7}};
  std::vector<CiphertextMessage> genuine;  // from alice, in sessions; the last is carol's first

  World() {
    GODWIT_CHECK(alice.open(bob.address, bob.bundle()).has_value());
    genuine.push_back(alice.send(bob.address, "late and first").value());
    GODWIT_CHECK(bob.receive(alice.address, alice.send(bob.address, "read").value()).has_value());
    for (int i = 0; i < 3; ++i) {
      GODWIT_CHECK(alice.receive(bob.address, bob.send(alice.address, "on").value()).has_value());
      genuine.push_back(alice.send(bob.address, "late").value());
      GODWIT_CHECK(bob.receive(alice.address, alice.send(bob.address, "on").value()).has_value());
    }
    genuine.push_back(alice.send(bob.address, "next").value());
    GODWIT_CHECK(carol.open(bob.address, bob.bundle()).has_value());
    genuine.push_back(carol.send(bob.address, "hello").value());
    sender.rotate(random);
    GODWIT_CHECK(reader.learn(*sender.distribution()).has_value());
  }
};

// Positions of two bytes, each with a value to add; whether anything is changed.
bool change(std::vector<std::uint8_t>& bytes, Bytes changes) {
  const std::vector<std::uint8_t> before = bytes;
  ByteReader in(changes);
  while (in.remaining() >= 3) bytes[in.u16() % bytes.size()] ^= in.u8();
  return bytes != before;
}

void session(const World& world, const CiphertextMessage& message, bool genuine, bool is_carols) {
  const Device& bob = world.bob;
  const ProtocolAddress& from = is_carols ? world.carol.address : world.alice.address;
  const auto kept = bob.records.find(from);
  SessionRecord record = kept == bob.records.end() ? SessionRecord() : kept->second.copy();
  const SecretBytes before = record.write();
  SeededRandom random(5);
  bool read = false;
  if (message.kind == MessageKind::prekey) {
    read = decrypt_prekey(record, message.bytes, bob, bob.context(from), random).has_value();
  } else {
    read = decrypt(record, message.bytes, bob.context(from), random).has_value();
  }
  GODWIT_CHECK(read || !genuine);
  GODWIT_CHECK(read || record.write() == before);
}

void group(World& world, Bytes input, bool replaced) {
  SeededRandom random(6);
  SenderKeyRecord sender = world.sender.copy();
  std::vector<std::uint8_t> message = sender.encrypt(as_bytes("to all"), random).value();
  const bool changed = replaced || change(message, input);
  if (replaced) message.assign(input.begin(), input.end());
  SenderKeyRecord reader = world.reader.copy();
  const SecretBytes before = reader.write();
  const bool read = reader.decrypt(message).has_value();
  GODWIT_CHECK(read || changed);
  GODWIT_CHECK(read || reader.write() == before);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  if (size < 2) return 0;
  const Bytes input(data + 2, size - 2);
  const bool replaced = data[1] % 2 == 1;
  const std::size_t which = data[0] % (world.genuine.size() + 1);
  if (which == world.genuine.size()) {
    group(world, input, replaced);
    return 0;
  }
  CiphertextMessage message = world.genuine[which];
  const bool changed = replaced || change(message.bytes, input);
  if (replaced) message.bytes.assign(input.begin(), input.end());
  session(world, message, !changed, which + 1 == world.genuine.size());
  return 0;
}
