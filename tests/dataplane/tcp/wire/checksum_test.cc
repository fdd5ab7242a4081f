// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/checksum.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace godwit::dataplane::tcp {
namespace {

std::uint16_t plain_sum(Bytes bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

// RFC 1071, 3: the bytes 00 01 f2 03 f4 f5 f6 f7 sum up to ddf2.
TEST(Checksum, ExampleOfRfc1071) {
  const std::uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  Checksum checksum;
  checksum.add(bytes);
  EXPECT_EQ(checksum.sum(), 0xddf2);
  EXPECT_EQ(checksum.finish(), 0x220d);
}

TEST(Checksum, NothingSumsToZero) {
  EXPECT_EQ(Checksum{}.sum(), 0);
}

TEST(Checksum, EveryLengthAndEveryCutIsTheSameSum) {
  SeededRandom random(1);
  std::vector<std::uint8_t> bytes(67);
  random.fill(bytes);
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const Bytes whole = Bytes(bytes).first(size);
    for (std::size_t cut = 0; cut <= size; ++cut) {
      Checksum checksum;
      checksum.add(whole.first(cut));
      checksum.add(whole.subspan(cut));
      ASSERT_EQ(checksum.sum(), plain_sum(whole)) << size << " cut at " << cut;
    }
  }
}

TEST(Checksum, ThreeOddPieces) {
  const std::uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  Checksum checksum;
  for (const std::size_t at : {0u, 3u, 6u}) checksum.add(Bytes(bytes).subspan(at, 3));
  EXPECT_EQ(checksum.sum(), plain_sum(bytes));
}

TEST(Checksum, ManyCarriesAreFolded) {
  const std::vector<std::uint8_t> bytes(65535, 0xff);
  Checksum checksum;
  checksum.add(bytes);
  EXPECT_EQ(checksum.sum(), plain_sum(bytes));
}

TEST(Checksum, PseudoHeaderOfBothFamilies) {
  const auto four = parse_ip_address("192.0.2.1").value();
  const auto other = parse_ip_address("198.51.100.2").value();
  Checksum v4;
  add_pseudo_header(v4, {four, other, 20, 6});
  const std::uint8_t expected_v4[] = {192, 0, 2, 1, 198, 51, 100, 2, 0, 6, 0, 20};
  EXPECT_EQ(v4.sum(), plain_sum(expected_v4));

  const auto six = parse_ip_address("2001:db8::1").value();
  Checksum v6;
  add_pseudo_header(v6, {six, six, 0x10002, 6});
  std::vector<std::uint8_t> expected(six.bytes.begin(), six.bytes.end());
  expected.insert(expected.end(), six.bytes.begin(), six.bytes.end());
  expected.insert(expected.end(), {0, 1, 0, 2, 0, 0, 0, 6});
  EXPECT_EQ(v6.sum(), plain_sum(expected));
}

}  // namespace
}  // namespace godwit::dataplane::tcp
