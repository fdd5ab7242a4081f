// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificate.h"

#include <gtest/gtest.h>

// Certificates: read back as written, refused for each reason with its own sentence, and every way
// of damaging one.

namespace godwit::crypto {
namespace {

using std::chrono::milliseconds;

constexpr WallTime start{milliseconds(1'800'000'000'000)};
constexpr WallTime end{milliseconds(1'900'000'000'000)};

class CertificateTest : public ::testing::Test {
 protected:
  Certificate certificate(std::string name = "chat.example.org") const {
    return sign_certificate(operator_, node_.public_key, std::move(name), start, end);
  }
  CertificateExpectation expectation() const {
    return {.operator_key = &operator_.public_key,
            .node_key = &node_.public_key,
            .name = "chat.example.org",
            .now = start};
  }
  // The sentence, with the code it must come with.
  static std::string refusal(const Certificate& certificate,
                             const CertificateExpectation& expectation, ErrorCode code) {
    const auto verified = verify(certificate, expectation);
    if (verified) return "verified";
    EXPECT_EQ(verified.error().code, code) << verified.error().message;
    return verified.error().message;
  }

  SeededRandom random_{1};
  OperatorKey operator_ = OperatorKey::generate(random_);
  KeyPair node_ = KeyPair::generate(random_);
};

TEST_F(CertificateTest, ReadBackAsWritten) {
  for (const std::size_t size : {1UL, 16UL, certificate_name_size_max}) {
    const Certificate written = certificate(std::string(size, 'x'));
    const auto bytes = encode(written);
    EXPECT_EQ(bytes.size(), 146 + size);
    const auto read = decode_certificate(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->operator_key, written.operator_key);
    EXPECT_EQ(read->node_key, written.node_key);
    EXPECT_EQ(read->not_before, start);
    EXPECT_EQ(read->not_after, end);
    EXPECT_EQ(read->name, written.name);
    EXPECT_EQ(read->signature, written.signature);
    EXPECT_EQ(encode(*read), bytes);
  }
  EXPECT_EQ(encode(certificate(std::string(253, 'x'))).size(), certificate_size_max);
}

TEST_F(CertificateTest, OperatorKeyIsItsSeed) {
  const OperatorKey same = OperatorKey::from_seed(operator_.seed.bytes());
  EXPECT_EQ(same.public_key, operator_.public_key);
  EXPECT_EQ(encode(sign_certificate(same, node_.public_key, "a", start, end)),
            encode(certificate("a")));
}

TEST_F(CertificateTest, VerifiesPinnedAndOnFirstUse) {
  const Certificate good = certificate();
  EXPECT_TRUE(verify(good, expectation()));
  auto first_use = expectation();
  first_use.operator_key = nullptr;
  EXPECT_TRUE(verify(good, first_use));
  auto any_node = expectation();
  any_node.node_key = nullptr;
  EXPECT_TRUE(verify(good, any_node));
}

TEST_F(CertificateTest, DatesHoldFromTheFirstInstantUntilBeforeTheLast) {
  const Certificate good = certificate();
  auto expected = expectation();
  expected.now = start - milliseconds(1);
  EXPECT_EQ(refusal(good, expected, ErrorCode::unavailable),
            "the server's certificate is not valid yet; check both clocks");
  expected.now = start;
  EXPECT_TRUE(verify(good, expected));
  expected.now = end - milliseconds(1);
  EXPECT_TRUE(verify(good, expected));
  expected.now = end;
  EXPECT_EQ(refusal(good, expected, ErrorCode::expired),
            "the server's certificate has expired; its operator must renew it");
}

TEST_F(CertificateTest, EachMismatchHasItsSentence) {
  const Certificate good = certificate();
  SeededRandom random(2);
  const OperatorKey foreign = OperatorKey::generate(random);
  const KeyPair other_node = KeyPair::generate(random);

  auto expected = expectation();
  expected.operator_key = &foreign.public_key;
  EXPECT_EQ(refusal(good, expected, ErrorCode::refused),
            "the server's certificate is from another operator than the pinned one; check "
            "--operator-key and the address");
  expected = expectation();
  expected.node_key = &other_node.public_key;
  EXPECT_EQ(refusal(good, expected, ErrorCode::refused),
            "the server's certificate is for another key than the server has");
  for (const std::string_view name : {"chat.example.com", "chat.example.or", "", "example.org",
                                      "Chat.example.org", "chat.example.org."}) {
    expected = expectation();
    expected.name = name;
    EXPECT_EQ(refusal(good, expected, ErrorCode::refused),
              "the server's certificate is for chat.example.org, not for " + std::string(name));
  }
}

TEST_F(CertificateTest, ForeignSignatureUnderThePinnedKeyIsNoticed) {
  SeededRandom random(3);
  const OperatorKey foreign = OperatorKey::generate(random);
  Certificate forged = sign_certificate(foreign, node_.public_key, "chat.example.org", start, end);
  forged.operator_key = operator_.public_key;
  EXPECT_EQ(refusal(forged, expectation(), ErrorCode::refused),
            "the server's certificate has a wrong signature");
}

TEST_F(CertificateTest, EveryFlippedBitIsNoticed) {
  auto bytes = encode(certificate());
  auto first_use = expectation();
  first_use.operator_key = nullptr;
  first_use.node_key = nullptr;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto read = decode_certificate(bytes);
    if (read) {
      first_use.name = read->name;
      first_use.now = read->not_before;
      ASSERT_FALSE(verify(*read, first_use)) << bit;
    } else {
      EXPECT_EQ(read.error().code, ErrorCode::malformed);
    }
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  }
  EXPECT_TRUE(decode_certificate(bytes));
}

TEST_F(CertificateTest, EveryOtherLengthIsMalformed) {
  auto bytes = encode(certificate());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto read = decode_certificate(Bytes(bytes).first(size));
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code, ErrorCode::malformed);
  }
  bytes.push_back(0);
  EXPECT_FALSE(decode_certificate(bytes));
}

TEST_F(CertificateTest, DecodingRefusesWhatSigningWould) {
  constexpr std::size_t version_at = 0;
  constexpr std::size_t not_before_at = 65;
  constexpr std::size_t name_size_at = 81;
  constexpr std::size_t name_at = 82;
  const auto bytes = encode(certificate());
  const auto refused_with = [&](std::size_t at, std::uint8_t value) {
    auto changed = bytes;
    changed[at] = value;
    return !decode_certificate(changed);
  };
  EXPECT_TRUE(refused_with(version_at, 0));
  EXPECT_TRUE(refused_with(version_at, 2));
  EXPECT_TRUE(refused_with(not_before_at, 0x80));
  EXPECT_TRUE(refused_with(not_before_at + 8, 0xff));
  for (const std::uint8_t character : {0x00, 0x0a, 0x1b, 0x20, 0x7f, 0x80, 0xff}) {
    EXPECT_TRUE(refused_with(name_at, character)) << int{character};
  }
  EXPECT_FALSE(refused_with(name_at, '!'));
  EXPECT_FALSE(refused_with(name_at, '~'));

  auto longest = encode(certificate(std::string(253, 'x')));
  longest.insert(longest.begin() + name_at, 'x');
  longest[name_size_at] = 254;
  EXPECT_FALSE(decode_certificate(longest));
  auto nameless = bytes;
  nameless.erase(nameless.begin() + name_at, nameless.begin() + name_at + 16);
  nameless[name_size_at] = 0;
  EXPECT_FALSE(decode_certificate(nameless));
}

TEST_F(CertificateTest, SigningInsistsOnItsRequirements) {
  EXPECT_DEATH(certificate(""), "broken invariant");
  EXPECT_DEATH(certificate(std::string(254, 'x')), "broken invariant");
  EXPECT_DEATH(certificate("two words"), "broken invariant");
  EXPECT_DEATH(sign_certificate(operator_, node_.public_key, "a", WallTime{milliseconds(-1)}, end),
               "broken invariant");
}

}  // namespace
}  // namespace godwit::crypto
