// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/home_fixture.h"

// A home compares the devices a message was encrypted for with those the account has, and names
// them when they are others.

namespace godwit::dataplane {
namespace {

using protocol::DeviceList;
using protocol::DeviceTag;
using Tags = std::vector<DeviceTag>;

class HomeDevicesTest : public HomeTest {
 protected:
  static queues::AccountRecord record_of(const Tags& devices) {
    queues::AccountRecord record{.account_id = 5, .user = "bob"};
    for (const DeviceTag& device : devices) {
      record.devices.push_back(
          {.id = device.device, .tag = device.tag, .key = {std::uint8_t(device.device)}});
    }
    return record;
  }
  void change_to(const queues::AccountRecord& record) {
    handle({.kind = CommandKind::account_changed,
            .account = bob,
            .buffer = encode(pool_, record).release()});
    to_front_.clear();
  }
  void begin(const Tags& devices) {
    attach();
    load(1);
    change_to(record_of(devices));
  }
  struct To {
    std::uint16_t device = 0;
    std::optional<std::uint16_t> digest;
    bool ephemeral = false;
    std::uint32_t confirmed = 0;
  };
  void send_to(To to, std::uint64_t id = 0) {
    queues::Buffer buffer = pool_.allocate(100);
    queues::write_envelope(buffer.writable(), to.device, 1, to.ephemeral, "bob");
    handle({.kind = CommandKind::message,
            .detail = to.digest ? std::uint8_t{1} : std::uint8_t{0},
            .number = ++number_,
            .session = alice_session,
            .account = bob,
            .sequence = to.digest.value_or(0),
            .id = id != 0 ? id : number_,
            .sender = alice_hash,
            .sender_device = 1,
            .confirmed = to.confirmed,
            .buffer = buffer.release()});
  }
  void send_for(const Tags& list, std::uint16_t device = 1) {
    send_to({.device = device, .digest = protocol::digest_of(list)});
  }
  // What the last message's sender was told.
  std::optional<Tags> named() const { return named_ ? std::optional(named_->first) : std::nullopt; }
  void handle(Command command) {
    named_.reset();
    to_front_.clear();
    home_->handle(command, now_);
    port_.flush();
    storage_.flush();
    mesh_.ring(0, 0).drain(10000, [&](const Command& said) {
      const queues::Buffer buffer = queues::Buffer::adopt(said.buffer);
      if (said.kind == CommandKind::device_list) {
        Bytes rest = buffer.bytes();
        const auto stanza = protocol::next_stanza(rest);
        ASSERT_TRUE(stanza && rest.empty() && stanza->type == protocol::StanzaType::device_list);
        const auto list = protocol::read_device_list(stanza->content);
        ASSERT_TRUE(list);
        EXPECT_EQ(list->number, command.number);
        EXPECT_EQ(list->gone, said.detail == 1);
        EXPECT_FALSE(named_) << "twice";
        named_ = {Tags(list->list().begin(), list->list().end()), list->gone};
        EXPECT_TRUE(to_front_.empty() || to_front_.back().kind == CommandKind::deliver)
            << "before anything that could be its acknowledgement";
      }
      to_front_.push_back(said);
    });
    gather();
  }

  std::optional<std::pair<Tags, bool>> named_;
  std::uint32_t number_ = 0;
};

constexpr DeviceTag one{1, 0x11112222}, two{2, 0x33330004}, three{3, 0x55550006};

TEST_F(HomeDevicesTest, TheSameListIsNotNamed) {
  begin({one, two});
  send_for({two, one});
  EXPECT_FALSE(named());
  EXPECT_EQ(front(CommandKind::deliver).size(), 1u);
  EXPECT_EQ(counters_.get(queues::ShardMetric::device_lists_sent), 0u);
}

TEST_F(HomeDevicesTest, ADifferenceIsNamedAndTheMessageKept) {
  begin({one, two});
  const DeviceTag changed{2, 0x33330005};
  for (const Tags& list : {Tags{one}, Tags{one, two, three}, Tags{one, changed}, Tags{three},
                           Tags{changed, three}, Tags{}}) {
    send_for(list);
    EXPECT_EQ(named(), (Tags{one, two}));
    EXPECT_FALSE(named_->second);
    EXPECT_EQ(front(CommandKind::deliver).size(), 1u);
    EXPECT_EQ(front(CommandKind::refused).size(), 0u);
  }
  EXPECT_EQ(counters_.get(queues::ShardMetric::device_lists_sent), 6u);
}

TEST_F(HomeDevicesTest, WithoutADigestNothingIsNamed) {
  begin({one, two});
  send_to({.device = 1});
  EXPECT_FALSE(named());
  send_to({.device = 9});
  EXPECT_FALSE(named());
  EXPECT_EQ(front(CommandKind::refused).size(), 1u);
}

TEST_F(HomeDevicesTest, DevicesWithoutKeysAreNotOfTheList) {
  begin({one, {2, 0}});
  send_for({one});
  EXPECT_FALSE(named());
  send_for({one, two});
  EXPECT_EQ(named(), Tags{one});
  change_to(record_of({one, two}));
  send_for({one});
  EXPECT_EQ(named(), (Tags{one, two})) << "it has published them now";
}

TEST_F(HomeDevicesTest, NobodyHasKeys) {
  begin({{1, 0}});
  send_for({});
  EXPECT_FALSE(named());
  send_for({one});
  EXPECT_EQ(named(), Tags{});
}

TEST_F(HomeDevicesTest, AsManyDevicesAsThereCanBe) {
  Tags all;
  for (std::uint16_t i = 1; i < protocol::devices_per_account_max; ++i) {
    all.push_back({std::uint16_t(4096u * i), 0x9e3779b1u * i});
  }
  begin(all);
  const std::uint16_t device = all[0].device;
  send_for({}, device);
  EXPECT_EQ(named(), all) << "one less than the most";
  all.insert(all.begin(), {1, 0xffffffff});
  change_to(record_of(all));
  send_for({}, device);
  EXPECT_EQ(named(), all);
  send_for(all, device);
  EXPECT_FALSE(named());
}

TEST_F(HomeDevicesTest, ByNumberWhateverTheRecordsOrder) {
  begin({three, one, two});
  send_for({one});
  EXPECT_EQ(named(), (Tags{one, two, three}));
}

// The acknowledgement may have been lost, and what was said before it.
TEST_F(HomeDevicesTest, ARepeatedMessageIsToldOfAgain) {
  begin({one, two});
  send_to({.device = 1, .digest = protocol::digest_of(Tags{one})}, 10);
  EXPECT_EQ(named(), (Tags{one, two}));
  send_to({.device = 1, .digest = protocol::digest_of(Tags{one})}, 10);
  EXPECT_EQ(named(), (Tags{one, two}));
  EXPECT_EQ(front(CommandKind::deliver).size(), 0u);
  send_to({.device = 2, .digest = protocol::digest_of(Tags{one, two})}, 11);
  EXPECT_FALSE(named());
}

TEST_F(HomeDevicesTest, WhatIsForADeviceThatIsGoneIsSettledAndNamed) {
  begin({one, three});
  send_for({one, two}, 2);
  EXPECT_EQ(named(), (Tags{one, three}));
  EXPECT_TRUE(named_->second);
  EXPECT_EQ(front(CommandKind::refused).size(), 0u);
  EXPECT_EQ(front(CommandKind::settled).size(), 0u) << "that is the answer";
  send_for({one, three}, 3);
  EXPECT_FALSE(named()) << "nothing sticks";
  EXPECT_EQ(front(CommandKind::refused).size(), 0u);
}

TEST_F(HomeDevicesTest, ARefusalSticksToWhatIsForAGoneDeviceToo) {
  begin({one});
  send_to({.device = 9});
  ASSERT_EQ(front(CommandKind::refused).size(), 1u);
  send_for({one, two}, 2);
  EXPECT_FALSE(named());
  ASSERT_EQ(front(CommandKind::refused).size(), 1u);
  EXPECT_EQ(front(CommandKind::refused)[0].detail,
            static_cast<std::uint8_t>(Condition::follows_refused));
}

TEST_F(HomeDevicesTest, WhoIsBlockedLearnsNothing) {
  queues::AccountRecord record = record_of({one, two});
  record.blocks = {alice_hash};
  begin({one});
  change_to(record);
  send_for({one});
  EXPECT_FALSE(named());
  send_for({one}, 3);
  EXPECT_FALSE(named());
  EXPECT_EQ(front(CommandKind::refused).size(), 1u);
}

TEST_F(HomeDevicesTest, WhatTheDirectoryCouldNotSayIsNotNamed) {
  queues::AccountRecord record = record_of({one});
  record.tags_known = false;
  begin({one});
  change_to(record);
  send_for({one, two});
  EXPECT_FALSE(named());
  send_for({one, two}, 2);
  EXPECT_EQ(front(CommandKind::refused).size(), 1u) << "as it is without a digest";
}

TEST_F(HomeDevicesTest, EphemeralMessagesAreComparedToo) {
  begin({one, two});
  send_to({.device = 1, .digest = std::uint16_t{0}, .ephemeral = true});
  EXPECT_EQ(named(), (Tags{one, two}));
  EXPECT_EQ(front(CommandKind::deliver).size(), 1u);
  EXPECT_EQ(front(CommandKind::settled).size(), 1u);
}

TEST_F(HomeDevicesTest, WithoutMemoryTheMessageGoesAllTheSame) {
  begin({one, two});
  queues::Buffer buffer = pool_.allocate(100);
  queues::write_envelope(buffer.writable(), 1, 1, false, "bob");
  std::vector<queues::Buffer> hoard;
  while (queues::Buffer more = pool_.allocate(100)) hoard.push_back(std::move(more));
  handle({.kind = CommandKind::message,
          .detail = 1,
          .number = ++number_,
          .session = alice_session,
          .account = bob,
          .sequence = 0,
          .id = 10,
          .sender = alice_hash,
          .sender_device = 1,
          .buffer = buffer.release()});
  EXPECT_FALSE(named());
  EXPECT_EQ(front(CommandKind::deliver).size(), 1u);
}

}  // namespace
}  // namespace godwit::dataplane
