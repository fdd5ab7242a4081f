// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "crypto/signal/key_encoding.h"
#include "crypto/signal/retry.h"
#include "tests/crypto/signal/road.h"
#include "tests/interop/remote_device.h"

// Our sessions with libsignal's, both ways: opened by either side, over a road that loses, reorders
// and repeats messages, and what goes wrong in each way.

namespace godwit::interop {
namespace {

using namespace crypto::signal;
using crypto::signal::testing::Device;
using crypto::signal::testing::Parcel;
using crypto::signal::testing::Road;

class SessionInteropTest : public InteropTest {
 protected:
  Device ours{"ours@example.org", 11};
};

TEST_F(SessionInteropTest, WeOpen) {
  RemoteDevice theirs(*peer, "theirs");
  for (const bool one_time : {true, false}) {
    ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(one_time)));
    const auto first = ours.send(theirs.address(), "hello");
    ASSERT_EQ(first->kind, MessageKind::prekey);
    const auto read = theirs.receive(ours.address, *first);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, "hello");
    const auto answer = theirs.send(ours.address, "welcome");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->kind, MessageKind::signal);
    EXPECT_EQ(ours.receive(theirs.address(), *answer), "welcome");
  }
}

TEST_F(SessionInteropTest, TheyOpen) {
  RemoteDevice theirs(*peer, "theirs");
  for (const bool one_time : {true, false}) {
    const auto opened = theirs.open(ours.address, ours.bundle({.one_time = one_time}));
    ASSERT_TRUE(opened) << opened.error().message;
    const auto first = theirs.send(ours.address, "hello");
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_EQ(first->kind, MessageKind::prekey);
    const auto read = ours.receive(theirs.address(), *first);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, "hello");
    EXPECT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "welcome")), "welcome");
  }
}

// What 600 messages over a bad road do: every one that arrives is read once, and the post-quantum
// ratchet goes on meanwhile.
void exchange(Device& ours, RemoteDevice& theirs, std::uint64_t seed) {
  SeededRandom random(seed);
  Road to_them({.lost_percent = 15, .repeated_percent = 10, .overtaken_max = 5}, random);
  Road to_us({.lost_percent = 15, .repeated_percent = 10, .overtaken_max = 5}, random);
  std::set<std::string> read;
  const auto arrive = [&](Road& road, auto&& receive) {
    const Parcel parcel = road.take();
    const auto text = receive(parcel.message);
    const bool first = read.insert(parcel.text).second;
    ASSERT_EQ(text.has_value(), first) << (text ? "read twice" : text.error().message);
    EXPECT_EQ(text.value_or(parcel.text), parcel.text);
  };
  const auto arrive_there = [&] {
    arrive(to_them, [&](const auto& message) { return theirs.receive(ours.address, message); });
  };
  const auto arrive_here = [&] {
    arrive(to_us, [&](const auto& message) { return ours.receive(theirs.address(), message); });
  };
  bool our_turn = true;
  for (int i = 0; i < 600; ++i) {
    const std::string text = "message " + std::to_string(i);
    if (random.below(4) == 0) our_turn = !our_turn;
    if (our_turn) {
      to_them.send(ours.send(theirs.address(), text).value(), text);
    } else {
      to_us.send(theirs.send(ours.address, text).value(), text);
    }
    while (to_them.full()) arrive_there();
    while (to_us.full()) arrive_here();
    if (i % 50 == 0) ours.restart();
  }
  while (!to_them.empty()) arrive_there();
  while (!to_us.empty()) arrive_here();
  EXPECT_GE(read.size(), 450u);
  EXPECT_GE(ours.with(theirs.address()).current()->pq.epoch(), 4u) << "three agreements done";
}

TEST_F(SessionInteropTest, ManyMessagesOverABadRoadInOurSession) {
  RemoteDevice theirs(*peer, "theirs");
  ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(true)));
  ASSERT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "first")), "first");
  exchange(ours, theirs, 1);
}

TEST_F(SessionInteropTest, ManyMessagesOverABadRoadInTheirSession) {
  RemoteDevice theirs(*peer, "theirs");
  ASSERT_TRUE(theirs.open(ours.address, ours.bundle({.one_time = false})));
  ASSERT_EQ(ours.receive(theirs.address(), *theirs.send(ours.address, "first")), "first");
  exchange(ours, theirs, 2);
}

// Both sides keep as many keys of messages that have not come, and drop the oldest.
TEST_F(SessionInteropTest, SkippedKeys) {
  RemoteDevice theirs(*peer, "theirs");
  ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(true)));
  ASSERT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "one")), "one");
  ASSERT_EQ(ours.receive(theirs.address(), *theirs.send(ours.address, "two")), "two");
  const std::size_t last = skipped_message_keys_max + 1;
  std::vector<CiphertextMessage> to_them;
  std::vector<CiphertextMessage> to_us;
  for (std::size_t i = 0; i <= last; ++i) {
    to_them.push_back(ours.send(theirs.address(), std::to_string(i)).value());
    to_us.push_back(theirs.send(ours.address, std::to_string(i)).value());
  }
  EXPECT_EQ(ours.receive(theirs.address(), to_us[last]), std::to_string(last));
  EXPECT_EQ(theirs.receive(ours.address, to_them[last]), std::to_string(last));
  EXPECT_FALSE(ours.receive(theirs.address(), to_us[0]));
  EXPECT_FALSE(theirs.receive(ours.address, to_them[0]));
  for (const std::size_t i : {std::size_t{1}, std::size_t{1000}, last - 1}) {
    EXPECT_EQ(ours.receive(theirs.address(), to_us[i]), std::to_string(i));
    EXPECT_EQ(theirs.receive(ours.address, to_them[i]), std::to_string(i));
  }
}

// A message of the fifth ratchet key back is still read, on both sides.
TEST_F(SessionInteropTest, ReceiverChains) {
  RemoteDevice theirs(*peer, "theirs");
  ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(true)));
  ASSERT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "first")), "first");
  std::vector<CiphertextMessage> to_them;
  std::vector<CiphertextMessage> to_us;
  for (std::size_t i = 0; i <= receiver_chains_max; ++i) {
    to_us.push_back(theirs.send(ours.address, std::to_string(i)).value());
    ASSERT_EQ(ours.receive(theirs.address(), *theirs.send(ours.address, "back")), "back");
    to_them.push_back(ours.send(theirs.address(), std::to_string(i)).value());
    ASSERT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "on")), "on");
  }
  EXPECT_FALSE(ours.receive(theirs.address(), to_us[0]));
  EXPECT_FALSE(theirs.receive(ours.address, to_them[0]));
  for (std::size_t i = 1; i <= receiver_chains_max; ++i) {
    EXPECT_EQ(ours.receive(theirs.address(), to_us[i]), std::to_string(i));
    EXPECT_EQ(theirs.receive(ours.address, to_them[i]), std::to_string(i));
  }
}

TEST_F(SessionInteropTest, NamesThatAreServiceIdsAreChecked) {
  const std::string service_id = "9d0652a3-dcc3-4d11-975f-74d61598733f";
  const std::string phone_number = "PNI:796abedb-ca4e-4f18-8803-1fde5b921f9f";
  Device named(service_id, 12);
  RemoteDevice theirs(*peer, phone_number);
  ASSERT_TRUE(theirs.open(named.address, named.bundle()));
  const auto message = theirs.send(named.address, "hello");
  ASSERT_TRUE(SignalMessage::parse(PreKeySignalMessage::parse(message->bytes)->message)->addresses);
  Device elsewhere = std::move(named);
  elsewhere.address.name = "796abedb-ca4e-4f18-8803-1fde5b921f9f";
  EXPECT_FALSE(elsewhere.receive(theirs.address(), *message));
  elsewhere.address.name = service_id;
  EXPECT_EQ(elsewhere.receive(theirs.address(), *message), "hello");
}

TEST_F(SessionInteropTest, ABundleUsedTwice) {
  RemoteDevice theirs(*peer, "theirs");
  const PreKeyBundle bundle = theirs.bundle(true);
  ASSERT_TRUE(ours.open(theirs.address(), bundle));
  ASSERT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "one")), "one");
  ASSERT_TRUE(ours.open(theirs.address(), bundle));
  EXPECT_FALSE(theirs.receive(ours.address, *ours.send(theirs.address(), "two")))
      << "the one-time prekey is used up";

  const PreKeyBundle own = ours.bundle();
  ASSERT_TRUE(theirs.open(ours.address, own));
  ASSERT_EQ(ours.receive(theirs.address(), *theirs.send(ours.address, "three")), "three");
  ASSERT_TRUE(theirs.open(ours.address, own));
  const auto refused = ours.receive(theirs.address(), *theirs.send(ours.address, "four"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::not_found);

  const PreKeyBundle lasting = ours.bundle({.one_time = false, .last_resort = true});
  for (const std::string text : {"five", "six"}) {
    ASSERT_TRUE(theirs.open(ours.address, lasting));
    EXPECT_EQ(ours.receive(theirs.address(), *theirs.send(ours.address, text)), text);
  }
}

TEST_F(SessionInteropTest, BothOpenAtOnce) {
  RemoteDevice theirs(*peer, "theirs");
  ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(true)));
  ASSERT_TRUE(theirs.open(ours.address, ours.bundle()));
  const auto from_us = ours.send(theirs.address(), "ours");
  const auto from_them = theirs.send(ours.address, "theirs");
  EXPECT_EQ(ours.receive(theirs.address(), *from_them), "theirs");
  EXPECT_EQ(theirs.receive(ours.address, *from_us), "ours");
  EXPECT_EQ(ours.with(theirs.address()).archived_count(), 1u);
  for (int i = 0; i < 6; ++i) {
    const std::string text = "round " + std::to_string(i);
    EXPECT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), text)), text);
    EXPECT_EQ(ours.receive(theirs.address(), *theirs.send(ours.address, text)), text);
  }
}

TEST_F(SessionInteropTest, AnArchivedSessionReadsWhatIsLate) {
  RemoteDevice theirs(*peer, "theirs");
  ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(true)));
  ASSERT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "one")), "one");
  ASSERT_EQ(ours.receive(theirs.address(), *theirs.send(ours.address, "two")), "two");
  const auto late_to_us = theirs.send(ours.address, "late to us");
  const auto late_to_them = ours.send(theirs.address(), "late to them");
  ours.with(theirs.address()).archive_current();
  theirs.archive(ours.address);
  ASSERT_TRUE(theirs.open(ours.address, ours.bundle()));
  ASSERT_EQ(ours.receive(theirs.address(), *theirs.send(ours.address, "new")), "new");
  ours.restart();
  EXPECT_EQ(ours.receive(theirs.address(), *late_to_us), "late to us");
  EXPECT_EQ(theirs.receive(ours.address, *late_to_them), "late to them");
  EXPECT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "on")), "on");
}

TEST_F(SessionInteropTest, AChangedIdentityIsSeenOnBothSides) {
  RemoteDevice theirs(*peer, "theirs");
  ours.known_identity = theirs.identity();
  ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(true)));
  ASSERT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "one")), "one");

  RemoteDevice reinstalled(*peer, "theirs");  // takes the place of the first
  const auto refused = ours.open(theirs.address(), reinstalled.bundle(true));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::refused);
  ASSERT_TRUE(reinstalled.open(ours.address, ours.bundle()));
  const auto message = reinstalled.send(ours.address, "two");
  const auto unread = ours.receive(theirs.address(), *message);
  ASSERT_FALSE(unread);
  EXPECT_EQ(unread.error().code, ErrorCode::refused);
  ours.known_identity = reinstalled.identity();
  EXPECT_EQ(ours.receive(theirs.address(), *message), "two");

  ours.identity = crypto::KeyPair::generate(ours.random);
  ours.records.clear();
  ASSERT_TRUE(ours.open(theirs.address(), reinstalled.bundle(true)));
  const auto again = ours.send(theirs.address(), "three");
  EXPECT_FALSE(reinstalled.receive(ours.address, *again));
  ASSERT_TRUE(reinstalled.ask({{"op", "trust"},
                               {"them", ours.address.name},
                               {"identity", to_hex(encode_public_key(ours.identity.public_key))}}));
  EXPECT_EQ(reinstalled.receive(ours.address, *again), "three");
}

TEST_F(SessionInteropTest, TamperedMessages) {
  RemoteDevice theirs(*peer, "theirs");
  ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(true)));
  ASSERT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "one")), "one");
  const auto to_us = theirs.send(ours.address, "two");
  for (std::size_t i = 0; i < to_us->bytes.size(); ++i) {
    CiphertextMessage changed = *to_us;
    changed.bytes[i] ^= 0x40;
    ASSERT_FALSE(ours.receive(theirs.address(), changed)) << "byte " << i;
  }
  EXPECT_EQ(ours.receive(theirs.address(), *to_us), "two");
  const auto to_them = ours.send(theirs.address(), "three");
  for (std::size_t i = 0; i < to_them->bytes.size(); i += 5) {
    CiphertextMessage changed = *to_them;
    changed.bytes[i] ^= 0x40;
    ASSERT_FALSE(theirs.receive(ours.address, changed)) << "byte " << i;
  }
  EXPECT_EQ(theirs.receive(ours.address, *to_them), "three");
}

TEST_F(SessionInteropTest, TheyAskForAMessageAgain) {
  RemoteDevice theirs(*peer, "theirs");
  ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(true)));
  ASSERT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "one")), "one");
  const auto lost = ours.send(theirs.address(), "two");
  const auto asked = theirs.ask({{"op", "retry_request"},
                                 {"kind", static_cast<int>(lost->kind)},
                                 {"bytes", to_hex(lost->bytes)},
                                 {"timestamp", 123456789},
                                 {"device", 3}});
  const auto request = RetryRequest::parse(*from_hex(asked->at("content").get<std::string>()));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->sent_at, WallTime(std::chrono::milliseconds(123456789)));
  EXPECT_EQ(request->device_id, 3u);
  ASSERT_TRUE(request->ratchet_key);
  EXPECT_TRUE(ours.with(theirs.address()).current_ratchet_key_is(*request->ratchet_key));
  ours.with(theirs.address()).archive_current();
  ASSERT_TRUE(ours.open(theirs.address(), theirs.bundle(true)));
  EXPECT_EQ(theirs.receive(ours.address, *ours.send(theirs.address(), "two")), "two");
}

TEST_F(SessionInteropTest, WeAskForAMessageAgain) {
  RemoteDevice theirs(*peer, "theirs");
  ASSERT_TRUE(theirs.open(ours.address, ours.bundle()));
  const auto lost = theirs.send(ours.address, "one");
  const auto request = RetryRequest::about(
      {*lost, WallTime(std::chrono::milliseconds(987654321)), theirs.address().device_id});
  ASSERT_TRUE(request);
  const auto read =
      theirs.ask({{"op", "read_retry_request"}, {"content", to_hex(request->encode())}});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->at("timestamp"), 987654321);
  EXPECT_EQ(read->at("device"), 1);
  const auto current = theirs.ask(
      {{"op", "ratchet_key_is"}, {"them", ours.address.name}, {"key", read->at("ratchet_key")}});
  EXPECT_EQ(current->at("is"), true);
}

}  // namespace
}  // namespace godwit::interop
