// SPDX-License-Identifier: Apache-2.0
#include "protocol/jid.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/protocol/random_stanzas.h"

// Addresses as text and on the wire: what is allowed, at and past every limit, and that every
// encoded form that reads is the one that is written.

namespace godwit::protocol {
namespace {

std::string encoded(const Jid& jid, std::string_view own_domain) {
  std::array<std::uint8_t, jid_encoded_size_max> bytes;
  ByteWriter out(bytes);
  write_jid(out, jid, own_domain);
  return out.ok() ? to_hex(out.written()) : "refused";
}

std::string decoded(std::string_view hex, std::string_view own_domain) {
  const std::vector<std::uint8_t> bytes = from_hex(hex).value();
  ByteReader in(bytes);
  JidScratch scratch;
  const JidView jid = read_jid(in, own_domain, scratch);
  return in.ok() && in.at_end() ? to_text(jid) : "refused";
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string repeated;
  for (std::size_t i = 0; i < times; ++i) repeated += text;
  return repeated;
}

TEST(JidText, ParsesAndPrints) {
  for (const char* text : {"a@b", "alice@example.org", "a.b_c-d+1@x-y.example/1", "1@h/65535",
                           "bob@127.0.0.1/3", "bob@[::1]/3", "bob@localhost"}) {
    const Result<Jid> jid = parse_jid(text);
    ASSERT_TRUE(jid) << text << ": " << jid.error().message;
    EXPECT_EQ(to_text(*jid), text);
  }
}

TEST(JidText, RefusesWhatIsNotAnAddress) {
  for (const char* text :
       {"",       "alice",    "@b",      "a@",          "Alice@b",    "a@B",
        "a b@c",  "a@b@c",    "a@b/",    "a@b/0",       "a@b/01",     "a@b/65536",
        "a@b/-1", "a@b/1x",   "a@b/x",   "a@-b",        "a@b-",       "a@b..c",
        "a@.b",   "a@b.",     "a@1.2.3", "a@1.2.3.256", "a@01.2.3.4", "a@[::1",
        "a@[]",   "a@[0::1]", "a@[::A]", "a@b_c"}) {
    const Result<Jid> jid = parse_jid(text);
    ASSERT_FALSE(jid) << text;
    EXPECT_EQ(jid.error().code, ErrorCode::invalid);
  }
}

TEST(JidText, UserSizeLimit) {
  EXPECT_FALSE(is_valid_user(""));
  EXPECT_TRUE(is_valid_user(std::string(jid_user_size_max - 1, 'a')));
  EXPECT_TRUE(is_valid_user(std::string(jid_user_size_max, 'a')));
  EXPECT_FALSE(is_valid_user(std::string(jid_user_size_max + 1, 'a')));
}

TEST(JidText, DomainSizeLimits) {
  const std::string longest = repeat("a.", 126) + "b";
  ASSERT_EQ(longest.size(), jid_domain_size_max);
  EXPECT_TRUE(is_valid_domain(longest.substr(2)));
  EXPECT_TRUE(is_valid_domain(longest));
  EXPECT_FALSE(is_valid_domain(longest + "b"));
  EXPECT_TRUE(is_valid_domain(std::string(62, 'a')));
  EXPECT_TRUE(is_valid_domain(std::string(63, 'a')));
  EXPECT_FALSE(is_valid_domain(std::string(64, 'a')));
}

TEST(JidWire, OwnDomainCostsNothingBeyondTheHead) {
  EXPECT_EQ(encoded(Jid(JidView{"bob", "h", 2}), "h"), "02626f6202");
  EXPECT_EQ(decoded("02626f6202", "h"), "bob@h/2");
  EXPECT_EQ(encoded(Jid(JidView{"bob", "h", 2}), "other"), "42626f62016802");
  EXPECT_EQ(decoded("42626f62016802", "other"), "bob@h/2");
}

TEST(JidWire, DigitsArePackedTwoToAByte) {
  EXPECT_EQ(encoded(Jid(JidView{"4915112345678", "h", 300}), "h"), "8c4915112345678fac02");
  EXPECT_EQ(decoded("8c4915112345678fac02", "h"), "4915112345678@h/300");
  EXPECT_EQ(encoded(Jid(JidView{"7", "h", 0}), "h"), "807f00");
  EXPECT_EQ(decoded("8112"
                    "00",
                    "h"),
            "12@h");
}

TEST(JidWire, RefusesOtherForms) {
  EXPECT_EQ(decoded("02626f62", "h"), "refused") << "no device";
  EXPECT_EQ(decoded("02626f", "h"), "refused") << "user cut";
  EXPECT_EQ(decoded("", "h"), "refused");
  EXPECT_EQ(decoded("02626f6200", ""), "refused") << "own domain where there is none";
  EXPECT_EQ(decoded("42626f62016800", "h"), "refused") << "own domain written out";
  EXPECT_EQ(decoded("42626f620000", "h"), "refused") << "empty domain";
  EXPECT_EQ(decoded("42626f62014800", "h"), "refused") << "upper-case domain";
  EXPECT_EQ(decoded("02424f4200", "h"), "refused") << "upper-case user";
  EXPECT_EQ(decoded("01313200", "h"), "refused") << "digits as text";
  EXPECT_EQ(decoded("81"
                    "1a"
                    "00",
                    "h"),
            "refused")
      << "no digit";
  EXPECT_EQ(decoded("80"
                    "71"
                    "00",
                    "h"),
            "refused")
      << "padding that is not f";
  EXPECT_EQ(decoded("81"
                    "1f"
                    "00",
                    "h"),
            "refused")
      << "padding in the place of a digit";
  EXPECT_EQ(decoded("02626f628000", "h"), "refused") << "device longer than needed";
  EXPECT_EQ(decoded("02626f62ffff03", "h"), "bob@h/65535");
  EXPECT_EQ(decoded("02626f62808004", "h"), "refused") << "device 65536";
}

TEST(JidWire, RefusesToWriteWhatIsNotAnAddress) {
  EXPECT_EQ(encoded(Jid(JidView{"", "h", 0}), "h"), "refused");
  EXPECT_EQ(encoded(Jid(JidView{"Bob", "h", 0}), "h"), "refused");
  EXPECT_EQ(encoded(Jid(JidView{"bob", "", 0}), ""), "refused");
  EXPECT_EQ(encoded(Jid(JidView{"bob", "H", 0}), "h"), "refused");
  EXPECT_EQ(encoded(Jid(JidView{std::string(65, 'a'), "h", 0}), "h"), "refused");
  EXPECT_EQ(encoded(Jid(JidView{std::string(65, '7'), "h", 0}), "h"), "refused");
  const std::string digits_64(64, '7');
  EXPECT_EQ(encoded(Jid(JidView{digits_64, "h", 0}), "h"), "bf" + digits_64 + "00");
}

TEST(JidWire, LongestFits) {
  const Jid jid(JidView{std::string(jid_user_size_max, 'a'), repeat("a.", 126) + "b", device_max});
  const std::string hex = encoded(jid, "h");
  EXPECT_LE(hex.size() / 2, jid_encoded_size_max);
  EXPECT_EQ(decoded(hex, "h"), to_text(jid));
}

TEST(JidWire, RandomAddressesSurviveBothWays) {
  SeededRandom random(1);
  for (int i = 0; i < 20000; ++i) {
    const Jid jid = testing::random_jid(random);
    const std::string hex = encoded(jid, testing::own_domain);
    ASSERT_NE(hex, "refused") << to_text(jid);
    ASSERT_EQ(decoded(hex, testing::own_domain), to_text(jid));
  }
}

// One valid encoding: whatever random bytes read as an address are what that address is written as.
TEST(JidWire, WhatReadsIsWrittenTheSame) {
  SeededRandom random(2);
  int read = 0;
  for (int i = 0; i < 200000; ++i) {
    std::array<std::uint8_t, 12> bytes;
    random.fill(bytes);
    bytes[0] &= 0xc3;
    for (std::size_t k = 1; k < 5; ++k)
      bytes[k] = static_cast<std::uint8_t>("ab01.9"[bytes[k] % 6]);
    ByteReader in(bytes);
    JidScratch scratch;
    const JidView jid = read_jid(in, "h", scratch);
    if (!in.ok()) continue;
    ++read;
    const Bytes used = Bytes(bytes).first(bytes.size() - in.remaining());
    ASSERT_EQ(encoded(Jid(jid), "h"), to_hex(used));
  }
  EXPECT_GT(read, 1000);
}

}  // namespace
}  // namespace godwit::protocol
