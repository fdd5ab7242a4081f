// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/fingerprint.h"
#include "crypto/signal/key_encoding.h"
#include "crypto/signal/sender_key.h"
#include "tests/interop/remote_device.h"

// Sender keys with libsignal as a member, both ways, and the safety numbers that both compute.

namespace godwit::interop {
namespace {

using namespace crypto::signal;
using crypto::signal::testing::Device;
using nlohmann::json;

constexpr const char* id_text = "d1d1d1d1-7000-11eb-b32a-33b8a8a487a6";
const DistributionId id{0xd1, 0xd1, 0xd1, 0xd1, 0x70, 0x00, 0x11, 0xeb,
                        0xb3, 0x2a, 0x33, 0xb8, 0xa8, 0xa4, 0x87, 0xa6};

class GroupInteropTest : public InteropTest {
 protected:
  Result<std::string> they_read(RemoteDevice& theirs, Bytes message) {
    auto answer =
        theirs.ask({{"op", "group_decrypt"}, {"them", "ours"}, {"bytes", to_hex(message)}});
    if (!answer) return std::unexpected(answer.error());
    return std::string(as_text(*from_hex(answer->at("text").get<std::string>())));
  }
  void they_learn(RemoteDevice& theirs, const SenderKeyRecord& ours) {
    const auto distribution = ours.distribution()->encode();
    const auto learnt =
        theirs.ask({{"op", "learn"}, {"them", "ours"}, {"bytes", to_hex(distribution)}});
    ASSERT_TRUE(learnt) << learnt.error().message;
  }
  std::vector<std::uint8_t> they_write(RemoteDevice& theirs, std::string_view text) {
    const auto answer =
        theirs.ask({{"op", "group_encrypt"}, {"id", id_text}, {"text", to_hex(as_bytes(text))}});
    GODWIT_CHECK(answer.has_value());
    return *from_hex(answer->at("bytes").get<std::string>());
  }
  void we_learn(RemoteDevice& theirs, SenderKeyRecord& record) {
    const auto made = theirs.ask({{"op", "distribute"}, {"id", id_text}});
    ASSERT_TRUE(made) << made.error().message;
    const auto message =
        SenderKeyDistributionMessage::parse(*from_hex(made->at("bytes").get<std::string>()));
    ASSERT_TRUE(message) << message.error().message;
    ASSERT_TRUE(record.learn(*message));
  }

  SeededRandom random{21};
};

TEST_F(GroupInteropTest, TheyReadWhatWeSend) {
  RemoteDevice theirs(*peer, "theirs");
  SenderKeyRecord ours(id);
  ours.rotate(random);
  they_learn(theirs, ours);
  std::vector<std::vector<std::uint8_t>> messages;
  for (int i = 0; i < 20; ++i) {
    messages.push_back(*ours.encrypt(as_bytes("message " + std::to_string(i)), random));
  }
  for (int i = 19; i >= 0; --i) {
    EXPECT_EQ(they_read(theirs, messages[static_cast<std::size_t>(i)]),
              "message " + std::to_string(i));
  }
  EXPECT_FALSE(they_read(theirs, messages[3])) << "twice";
  RemoteDevice late(*peer, "late");
  they_learn(late, ours);
  EXPECT_FALSE(they_read(late, messages[19])) << "from before it joined";
  const auto next = ours.encrypt(as_bytes("for both"), random);
  EXPECT_EQ(they_read(theirs, *next), "for both");
  EXPECT_EQ(they_read(late, *next), "for both");

  ours.rotate(random);
  they_learn(late, ours);
  const auto after = ours.encrypt(as_bytes("without theirs"), random);
  EXPECT_EQ(they_read(late, *after), "without theirs");
  EXPECT_FALSE(they_read(theirs, *after)) << "who has left the group";
}

TEST_F(GroupInteropTest, WeReadWhatTheySend) {
  RemoteDevice theirs(*peer, "theirs");
  SenderKeyRecord record(id);
  we_learn(theirs, record);
  std::vector<std::vector<std::uint8_t>> messages;
  for (int i = 0; i < 20; ++i) messages.push_back(they_write(theirs, std::to_string(i)));
  for (int i = 19; i >= 0; --i) {
    const auto read = record.decrypt(messages[static_cast<std::size_t>(i)]);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(as_text(*read), std::to_string(i));
  }
  EXPECT_EQ(record.decrypt(messages[3]).error().code, ErrorCode::exists);
  auto tampered = they_write(theirs, "whole");
  tampered.back() ^= 1;
  EXPECT_EQ(record.decrypt(tampered).error().code, ErrorCode::invalid);

  ASSERT_TRUE(theirs.ask({{"op", "forget_sender_key"}, {"id", id_text}}));
  SenderKeyRecord left = record.copy();
  we_learn(theirs, record);
  const auto after = they_write(theirs, "rotated");
  const auto read = record.decrypt(after);
  ASSERT_TRUE(read);
  EXPECT_EQ(as_text(*read), "rotated");
  EXPECT_EQ(left.decrypt(after).error().code, ErrorCode::not_found);
}

TEST_F(GroupInteropTest, SafetyNumbersAreTheSame) {
  RemoteDevice theirs(*peer, "theirs");
  for (const std::string_view name : {"a@example.org", "zz", "+14155550100"}) {
    const crypto::KeyPair identity = crypto::KeyPair::generate(random);
    const crypto::PublicKey remote = theirs.identity();
    const Fingerprint ours = Fingerprint::make({as_bytes(name), identity.public_key},
                                               {as_bytes("theirs@example.org"), remote});
    const auto made =
        theirs.ask({{"op", "fingerprint"},
                    {"identifier", to_hex(as_bytes("theirs@example.org"))},
                    {"their_identifier", to_hex(as_bytes(name))},
                    {"their_identity", to_hex(encode_public_key(identity.public_key))},
                    {"scanned", to_hex(ours.scannable())}});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->at("digits"), ours.digits());
    EXPECT_EQ(made->at("fits"), true) << "their scan of ours";
    const auto scanned = *from_hex(made->at("scannable").get<std::string>());
    EXPECT_EQ(ours.matches(scanned), true);
    const Fingerprint other = Fingerprint::make({as_bytes("b@example.org"), identity.public_key},
                                                {as_bytes("theirs@example.org"), remote});
    EXPECT_EQ(other.matches(scanned), false);
  }
}

}  // namespace
}  // namespace godwit::interop
