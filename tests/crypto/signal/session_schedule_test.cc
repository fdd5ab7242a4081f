// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "tests/crypto/signal/road.h"
#include "tests/crypto/signal/session_pair.h"

// Random schedules of two devices, held to one rule: what arrives is read, right and once, whatever
// was lost, late, doubled, changed on its way, opened anew or stored and loaded in between.

namespace godwit::crypto::signal {
namespace {

using testing::code_of;
using testing::Device;
using testing::Parcel;
using testing::Road;

struct ScheduleOptions {
  std::uint64_t seed = 0;
  testing::RoadOptions road{.lost_percent = 20, .repeated_percent = 15, .overtaken_max = 5};
  // One step in so many opens a session anew, archives the current one, or restarts the sender.
  std::uint64_t upheaval_period = 67;
  // Both open a session at first, before either has heard from the other.
  bool crossed = false;
};

class Schedule {
 public:
  explicit Schedule(const ScheduleOptions& options)
      : options_(options),
        random_(options.seed),
        alice_("alice@example.org", 2 * options.seed),
        bob_("bob@example.org", 2 * options.seed + 1) {}

  void run(int steps) {
    open(alice_, bob_);
    if (options_.crossed) open(bob_, alice_);
    for (int i = 0; i < steps; ++i) {
      if (random_.below(5) == 0) alice_sends_ = !alice_sends_;
      step(i);
    }
    while (!to_alice_.empty()) arrive(to_alice_, alice_, bob_.address);
    while (!to_bob_.empty()) arrive(to_bob_, bob_, alice_.address);
  }

  std::size_t read() const { return read_.size(); }
  std::uint64_t epochs() const { return epochs_; }
  std::size_t sent() const { return sent_; }
  std::size_t archived() const { return archived_; }

  // Nothing is lost any more: the two agree on one session, whatever there was before.
  void calm() {
    for (int i = 0; i < 3; ++i) {
      exchange(alice_, bob_, "calm there " + std::to_string(i));
      exchange(bob_, alice_, "calm back " + std::to_string(i));
    }
    EXPECT_EQ(alice_.with(bob_.address).current()->base_key,
              bob_.with(alice_.address).current()->base_key);
  }

 private:
  void open(Device& from, Device& to) {
    const auto opened = from.open(to.address, to.bundle({.one_time = random_.below(2) == 0,
                                                         .last_resort = random_.below(2) == 0}));
    ASSERT_TRUE(opened) << opened.error().message;
  }

  void step(int number) {
    Device& from = alice_sends_ ? alice_ : bob_;
    Device& to = alice_sends_ ? bob_ : alice_;
    Road& road = alice_sends_ ? to_bob_ : to_alice_;
    const std::uint64_t choice = random_.below(3 * options_.upheaval_period);
    if (choice == 0) open(from, to);
    if (choice == 1) from.with(to.address).archive_current();
    if (choice == 2) from.restart();
    if (!from.with(to.address).can_send(from.now)) open(from, to);
    const std::string text = "message " + std::to_string(number);
    auto message = from.send(to.address, text);
    ASSERT_TRUE(message) << message.error().message;
    if (random_.below(10) == 0) forge(*message, from, to);
    road.send(std::move(*message), text);
    ++sent_;
    while (road.full()) arrive(road, to, from.address);
  }

  void exchange(Device& from, Device& to, const std::string& text) {
    if (!from.with(to.address).can_send(from.now)) open(from, to);
    const auto message = from.send(to.address, text);
    ASSERT_TRUE(message) << message.error().message;
    EXPECT_EQ(to.receive(from.address, *message).value_or("(lost)"), text);
  }

  // A changed copy overtakes the message, and nothing comes of it.
  void forge(CiphertextMessage message, Device& from, Device& to) {
    SessionRecord& record = to.with(from.address);
    const SecretBytes before = record.write();
    // At the end is what every message authenticates.
    const std::size_t back = 1 + random_.below(40);
    message.bytes[message.bytes.size() - back] ^= static_cast<std::uint8_t>(1 + random_.below(255));
    const bool prekey = message.kind == MessageKind::prekey;
    const auto kept = to.last_used;
    if (prekey) return;  // its last fields are ids, which session_test.cc changes
    EXPECT_FALSE(to.receive(from.address, message));
    EXPECT_EQ(record.write(), before);
    EXPECT_EQ(kept.has_value(), to.last_used.has_value());
  }

  void arrive(Road& road, Device& to, const ProtocolAddress& from) {
    const Parcel parcel = road.take();
    const auto text = to.receive(from, parcel.message);
    const bool first = read_.insert(parcel.text).second;
    EXPECT_EQ(text.has_value(), first) << (text ? "read twice" : text.error().message);
    EXPECT_EQ(text.value_or(parcel.text), parcel.text);
    EXPECT_TRUE(text || text.error().code == ErrorCode::exists);
    if (text) epochs_ = std::max(epochs_, to.with(from).current()->pq.epoch());
    archived_ = std::max(archived_, to.with(from).archived_count());
  }

  ScheduleOptions options_;
  SeededRandom random_;
  Device alice_;
  Device bob_;
  Road to_alice_{options_.road, random_};
  Road to_bob_{options_.road, random_};
  bool alice_sends_ = true;
  std::set<std::string> read_;
  std::size_t sent_ = 0;
  std::size_t archived_ = 0;
  std::uint64_t epochs_ = 0;
};

TEST(SessionSchedule, WhatArrivesIsReadOnce) {
  std::uint64_t epochs = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule schedule({.seed = seed});
    schedule.run(400);
    EXPECT_GT(schedule.read(), 250u);
    epochs = std::max(epochs, schedule.epochs());
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GE(epochs, 3u);
}

// Many short ones, all of it upheaval: sessions opened by both at once, opened anew and archived
// every few messages, and a third of everything lost.
TEST(SessionSchedule, UpheavalAndThenCalm) {
  std::size_t sent = 0;
  std::size_t read = 0;
  std::size_t archived = 0;
  for (std::uint64_t seed = 1000; seed < 1200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule schedule({.seed = seed,
                       .road = {.lost_percent = 30, .repeated_percent = 20, .overtaken_max = 8},
                       .upheaval_period = 4 + seed % 20,
                       .crossed = seed % 2 == 0});
    schedule.run(40);
    schedule.calm();
    sent += schedule.sent();
    read += schedule.read();
    archived = std::max(archived, schedule.archived());
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(read, sent / 2) << "what came was read";
  EXPECT_LT(read, sent * 9 / 10) << "and much did not come";
  EXPECT_GT(archived, 5u);
}

}  // namespace
}  // namespace godwit::crypto::signal
