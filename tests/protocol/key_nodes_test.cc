// SPDX-License-Identifier: Apache-2.0
#include "protocol/key_nodes.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace godwit::protocol {
namespace {

constexpr Context context{"example.org"};

std::vector<std::uint8_t> filled(std::size_t size, std::uint8_t value) {
  return std::vector<std::uint8_t>(size, value);
}
const std::vector<std::uint8_t> ec = filled(ec_key_size, 5);
const std::vector<std::uint8_t> kem = filled(kem_key_size, 8);
const std::vector<std::uint8_t> signature = filled(key_signature_size, 9);

DirectoryKey ec_key(std::uint32_t id) {
  return {.id = id, .key = ec, .signature = {}};
}
DirectoryKey kem_key(std::uint32_t id) {
  return {.id = id, .key = kem, .signature = signature};
}
DirectoryKey signed_key(std::uint32_t id) {
  return {.id = id, .key = ec, .signature = signature};
}

class KeyNodesTest : public testing::Test {
 protected:
  Bytes written(bool good) {
    EXPECT_TRUE(good);
    return out_.written();
  }
  std::array<std::uint8_t, control_stanza_size_max> bytes_{};
  ByteWriter out_{MutableBytes(bytes_).first(iq_node_size_max)};
};

bool same(const DirectoryKey& a, const DirectoryKey& b) {
  return a.id == b.id && std::ranges::equal(a.key, b.key) &&
         std::ranges::equal(a.signature, b.signature);
}

PrekeyUpload largest_upload() {
  PrekeyUpload upload{.generation = UINT32_MAX, .registration = UINT32_MAX, .identity = ec};
  upload.signed_key = signed_key(UINT32_MAX);
  upload.last_resort = kem_key(UINT32_MAX);
  for (std::size_t i = 0; i < one_time_keys_per_upload_max; ++i) {
    upload.one_time.push_back(ec_key(UINT32_MAX - static_cast<std::uint32_t>(i)));
  }
  for (std::size_t i = 0; i < kem_keys_per_upload_max; ++i) {
    upload.kem.push_back(kem_key(UINT32_MAX - static_cast<std::uint32_t>(i)));
  }
  return upload;
}

TEST_F(KeyNodesTest, TheLargestUploadFitsAndComesBack) {
  const PrekeyUpload upload = largest_upload();
  const auto read = read_key_question(written(write_upload(out_, upload, context)), true, context);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, KeyQuestionKind::upload);
  EXPECT_EQ(read->upload.generation, UINT32_MAX);
  EXPECT_EQ(read->upload.registration, UINT32_MAX);
  EXPECT_TRUE(std::ranges::equal(read->upload.identity, ec));
  EXPECT_TRUE(same(*read->upload.signed_key, *upload.signed_key));
  EXPECT_TRUE(same(*read->upload.last_resort, *upload.last_resort));
  EXPECT_TRUE(std::ranges::equal(read->upload.one_time, upload.one_time, same));
  EXPECT_TRUE(std::ranges::equal(read->upload.kem, upload.kem, same));
}

TEST_F(KeyNodesTest, OneKeyTooManyOrAnIdTwiceIsMalformed) {
  PrekeyUpload upload{.generation = 1};
  for (std::uint32_t i = 0; i <= one_time_keys_per_upload_max; ++i) {
    upload.one_time.push_back(ec_key(i));
  }
  EXPECT_FALSE(read_key_question(written(write_upload(out_, upload, context)), true, context));
  out_ = ByteWriter(bytes_);
  upload.one_time = {ec_key(3), ec_key(3)};
  EXPECT_FALSE(read_key_question(written(write_upload(out_, upload, context)), true, context));
  out_ = ByteWriter(bytes_);
  upload.one_time = {ec_key(3)};
  EXPECT_TRUE(read_key_question(written(write_upload(out_, upload, context)), true, context));
  out_ = ByteWriter(bytes_);
  upload.generation = 0;
  EXPECT_FALSE(read_key_question(written(write_upload(out_, upload, context)), true, context));
}

TEST_F(KeyNodesTest, KeysOfAnotherSizeAreMalformed) {
  for (const int by : {-1, 1}) {
    for (int which = 0; which < 5; ++which) {
      PrekeyUpload upload{.generation = 1};
      const auto resized = [&](std::size_t size) {
        return filled(size + static_cast<std::size_t>(by), 1);
      };
      const auto odd_ec = resized(ec_key_size);
      const auto odd_kem = resized(kem_key_size);
      if (which == 0) upload.identity = odd_ec;
      if (which == 1) upload.signed_key = {.id = 1, .key = odd_ec, .signature = signature};
      if (which == 2) upload.last_resort = {.id = 1, .key = odd_kem, .signature = signature};
      if (which == 3) upload.one_time = {{.id = 1, .key = odd_ec, .signature = {}}};
      if (which == 4) upload.kem = {{.id = 1, .key = odd_kem, .signature = signature}};
      out_ = ByteWriter(bytes_);
      EXPECT_FALSE(read_key_question(written(write_upload(out_, upload, context)), true, context))
          << which << " " << by;
    }
  }
}

TEST_F(KeyNodesTest, Questions) {
  auto read = read_key_question(written(write_count_question(out_, context)), false, context);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, KeyQuestionKind::count);
  out_ = ByteWriter(bytes_);
  const Bytes devices = written(write_devices_question(out_, "bob", context));
  read = read_key_question(devices, false, context);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, KeyQuestionKind::devices);
  EXPECT_EQ(read->user, "bob");
  EXPECT_TRUE(is_key_question(devices, context));
  EXPECT_FALSE(read_key_question(devices, true, context)) << "not a thing to set";
  out_ = ByteWriter(bytes_);
  const JidView bob{.user = "bob", .domain = "example.org", .device = 7};
  read = read_key_question(written(write_bundle_question(out_, bob, context)), false, context);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, KeyQuestionKind::bundle);
  EXPECT_EQ(read->device, 7);
  out_ = ByteWriter(bytes_);
  const JidView account{.user = "bob", .domain = "example.org"};
  EXPECT_FALSE(
      read_key_question(written(write_bundle_question(out_, account, context)), false, context));
  out_ = ByteWriter(bytes_);
  const JidView abroad{.user = "bob", .domain = "elsewhere.org", .device = 7};
  EXPECT_FALSE(
      read_key_question(written(write_bundle_question(out_, abroad, context)), false, context));
  out_ = ByteWriter(bytes_);
  NodeWriter other(out_, context);
  other.open("blocklist").close();
  EXPECT_FALSE(is_key_question(out_.written(), context));
}

TEST_F(KeyNodesTest, AnswersComeBack) {
  const PrekeyCount count{
      .generation = 3, .one_time = 99, .kem = 100, .signed_id = 4, .last_resort_id = 5};
  const auto read_back = read_count(written(write_count(out_, count, context)), context);
  ASSERT_TRUE(read_back);
  EXPECT_EQ(read_back->generation, 3u);
  EXPECT_EQ(read_back->one_time, 99u);
  EXPECT_EQ(read_back->kem, 100u);
  EXPECT_EQ(read_back->signed_id, 4u);
  EXPECT_EQ(read_back->last_resort_id, 5u);

  out_ = ByteWriter(bytes_);
  std::vector<DirectoryDevice> devices;
  for (std::uint16_t i = 0; i < devices_per_account_max; ++i) {
    devices.push_back(
        {.device = std::uint16_t(device_max - i), .registration = UINT32_MAX, .identity = ec});
  }
  const auto list = read_devices(written(write_devices(out_, "bob", devices, context)), context);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), devices_per_account_max);
  EXPECT_EQ((*list)[0].device, device_max);
  EXPECT_EQ((*list)[0].registration, UINT32_MAX);
  EXPECT_TRUE(std::ranges::equal((*list)[0].identity, ec));
  out_ = ByteWriter(bytes_);
  devices.push_back({.device = 1, .registration = 1, .identity = ec});
  EXPECT_FALSE(read_devices(written(write_devices(out_, "bob", devices, context)), context));

  const JidView bob{.user = "bob", .domain = "example.org", .device = 7};
  for (const bool with_one_time : {true, false}) {
    DirectoryBundle bundle{.registration = 12, .identity = ec};
    bundle.signed_key = signed_key(1);
    bundle.kem = kem_key(2);
    if (with_one_time) bundle.one_time = ec_key(3);
    out_ = ByteWriter(bytes_);
    const auto read = read_bundle(written(write_bundle(out_, bob, bundle, context)), context);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->registration, 12u);
    EXPECT_TRUE(same(read->signed_key, bundle.signed_key));
    EXPECT_TRUE(same(read->kem, bundle.kem));
    EXPECT_EQ(read->one_time.has_value(), with_one_time);
  }
}

TEST_F(KeyNodesTest, Notices) {
  auto notice = read_key_notice(written(write_keys_low(out_, {.one_time = 3}, context)), context);
  ASSERT_TRUE(notice);
  EXPECT_EQ(notice->kind, KeyNoticeKind::keys_low);
  out_ = ByteWriter(bytes_);
  const JidView bob{.user = "bob", .domain = "example.org", .device = 7};
  notice = read_key_notice(written(write_identity_changed(out_, bob, context)), context);
  ASSERT_TRUE(notice);
  EXPECT_EQ(notice->kind, KeyNoticeKind::identity_changed);
  EXPECT_EQ(notice->user, "bob");
  EXPECT_EQ(notice->device, 7);
  out_ = ByteWriter(bytes_);
  EXPECT_FALSE(read_key_notice(written(write_count_question(out_, context)), context));
}

// Every byte of an upload cut off or changed: an error or another value, never a crash.
TEST_F(KeyNodesTest, DamagedElementsAreReadSafely) {
  PrekeyUpload upload{.generation = 1, .registration = 2, .identity = ec};
  upload.signed_key = signed_key(1);
  upload.one_time = {ec_key(1), ec_key(2)};
  const Bytes whole = written(write_upload(out_, upload, context));
  std::vector<std::uint8_t> copy(whole.begin(), whole.end());
  for (std::size_t size = 0; size < copy.size(); ++size) {
    EXPECT_FALSE(read_key_question(Bytes(copy).first(size), true, context)) << size;
  }
  for (std::size_t i = 0; i < copy.size(); ++i) {
    copy[i] ^= 0x41;
    const auto read = read_key_question(copy, true, context);
    if (read) {
      EXPECT_LE(read->upload.one_time.size(), one_time_keys_per_upload_max);
    }
    copy[i] ^= 0x41;
  }
}

}  // namespace
}  // namespace godwit::protocol
