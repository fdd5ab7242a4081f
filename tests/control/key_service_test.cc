// SPDX-License-Identifier: Apache-2.0
// The key directory as devices meet it: questions over real rings, answers, and who hears of what.
#include "control/key_service.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/signal/device_tag.h"
#include "tests/control/control_fixture.h"
#include "tests/control/key_directory_fixture.h"

namespace godwit::control {
namespace {

using protocol::Condition;
using protocol::StanzaType;
using queues::CommandKind;

constexpr protocol::Context context{"example.org"};

class KeyServiceTest : public ControlFixture {
 protected:
  void SetUp() override {
    ControlFixture::SetUp();
    registered("alice", 1);
    registered("bo", 2);
  }

  struct Answer {
    std::optional<Condition> refused;
    std::vector<std::uint8_t> node;
  };
  static Answer read(const Heard& heard) {
    EXPECT_EQ(heard.command.kind, CommandKind::server_iq_reply);
    Bytes rest(heard.bytes);
    const auto stanza = protocol::next_stanza(rest);
    EXPECT_TRUE(stanza && rest.empty());
    if (stanza->type == StanzaType::error) {
      const auto error = protocol::read_error(stanza->content);
      EXPECT_EQ(error->id, 40u);
      EXPECT_EQ(error->number, 3u);
      return {error->condition, {}};
    }
    protocol::JidScratch scratch;
    const auto iq = protocol::read_iq(stanza->content, context, scratch);
    EXPECT_EQ(iq->type, protocol::IqType::result);
    EXPECT_EQ(iq->id, 40u);
    return {std::nullopt, {iq->node.begin(), iq->node.end()}};
  }
  void post(std::string_view user, bool set, Bytes node, std::uint16_t device = 1) {
    const auto type = set ? protocol::IqType::set : protocol::IqType::get;
    shards_.ask_server(
        {.session = session(0), .device = device},
        {.user = user, .type = static_cast<std::uint8_t>(type), .id = 40, .node = node});
  }
  Answer ask(std::string_view user, bool set, Bytes node, std::uint16_t device = 1) {
    post(user, set, node, device);
    turn();
    heard_ = shards_.hear(0);
    // A home is told of another list before the one who changed it has its answer.
    announced_.clear();
    while (!heard_.empty() && heard_.front().command.kind == CommandKind::account_changed) {
      announced_.push_back(queues::decode_account_record(heard_.front().bytes));
      heard_.erase(heard_.begin());
    }
    EXPECT_FALSE(heard_.empty());
    const Heard first = heard_.front();
    heard_.erase(heard_.begin());
    return read(first);
  }
  Answer upload(std::string_view user, const protocol::PrekeyUpload& upload,
                std::uint16_t device = 1) {
    writer_ = ByteWriter(bytes_);
    EXPECT_TRUE(protocol::write_upload(writer_, upload, context));
    return ask(user, true, writer_.written(), device);
  }
  Bytes bundle_of(std::string_view user, std::uint16_t device = 1) {
    writer_ = ByteWriter(bytes_);
    EXPECT_TRUE(protocol::write_bundle_question(
        writer_, {.user = user, .domain = "example.org", .device = device}, context));
    return writer_.written();
  }
  Bytes devices_of(std::string_view user) {
    writer_ = ByteWriter(bytes_);
    EXPECT_TRUE(protocol::write_devices_question(writer_, user, context));
    return writer_.written();
  }
  std::uint64_t metric(ControlMetric metric) const { return control_->counters().get(metric); }

  std::array<std::uint8_t, 8192> bytes_{};
  ByteWriter writer_{bytes_};
  std::vector<queues::AccountRecord> announced_;  // to shard 0, before the answer
  std::vector<Heard> heard_;                      // by shard 0, behind the answer
  KeyMaker bo_;
};

TEST_F(KeyServiceTest, FromAnUploadToABundle) {
  protocol::PrekeyUpload first = bo_.start();
  first.one_time = {bo_.one_time(10)};
  EXPECT_FALSE(upload("bo", first).refused);
  writer_ = ByteWriter(bytes_);
  ASSERT_TRUE(protocol::write_count_question(writer_, context));
  const Answer counted = ask("bo", false, writer_.written());
  const auto count = protocol::read_count(counted.node, context);
  ASSERT_TRUE(count);
  EXPECT_EQ(count->one_time, 1u);
  EXPECT_EQ(count->generation, 1u);

  const Answer listed = ask("alice", false, devices_of("bo"));
  const auto devices = protocol::read_devices(listed.node, context);
  ASSERT_TRUE(devices);
  ASSERT_EQ(devices->size(), 1u);
  EXPECT_EQ((*devices)[0].device, 1);
  EXPECT_EQ((*devices)[0].registration, 77u);
  EXPECT_TRUE(std::ranges::equal((*devices)[0].identity, bo_.identity()));

  const Answer taken = ask("alice", false, bundle_of("bo"));
  const auto bundle = protocol::read_bundle(taken.node, context);
  ASSERT_TRUE(bundle);
  EXPECT_EQ(bundle->one_time->id, 10u);
  EXPECT_EQ(metric(ControlMetric::key_uploads), 1u);
  EXPECT_EQ(metric(ControlMetric::bundles_given), 1u);
  EXPECT_EQ(metric(ControlMetric::bundles_with_last_resort), 1u);
  EXPECT_EQ(metric(ControlMetric::bundles_without_one_time), 0u);
}

TEST_F(KeyServiceTest, Refusals) {
  EXPECT_EQ(ask("alice", false, bundle_of("bo")).refused, Condition::item_not_found) << "no keys";
  EXPECT_EQ(ask("alice", false, bundle_of("nobody")).refused, Condition::item_not_found);
  EXPECT_EQ(ask("alice", false, devices_of("nobody")).refused, Condition::item_not_found);
  EXPECT_FALSE(upload("bo", bo_.start()).refused);
  EXPECT_EQ(ask("alice", false, bundle_of("bo", 2)).refused, Condition::item_not_found);
  EXPECT_FALSE(upload("bo", bo_.start(), 2).refused) << "as the device that the session is";
  EXPECT_EQ(ask("alice", false, bundle_of("bo", 2)).refused, Condition::item_not_found)
      << "the account has no such device";
  EXPECT_EQ(ask("alice", true, bundle_of("bo")).refused, Condition::bad_request);
  KeyMaker other(9);
  EXPECT_EQ(upload("bo", other.start()).refused, Condition::conflict);
  EXPECT_EQ(metric(ControlMetric::key_uploads_refused), 1u);
  ASSERT_TRUE(accounts_->block((*accounts_->find("bo"))->id, std::vector<std::string>{"alice"}));
  EXPECT_EQ(ask("alice", false, bundle_of("bo")).refused, Condition::service_unavailable);
  EXPECT_EQ(ask("alice", false, devices_of("bo")).refused, Condition::service_unavailable);
  ASSERT_TRUE(accounts_->unblock((*accounts_->find("bo"))->id, {}));
  for (int i = 0; i < KeyDirectory::bundle_burst; ++i) {
    EXPECT_FALSE(ask("alice", false, bundle_of("bo")).refused);
  }
  EXPECT_EQ(ask("alice", false, bundle_of("bo")).refused, Condition::policy_violation);
  ASSERT_TRUE(*accounts_->set_status("bo", queues::AccountStatus::suspended));
  EXPECT_EQ(ask("alice", false, devices_of("bo")).refused, Condition::item_not_found);
}

// Two who ask in one turn get two keys.
TEST_F(KeyServiceTest, AOneTimeKeyGoesToOneOfManyWhoAskAtOnce) {
  protocol::PrekeyUpload first = bo_.start();
  for (std::uint32_t i = 0; i < 5; ++i) first.one_time.push_back(bo_.one_time(10 + i));
  ASSERT_FALSE(upload("bo", first).refused);
  for (int i = 0; i < 6; ++i) post("alice", false, bundle_of("bo"));
  turn();
  std::set<std::uint32_t> ids;
  std::size_t without = 0;
  for (const Heard& heard : shards_.hear(0)) {
    if (heard.command.kind != CommandKind::server_iq_reply) continue;
    const Answer answer = read(heard);
    const auto bundle = protocol::read_bundle(answer.node, context);
    ASSERT_TRUE(bundle);
    if (bundle->one_time) {
      EXPECT_TRUE(ids.insert(bundle->one_time->id).second);
    } else {
      ++without;
    }
  }
  EXPECT_EQ(ids.size(), 5u);
  EXPECT_EQ(without, 1u);
}

protocol::KeyNotice notice_in(const Heard& heard) {
  EXPECT_EQ(heard.command.kind, CommandKind::relay);
  const queues::Envelope envelope = queues::read_envelope(heard.bytes);
  Bytes rest = envelope.body;
  const auto stanza = protocol::next_stanza(rest);
  EXPECT_TRUE(stanza);
  protocol::JidScratch scratch;
  const auto iq = protocol::read_iq(stanza->content, context, scratch);
  EXPECT_EQ(iq->type, protocol::IqType::set);
  EXPECT_TRUE(iq->peer.empty());
  return *protocol::read_key_notice(iq->node, context);
}

TEST_F(KeyServiceTest, ADeviceHearsThatItsKeysRunLow) {
  protocol::PrekeyUpload first = bo_.start();
  for (std::uint32_t i = 0; i <= KeyDirectory::low; ++i) first.one_time.push_back(bo_.one_time(i));
  ASSERT_FALSE(upload("bo", first).refused);
  protocol::PrekeyUpload kem{.generation = 1};
  for (std::uint32_t i = 0; i < 4; i += 2) {
    kem.kem = {bo_.kem(10 + i), bo_.kem(11 + i)};
    ASSERT_FALSE(upload("bo", kem).refused);
  }
  EXPECT_FALSE(ask("alice", false, bundle_of("bo")).refused);
  EXPECT_TRUE(heard_.empty()) << "twenty left";
  EXPECT_FALSE(ask("alice", false, bundle_of("bo")).refused);
  ASSERT_EQ(heard_.size(), 1u) << "nineteen left";
  EXPECT_EQ(heard_[0].command.account, hash("bo"));
  EXPECT_EQ(notice_in(heard_[0]).kind, protocol::KeyNoticeKind::keys_low);
  EXPECT_EQ(queues::read_envelope(heard_[0].bytes).to_device, 1);
  EXPECT_FALSE(ask("alice", false, bundle_of("bo")).refused);
  EXPECT_TRUE(heard_.empty()) << "told once";
}

TEST_F(KeyServiceTest, ContactsHearOfANewIdentity) {
  ASSERT_FALSE(upload("bo", bo_.start()).refused);
  ASSERT_FALSE(ask("alice", false, bundle_of("bo")).refused);
  KeyMaker reinstalled(8);
  ASSERT_FALSE(upload("bo", reinstalled.start(2)).refused);
  // bo's own home is shard 0, alice's shard 1.
  ASSERT_EQ(heard_.size(), 1u);
  EXPECT_EQ(notice_in(heard_[0]).kind, protocol::KeyNoticeKind::identity_changed);
  const std::vector<Heard> alices = shards_.hear(1);
  ASSERT_EQ(alices.size(), 1u);
  EXPECT_EQ(alices[0].command.account, hash("alice"));
  const protocol::KeyNotice notice = notice_in(alices[0]);
  EXPECT_EQ(notice.user, "bo");
  EXPECT_EQ(notice.device, 1);
  EXPECT_EQ(metric(ControlMetric::identities_changed), 1u);
  EXPECT_EQ(metric(ControlMetric::key_notices), 2u);
}

TEST_F(KeyServiceTest, AHomeHearsOfEveryOtherListAndOfNothingElse) {
  ASSERT_FALSE(upload("bo", bo_.start()).refused);
  ASSERT_EQ(announced_.size(), 1u);
  EXPECT_EQ(announced_[0].user, "bo");
  EXPECT_TRUE(announced_[0].tags_known);
  ASSERT_EQ(announced_[0].devices.size(), 1u);
  EXPECT_EQ(announced_[0].devices[0].key, key(2));
  const std::uint32_t first = announced_[0].devices[0].tag;
  EXPECT_EQ(first, crypto::signal::device_tag(1, bo_.identity()));

  protocol::PrekeyUpload more{.generation = 1};
  more.one_time = {bo_.one_time(10)};
  ASSERT_FALSE(upload("bo", more).refused);
  EXPECT_TRUE(announced_.empty()) << "keys to be taken are no other device";
  ASSERT_FALSE(upload("bo", bo_.start(2)).refused);
  EXPECT_TRUE(announced_.empty()) << "the same identity";
  KeyMaker other(9);
  ASSERT_FALSE(upload("bo", other.start(3)).refused);
  ASSERT_EQ(announced_.size(), 1u);
  EXPECT_EQ(announced_[0].devices[0].tag, crypto::signal::device_tag(1, other.identity()));
  EXPECT_NE(announced_[0].devices[0].tag, first);
  KeyMaker refused(10);
  EXPECT_EQ(upload("bo", refused.start(3)).refused, Condition::conflict);
  EXPECT_TRUE(announced_.empty());
  ASSERT_FALSE(upload("bo", refused.start(1), 2).refused) << "keys of what is no device of bo";
  ASSERT_EQ(announced_.size(), 1u);
  EXPECT_EQ(announced_[0].devices.size(), 1u);

  // And when it asks.
  shards_.look_up(0, "bo", hash("bo"), 77);
  turn();
  const std::vector<Heard> found = shards_.hear(0);
  ASSERT_EQ(found.size(), 1u);
  const auto record = queues::decode_account_record(found[0].bytes);
  EXPECT_EQ(record.devices[0].tag, crypto::signal::device_tag(1, other.identity()));
}

TEST_F(KeyServiceTest, ARemovedAccountTakesItsKeysAlong) {
  ASSERT_FALSE(upload("bo", bo_.start()).refused);
  const std::uint64_t id = **accounts_->remove("bo");
  control_->announce_removal("bo", id);
  EXPECT_TRUE(keys_->devices(id)->empty());
}

TEST_F(KeyServiceTest, WhatCannotBeMadeDurableIsNotAnsweredAsDone) {
  key_options_.page_count_max = 24;
  start({}, std::size_t{4} << 20);
  ASSERT_FALSE(upload("bo", bo_.start()).refused);
  bool failed = false;
  std::uint32_t good = 0;
  for (std::uint32_t id = 2; id < 60 && !failed; ++id) {
    protocol::PrekeyUpload next{.generation = 1};
    next.kem = {bo_.kem(id)};
    const Answer answer = upload("bo", next);
    failed = answer.refused.has_value();
    if (failed) {
      EXPECT_EQ(answer.refused, Condition::internal_server_error);
    } else {
      ++good;
    }
  }
  EXPECT_TRUE(failed);
  turn();
  EXPECT_EQ(metric(ControlMetric::key_store_failing), 1u) << "until something works again";
  EXPECT_EQ(keys_->count({(*accounts_->find("bo"))->id, 1})->kem, good);
  EXPECT_FALSE(ask("alice", false, devices_of("bo")).refused) << "the next turn works";
  EXPECT_EQ(metric(ControlMetric::key_store_failing), 0u);
}

TEST_F(KeyServiceTest, WithoutMemoryAQuestionWaits) {
  ASSERT_FALSE(upload("bo", bo_.start()).refused);
  std::vector<queues::Buffer> hoard;
  while (queues::Buffer more = pool_->allocate(8192)) hoard.push_back(std::move(more));
  post("alice", false, bundle_of("bo"));
  turn();
  EXPECT_TRUE(shards_.hear(0).empty());
  hoard.clear();
  turn();
  const std::vector<Heard> heard = shards_.hear(0);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_FALSE(read(heard[0]).refused);
}

}  // namespace
}  // namespace godwit::control
