// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/message.h"

#include <gtest/gtest.h>

#include "crypto/signal/key_encoding.h"
#include "crypto/signal/protobuf.h"
#include "crypto/signal/sender_key_message.h"

// The messages' bytes: written as the specification's facts say, refused where anything else.

namespace godwit::crypto::signal {
namespace {

using Buffer = std::vector<std::uint8_t>;

template <typename T>
ErrorCode code_of(const Result<T>& result) {
  GODWIT_CHECK(!result.has_value());
  return result.error().code;
}

class MessageTest : public ::testing::Test {
 protected:
  // A message and the protobuf it is of.
  Buffer signal_message(std::size_t ciphertext_size = 16) {
    const Buffer ciphertext(ciphertext_size, 0xcc);
    const Buffer pq{1, 2, 3};
    return SignalMessage{.ratchet_key = ratchet.public_key,
                         .counter = 300,
                         .previous_counter = 2,
                         .ciphertext = ciphertext,
                         .pq_ratchet = pq,
                         .addresses = std::nullopt,
                         .authenticated = {},
                         .mac = {}}
        .encode(mac_key, {sender.public_key, receiver.public_key});
  }

  PreKeySignalMessage prekey_message(Bytes inner) {
    return {.one_time_prekey_id = 5,
            .registration_id = 6,
            .signed_prekey_id = 7,
            .kyber_prekey_id = 8,
            .kyber_ciphertext = kyber_ciphertext,
            .base_key = ratchet.public_key,
            .identity_key = sender.public_key,
            .message = inner};
  }

  SeededRandom random{5};
  KeyPair ratchet = KeyPair::generate(random);
  KeyPair sender = KeyPair::generate(random);
  KeyPair receiver = KeyPair::generate(random);
  Secret<32> mac_key = KeyPair::generate(random).private_key;
  Kyber1024::Ciphertext kyber_ciphertext{};
};

TEST_F(MessageTest, SignalMessageBytes) {
  const Buffer bytes = signal_message();
  const std::string expected =
      "44"
      "0a2105" +
      to_hex(ratchet.public_key) + "10ac02" + "1802" + "2210" + std::string(32, 'c') + "2a03010203";
  EXPECT_EQ(to_hex(Bytes(bytes).first(bytes.size() - message_mac_size)), expected);
  const auto parsed = SignalMessage::parse(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->ratchet_key, ratchet.public_key);
  EXPECT_EQ(parsed->counter, 300u);
  EXPECT_EQ(parsed->previous_counter, 2u);
  EXPECT_EQ(parsed->ciphertext.size(), 16u);
  EXPECT_EQ(to_hex(parsed->pq_ratchet), "010203");
  EXPECT_FALSE(parsed->addresses);
  EXPECT_TRUE(parsed->verify(mac_key, {sender.public_key, receiver.public_key}));
  EXPECT_FALSE(parsed->verify(mac_key, {receiver.public_key, sender.public_key}));
  EXPECT_FALSE(parsed->verify(sender.private_key, {sender.public_key, receiver.public_key}));
}

TEST_F(MessageTest, SignalMessageVersions) {
  Buffer bytes = signal_message();
  for (const auto& [version, spoken] : std::vector<std::pair<int, bool>>{{0x44, true},
                                                                         {0x45, true},
                                                                         {0x4f, true},
                                                                         {0x43, false},
                                                                         {0x34, false},
                                                                         {0x33, false},
                                                                         {0x54, false},
                                                                         {0x00, false},
                                                                         {0xff, false}}) {
    bytes[0] = static_cast<std::uint8_t>(version);
    const auto parsed = SignalMessage::parse(bytes);
    EXPECT_EQ(parsed.has_value(), spoken) << version;
    EXPECT_TRUE(parsed || parsed.error().code == ErrorCode::refused);
  }
}

TEST_F(MessageTest, SignalMessageSizes) {
  const std::size_t around = signal_message(60'000).size() - 60'000;
  for (const std::size_t size : {signal_message_size_max - 1, signal_message_size_max}) {
    const Buffer bytes = signal_message(size - around);
    ASSERT_EQ(bytes.size(), size);
    EXPECT_TRUE(SignalMessage::parse(bytes));
  }
  const Buffer longer = signal_message(signal_message_size_max + 1 - around);
  EXPECT_EQ(code_of(SignalMessage::parse(longer)), ErrorCode::malformed);
  EXPECT_EQ(code_of(SignalMessage::parse({})), ErrorCode::malformed);
  EXPECT_EQ(code_of(SignalMessage::parse(Buffer{0x44, 0, 0, 0})), ErrorCode::malformed);
}

TEST_F(MessageTest, SignalMessageFields) {
  const auto with = [&](auto&& write) {
    Buffer bytes{session_version_byte};
    write(ProtobufWriter(bytes));
    bytes.resize(bytes.size() + message_mac_size);
    return SignalMessage::parse(bytes).has_value();
  };
  const EncodedPublicKey key = encode_public_key(ratchet.public_key);
  const auto rest = [](auto& writer) {
    writer.number(2, 1);
    writer.bytes(4, Buffer(16));
  };
  EXPECT_TRUE(with([&](auto writer) { writer.bytes(1, key), rest(writer); }));
  EXPECT_FALSE(with([&](auto writer) { rest(writer); })) << "no ratchet key";
  EXPECT_FALSE(with([&](auto writer) { writer.bytes(1, key), writer.number(2, 1); }));
  EXPECT_FALSE(with([&](auto writer) { writer.bytes(1, key), writer.bytes(4, Buffer(16)); }));
  EXPECT_FALSE(with([&](auto writer) { writer.bytes(1, Bytes(key).first(32)), rest(writer); }));
  EncodedPublicKey other = key;
  other[0] = 6;
  EXPECT_FALSE(with([&](auto writer) { writer.bytes(1, other), rest(writer); }));
  for (const std::size_t size : {pq_ratchet_size_max - 1, pq_ratchet_size_max}) {
    EXPECT_TRUE(with(
        [&](auto writer) { writer.bytes(1, key), rest(writer), writer.bytes(5, Buffer(size)); }));
  }
  EXPECT_FALSE(with([&](auto writer) {
    writer.bytes(1, key), rest(writer), writer.bytes(5, Buffer(pq_ratchet_size_max + 1));
  }));
}

TEST_F(MessageTest, PreKeyMessage) {
  const Buffer inner = signal_message();
  PreKeySignalMessage message = prekey_message(inner);
  const Buffer bytes = message.encode();
  const auto parsed = PreKeySignalMessage::parse(bytes);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->one_time_prekey_id, 5u);
  EXPECT_EQ(parsed->registration_id, 6u);
  EXPECT_EQ(parsed->signed_prekey_id, 7u);
  EXPECT_EQ(parsed->kyber_prekey_id, 8u);
  EXPECT_EQ(parsed->base_key, ratchet.public_key);
  EXPECT_EQ(parsed->identity_key, sender.public_key);
  EXPECT_TRUE(std::ranges::equal(parsed->message, inner));
  EXPECT_TRUE(std::ranges::equal(parsed->kyber_ciphertext, kyber_ciphertext));
  EXPECT_EQ(parsed->encode(), bytes);
  message.one_time_prekey_id.reset();
  EXPECT_FALSE(PreKeySignalMessage::parse(message.encode())->one_time_prekey_id);
  for (std::size_t size = 0; size < bytes.size(); size += 7) {
    EXPECT_FALSE(PreKeySignalMessage::parse(Bytes(bytes).first(size))) << size;
  }
  Buffer older = bytes;
  older[0] = 0x33;
  EXPECT_EQ(code_of(PreKeySignalMessage::parse(older)), ErrorCode::refused);
}

TEST_F(MessageTest, OnlyHonestBaseKeys) {
  const Buffer inner = signal_message();
  const auto refused = [&](const PublicKey& base) {
    PreKeySignalMessage message = prekey_message(inner);
    message.base_key = base;
    const auto parsed = PreKeySignalMessage::parse(message.encode());
    return !parsed && parsed.error().code == ErrorCode::malformed;
  };
  EXPECT_FALSE(refused(ratchet.public_key));
  PublicKey top_bit = ratchet.public_key;
  top_bit[31] |= 0x80;
  EXPECT_TRUE(refused(top_bit));
  PublicKey key{};
  EXPECT_TRUE(refused(key)) << "u = 0, of order 2";
  key[0] = 1;
  EXPECT_TRUE(refused(key)) << "u = 1, of order 4";
  key.fill(0xff);
  key[31] = 0x7f;
  key[0] = 0xec;
  EXPECT_TRUE(refused(key)) << "u = -1, on the twist";
  key[0] = 0xed;
  EXPECT_TRUE(refused(key)) << "u = p, which is 0";
  // Of order 8 (RFC 7748's implementations list it).
  const auto eighth = from_hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
  std::ranges::copy(*eighth, key.begin());
  EXPECT_TRUE(refused(key));
  // Half of all numbers are on the twist, and most points on the curve have a part of small order.
  int taken = 0;
  for (std::uint8_t u = 2; u < 66; ++u) {
    key.fill(0);
    key[0] = u;
    taken += !refused(key);
  }
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, 16);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(refused(KeyPair::generate(random).public_key));
}

TEST_F(MessageTest, KeyKindsAndLengths) {
  const EncodedPublicKey key = encode_public_key(ratchet.public_key);
  EXPECT_EQ(decode_public_key(key), ratchet.public_key);
  EXPECT_FALSE(decode_public_key(Bytes(key).first(32)));
  Buffer longer(key.begin(), key.end());
  longer.push_back(0);
  EXPECT_FALSE(decode_public_key(longer));
  const Kyber1024::PublicKey kyber = Kyber1024::generate(random).public_key;
  EncodedKyberKey encoded = encode_kyber_key(kyber);
  EXPECT_EQ(encoded[0], 0x08);
  EXPECT_EQ(decode_kyber_key(encoded), kyber);
  for (const int kind : {0x07, 0x0a, 0x05}) {
    encoded[0] = static_cast<std::uint8_t>(kind);
    EXPECT_FALSE(decode_kyber_key(encoded)) << "another KEM";
  }
}

TEST_F(MessageTest, Addresses) {
  const ProtocolAddress account{"9d0652a3-dcc3-4d11-975f-74d61598733f", 3};
  const ProtocolAddress phone{"PNI:796abedb-ca4e-4f18-8803-1fde5b921f9f", 127};
  const auto both = encode_addresses({account, phone});
  ASSERT_TRUE(both);
  EXPECT_EQ(to_hex(*both),
            "009d0652a3dcc34d11975f74d61598733f03"
            "01796abedbca4e4f1888031fde5b921f9f7f");
  for (const char* name : {"alice@example.org", "", "9d0652a3dcc34d11975f74d61598733f",
                           "9d0652a3-dcc3-4d11-975f-74d61598733g",
                           "pni:", "PNI:", "9d0652a-3dcc3-4d11-975f-74d61598733f"}) {
    EXPECT_FALSE(encode_addresses({account, {name, 1}})) << name;
    EXPECT_FALSE(encode_addresses({{name, 1}, account})) << name;
  }
  EXPECT_FALSE(encode_addresses({account, {phone.name, 256}}));
}

TEST_F(MessageTest, SenderKeyMessages) {
  const Buffer ciphertext(32, 0xee);
  DistributionId id{};
  id[15] = 9;
  const SenderKeyMessage message{.distribution_id = id,
                                 .chain_id = 0x7fffffff,
                                 .iteration = 0,
                                 .ciphertext = ciphertext,
                                 .authenticated = {},
                                 .signature = {}};
  const Buffer bytes = message.encode(sender.private_key, random);
  EXPECT_EQ(to_hex(Bytes(bytes).first(bytes.size() - 64)),
            "330a10" + to_hex(id) + "10ffffffff07" + "1800" + "2220" + std::string(64, 'e'));
  const auto parsed = SenderKeyMessage::parse(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->chain_id, 0x7fffffffu);
  EXPECT_TRUE(parsed->verify(sender.public_key));
  EXPECT_FALSE(parsed->verify(receiver.public_key));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = SenderKeyMessage::parse(Bytes(bytes).first(size));
    EXPECT_FALSE(cut && cut->verify(sender.public_key)) << size;
  }
  Buffer later = bytes;
  later[0] = 0x44;
  EXPECT_EQ(code_of(SenderKeyMessage::parse(later)), ErrorCode::refused);

  const SenderKeyDistributionMessage distribution{.distribution_id = id,
                                                  .chain_id = 1,
                                                  .iteration = 2,
                                                  .chain_key = mac_key.copy(),
                                                  .signing_key = sender.public_key};
  const SecretBytes secret = distribution.encode();
  EXPECT_EQ(to_hex(secret), "330a10" + to_hex(id) + "10011802" + "2220" + to_hex(mac_key.bytes()) +
                                "2a2105" + to_hex(sender.public_key));
  const auto read = SenderKeyDistributionMessage::parse(secret);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->iteration, 2u);
  EXPECT_TRUE(read->chain_key.equals(mac_key));
  for (std::size_t size = 0; size < secret.size(); ++size) {
    EXPECT_FALSE(SenderKeyDistributionMessage::parse(Bytes(secret).first(size))) << size;
  }
}

}  // namespace
}  // namespace godwit::crypto::signal
