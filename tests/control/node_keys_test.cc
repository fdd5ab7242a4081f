// SPDX-License-Identifier: Apache-2.0
// The node's keys: made once, kept after that, never made again silently; certificates renewed in
// time; the epoch always rises.
#include "control/node_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "control/files.h"
#include "tests/control/scratch_folder.h"

namespace godwit::control {
namespace {

constexpr WallTime start{std::chrono::seconds(1'800'000'000)};

class NodeKeysTest : public testing::Test {
 protected:
  Result<NodeKeys> load(WallTime now = start, const std::string& domain = "example.org") {
    return load_node_keys({.directory = folder_ / "keys", .domain = domain}, random_, now);
  }
  NodeKeys loaded(WallTime now = start, const std::string& domain = "example.org") {
    Result<NodeKeys> keys = load(now, domain);
    EXPECT_TRUE(keys) << keys.error().message;
    return std::move(*keys);
  }
  std::string path(const std::string& name) const { return folder_ / ("keys/" + name); }
  std::string content(const std::string& name) const {
    return read_file(path(name), 4096).value_or("unreadable");
  }
  void remove(const std::string& name) { ASSERT_TRUE(std::filesystem::remove(path(name))); }

  ScratchFolder folder_;
  SeededRandom random_{3};
};

TEST_F(NodeKeysTest, FirstStartMakesEverything) {
  const NodeKeys keys = loaded();
  EXPECT_TRUE(keys.first_start);
  EXPECT_TRUE(keys.warnings.empty());
  ASSERT_TRUE(keys.operator_key);
  EXPECT_EQ(keys.start_epoch, 1'800'000'000u);
  EXPECT_EQ(content("operator.pub"), to_hex(keys.operator_public_key) + "\n");
  for (const char* name :
       {"operator.key", "operator.pub", "node.key", "certificate", "hash.key", "epoch"}) {
    struct stat status {};
    ASSERT_EQ(::stat(path(name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
  }
  const auto certificate = crypto::decode_certificate(keys.certificate_bytes);
  ASSERT_TRUE(certificate);
  EXPECT_TRUE(crypto::verify(*certificate, {.operator_key = &keys.operator_public_key,
                                            .node_key = &keys.node_key.public_key,
                                            .name = "example.org",
                                            .now = start}));
  EXPECT_EQ(certificate->not_after - certificate->not_before, std::chrono::days(365));
}

TEST_F(NodeKeysTest, LaterStartsKeepEverything) {
  const NodeKeys first = loaded();
  const NodeKeys second = loaded(start + std::chrono::hours(1));
  EXPECT_FALSE(second.first_start);
  EXPECT_EQ(second.operator_public_key, first.operator_public_key);
  EXPECT_EQ(second.node_key.public_key, first.node_key.public_key);
  EXPECT_EQ(second.certificate_bytes, first.certificate_bytes);
  EXPECT_EQ(crypto::keyed_hash(second.hash_key, as_bytes("alice")),
            crypto::keyed_hash(first.hash_key, as_bytes("alice")));
  EXPECT_EQ(second.start_epoch, 1'800'003'600u);
}

TEST_F(NodeKeysTest, EpochRisesAlsoWhenTheClockDoesNot) {
  EXPECT_EQ(loaded().start_epoch, 1'800'000'000u);
  EXPECT_EQ(loaded().start_epoch, 1'800'000'001u);
  EXPECT_EQ(loaded(start - std::chrono::hours(5)).start_epoch, 1'800'000'002u);
  EXPECT_EQ(content("epoch"), "1800000002\n");
}

TEST_F(NodeKeysTest, DamagedEpochIsAnError) {
  loaded();
  for (const char* damaged : {"", "x\n", "12", "12\n\n", "-1\n", "4294967296\n"}) {
    std::ofstream(path("epoch")) << damaged;
    const auto keys = load();
    ASSERT_FALSE(keys) << damaged;
    EXPECT_EQ(keys.error().code, ErrorCode::corrupt);
  }
  std::ofstream(path("epoch")) << "4294967295\n";
  const auto keys = load();
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, ErrorCode::limit);
}

TEST_F(NodeKeysTest, LostKeysAreNotMadeAgain) {
  for (const char* name : {"hash.key", "node.key"}) {
    loaded();
    const std::string kept = content(name);
    remove(name);
    const auto keys = load();
    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().code, ErrorCode::corrupt);
    EXPECT_NE(keys.error().message.find(path(name)), std::string::npos) << keys.error().message;
    ASSERT_TRUE(write_file_durably(path(name), as_bytes(kept)));
  }
  EXPECT_TRUE(load());
}

TEST_F(NodeKeysTest, KeyOfAWrongSizeIsAnError) {
  loaded();
  for (const std::size_t size : {0u, 31u, 33u}) {
    std::ofstream(path("node.key")) << std::string(size, 'k');
    const auto keys = load();
    ASSERT_FALSE(keys) << size;
    EXPECT_EQ(keys.error().code, ErrorCode::corrupt);
  }
}

TEST_F(NodeKeysTest, AnInterruptedFirstStartGoesOn) {
  const NodeKeys first = loaded();
  // The epoch is written last: as if the power had gone before it.
  remove("epoch");
  remove("certificate");
  const NodeKeys second = loaded();
  EXPECT_TRUE(second.first_start);
  EXPECT_EQ(second.node_key.public_key, first.node_key.public_key);
  EXPECT_EQ(second.operator_public_key, first.operator_public_key);
}

TEST_F(NodeKeysTest, CertificateIsRenewedInItsLastThirtyDays) {
  const NodeKeys first = loaded();
  const WallTime edge = first.certificate.not_after - std::chrono::days(30);
  EXPECT_EQ(loaded(edge).certificate_bytes, first.certificate_bytes);
  const NodeKeys renewed = loaded(edge + std::chrono::seconds(1));
  EXPECT_GT(renewed.certificate.not_after, first.certificate.not_after);
  EXPECT_EQ(renewed.operator_public_key, first.operator_public_key);
  EXPECT_EQ(renewed.node_key.public_key, first.node_key.public_key);
}

TEST_F(NodeKeysTest, CertificateIsSignedAnewForAnotherDomainOrAfterDamage) {
  loaded();
  EXPECT_EQ(loaded(start, "other.example").certificate.name, "other.example");
  std::ofstream(path("certificate")) << "damaged";
  EXPECT_EQ(loaded(start, "other.example").certificate.name, "other.example");
}

TEST_F(NodeKeysTest, OperatorKeyMayBeKeptElsewhere) {
  const NodeKeys first = loaded();
  remove("operator.key");
  const NodeKeys second = loaded(start + std::chrono::hours(1));
  EXPECT_FALSE(second.operator_key);
  EXPECT_EQ(second.operator_public_key, first.operator_public_key);
  EXPECT_TRUE(second.warnings.empty());

  const NodeKeys late = loaded(first.certificate.not_after - std::chrono::days(10));
  ASSERT_EQ(late.warnings.size(), 1u);
  EXPECT_NE(late.warnings[0].find("ends in 10 days"), std::string::npos) << late.warnings[0];
}

TEST_F(NodeKeysTest, WithoutTheOperatorKeyABadCertificateIsAnError) {
  const NodeKeys first = loaded();
  remove("operator.key");
  for (const auto& keys : {load(first.certificate.not_after + std::chrono::seconds(1)),
                           load(start, "other.example")}) {
    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().code, ErrorCode::refused);
    EXPECT_NE(keys.error().message.find("operator.key"), std::string::npos) << keys.error().message;
  }
  remove("certificate");
  const auto keys = load();
  ASSERT_FALSE(keys);
  EXPECT_NE(keys.error().message.find("there is none"), std::string::npos);
}

TEST_F(NodeKeysTest, UnwritableFolderIsAClearError) {
  std::ofstream(folder_ / "keys") << "a file where the folder belongs";
  const auto keys = load();
  ASSERT_FALSE(keys);
  EXPECT_NE(keys.error().message.find(folder_ / "keys"), std::string::npos);
}

TEST(DirectoryLock, KeepsASecondHolderOut) {
  const ScratchFolder folder;
  {
    const auto first = DirectoryLock::take(folder.path());
    ASSERT_TRUE(first);
    const auto second = DirectoryLock::take(folder.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::unavailable);
  }
  EXPECT_TRUE(DirectoryLock::take(folder.path()));
}

TEST(Files, OverwriteKeepsTheSize) {
  const ScratchFolder folder;
  const std::string path = folder / "f";
  EXPECT_EQ(overwrite_file(path, as_bytes("one")).error().code, ErrorCode::not_found);
  ASSERT_TRUE(write_file_durably(path, as_bytes("one")));
  ASSERT_TRUE(overwrite_file(path, as_bytes("two")));
  for (const std::string_view other : {"", "ab", "four"}) {
    EXPECT_EQ(overwrite_file(path, as_bytes(other)).error().code, ErrorCode::invalid);
  }
  EXPECT_EQ(read_file(path, 5).value(), "two");
}

TEST(Files, WriteReplacesWholeAndReadIsBounded) {
  const ScratchFolder folder;
  const std::string path = folder / "f";
  ASSERT_TRUE(write_file_durably(path, as_bytes("one")));
  ASSERT_TRUE(write_file_durably(path, as_bytes("three")));
  EXPECT_EQ(read_file(path, 5).value(), "three");
  EXPECT_EQ(read_file(path, 4).error().code, ErrorCode::limit);
  EXPECT_FALSE(file_exists(path + ".new"));
  EXPECT_EQ(read_file(folder / "none", 5).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace godwit::control
