// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/random.h"
#include "base/token_bucket.h"
#include "queues/buffer.h"
#include "queues/hash_index.h"
#include "queues/mailbox.h"
#include "queues/outbox.h"
#include "queues/records.h"
#include "queues/tick_wheel.h"

// The structures of queues/, each against its limits; rings and buffers also between two threads.

namespace godwit::queues {
namespace {

TEST(SpscRing, FillsToItsCapacityAndNoFurther) {
  SpscRing<int> ring(4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.try_push(i));
  EXPECT_FALSE(ring.try_push(4));
  EXPECT_EQ(ring.drain(10, [](int) {}), 0u) << "not published yet";
  EXPECT_TRUE(ring.flush());
  EXPECT_FALSE(ring.flush());
  std::vector<int> got;
  EXPECT_EQ(ring.drain(3, [&](int i) { got.push_back(i); }), 3u);
  EXPECT_TRUE(ring.try_push(4));
  ring.flush();
  ring.drain(10, [&](int i) { got.push_back(i); });
  ring.drain(10, [&](int i) { got.push_back(i); });
  EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(ring.consumer_empty());
}

TEST(SpscRing, KeepsOrderBetweenThreads) {
  constexpr int count = 200'000;
  SpscRing<int> ring(64);
  std::thread producer([&] {
    for (int i = 0; i < count;) {
      if (ring.try_push(i)) ++i;
      ring.flush();
    }
  });
  int expected = 0;
  bool ordered = true;
  while (expected < count) {
    ring.drain(32, [&](int i) { ordered = ordered && i == expected++; });
  }
  producer.join();
  EXPECT_TRUE(ordered);
}

TEST(Outbox, WaitsInOrderAndRefusesBeyondItsLimit) {
  SpscRing<int> ring(2);
  int wakes = 0;
  Parker parker([&] { ++wakes; });
  Outbox<int> outbox(ring, parker, 3);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(outbox.try_post(i));
  EXPECT_FALSE(outbox.try_post(5));
  EXPECT_TRUE(outbox.pressed());
  parker.prepare();
  outbox.flush();
  EXPECT_EQ(wakes, 1);
  std::vector<int> got;
  for (int round = 0; round < 4; ++round) {
    ring.drain(10, [&](int i) { got.push_back(i); });
    outbox.flush();
  }
  EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(outbox.waiting(), 0u);
  EXPECT_EQ(wakes, 1) << "awake: nobody is woken";
}

TEST(BufferPool, HoldsItsLimitAndTakesBack) {
  BufferPool pool(256 * 4);
  std::vector<Buffer> taken;
  for (int i = 0; i < 4; ++i) {
    taken.push_back(pool.allocate(200));
    EXPECT_TRUE(taken.back());
  }
  EXPECT_FALSE(pool.allocate(200));
  EXPECT_EQ(pool.in_use(), 1024u);
  Buffer second = taken[0].share();
  taken.clear();
  pool.collect();
  EXPECT_EQ(pool.in_use(), 256u);
  second.reset();
  pool.collect();
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(BufferPool, SizesAtBelowAndAboveTheLargest) {
  BufferPool pool(1 << 20);
  EXPECT_TRUE(pool.allocate(BufferPool::buffer_size_max - 1));
  EXPECT_TRUE(pool.allocate(BufferPool::buffer_size_max));
  EXPECT_FALSE(pool.allocate(BufferPool::buffer_size_max + 1));
  EXPECT_TRUE(pool.allocate(0));
}

TEST(BufferPool, BlocksComeHomeFromAnotherThread) {
  BufferPool pool(1 << 16);
  SpscRing<BufferBlock*> ring(16);
  std::thread consumer([&] {
    for (int got = 0; got < 10'000;) {
      got += static_cast<int>(ring.drain(16, [](BufferBlock* block) {
        const Buffer buffer = Buffer::adopt(block);
        EXPECT_EQ(buffer.bytes()[0], 7);
      }));
    }
  });
  for (int sent = 0; sent < 10'000;) {
    Buffer buffer = pool.allocate(64);
    if (!buffer) continue;
    buffer.writable()[0] = 7;
    BufferBlock* block = buffer.release();
    while (!ring.try_push(block)) ring.flush();
    ring.flush();
    ++sent;
  }
  consumer.join();
  pool.collect();
  EXPECT_EQ(pool.in_use(), 0u);
}

// Hashes by index, as an owner keeps them; index 0 is none.
class HashIndexTest : public testing::Test {
 protected:
  std::uint32_t find(std::uint64_t hash) const {
    return index_.find(hash, [&](std::uint32_t found) { return hashes_.at(found) == hash; });
  }
  void insert(std::uint64_t hash) {
    index_.insert(hash, static_cast<std::uint32_t>(hashes_.size()));
    hashes_.push_back(hash);
  }

  HashIndex index_;
  std::vector<std::uint64_t> hashes_{0};
};

TEST_F(HashIndexTest, AgreesWithAMap) {
  SeededRandom random(3);
  std::map<std::uint64_t, std::uint32_t> model;
  // Upper halves that are neighbours, and each of them twice.
  const auto hash_of = [](std::uint64_t i) { return (i / 2 * 3) << 32 | (i & 1); };
  for (int i = 1; i < 20'000; ++i) {
    const std::uint64_t hash = hash_of(random.below(3000));
    if (const auto found = model.find(hash); found != model.end()) {
      index_.erase(hash, found->second);
      model.erase(found);
    } else {
      model[hash] = static_cast<std::uint32_t>(hashes_.size());
      insert(hash);
    }
  }
  EXPECT_EQ(index_.size(), model.size());
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const auto found = model.find(hash_of(i));
    EXPECT_EQ(find(hash_of(i)), found == model.end() ? 0 : found->second);
  }
}

TEST_F(HashIndexTest, TheOwnerTellsApartWhatAgreesInTheUpperHalf) {
  const std::uint64_t upper = std::uint64_t{0xdeadbeef} << 32;
  for (std::uint64_t lower = 0; lower < 100; ++lower) insert(upper | lower);
  for (std::uint64_t lower = 0; lower < 100; ++lower) EXPECT_EQ(find(upper | lower), lower + 1);
  EXPECT_EQ(find(upper | 100), 0u);
  index_.erase(upper | 50, 51);
  EXPECT_EQ(find(upper | 50), 0u);
  EXPECT_EQ(find(upper | 99), 100u);
  EXPECT_EQ(index_.size(), 99u);
}

TEST_F(HashIndexTest, ErasingWhatIsNotThereChangesNothing) {
  insert(std::uint64_t{1} << 32);
  index_.erase(std::uint64_t{1} << 32, 2);
  index_.erase(std::uint64_t{2} << 32, 2);
  EXPECT_EQ(index_.size(), 1u);
  EXPECT_EQ(find(std::uint64_t{1} << 32), 1u);
}

TEST(TickWheel, NeverEarlyAndAtMostATickLate) {
  TickWheel<int> wheel;
  const Instant start{std::chrono::seconds(1000)};
  wheel.advance(start, [](int) {});
  for (int ms = 0; ms < 1000; ++ms) wheel.schedule(start + std::chrono::milliseconds(ms), ms);
  int fired = 0;
  for (int now = 0; now < 1100; ++now) {
    wheel.advance(start + std::chrono::milliseconds(now), [&](int due) {
      ++fired;
      EXPECT_GE(now, due);
      EXPECT_LE(now, due + 10);
    });
  }
  EXPECT_EQ(fired, 1000);
  EXPECT_EQ(wheel.next_deadline(), never);
}

TEST(TokenBucket, BurstThenRate) {
  TokenBucket bucket;
  const TokenBucket::Limit limit{.rate_per_second = 10, .burst = 3};
  const Instant start{std::chrono::seconds(5)};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(limit, start));
  EXPECT_FALSE(bucket.take(limit, start));
  EXPECT_FALSE(bucket.take(limit, start + std::chrono::milliseconds(99)));
  EXPECT_TRUE(bucket.take(limit, start + std::chrono::milliseconds(100)));
  EXPECT_FALSE(bucket.take(limit, start + std::chrono::milliseconds(100)));
}

class MailboxTest : public testing::Test {
 protected:
  std::uint32_t append() {
    const auto record = set_.create_record({.buffer = pool_.allocate(100)});
    return set_.append(box(), record);
  }
  Mailbox& box() { return *set_.find(name_); }

  BufferPool pool_{1 << 20};
  MailboxSet set_;
  MailboxName name_ = set_.create(1, 1, 100);
};

TEST_F(MailboxTest, AppendsInOrderAndCounts) {
  const auto first = append();
  const auto second = append();
  EXPECT_EQ(set_.entry(first).sequence, 100u);
  EXPECT_EQ(set_.entry(second).sequence, 101u);
  EXPECT_EQ(box().cursor, first);
  EXPECT_EQ(box().unstored, 2u);
  set_.set_in_flight(box(), first);
  EXPECT_EQ(box().cursor, second);
  EXPECT_GT(box().in_flight_bytes, 0u);
  set_.remove(box(), first);
  EXPECT_EQ(box().in_flight_bytes, 0u);
  EXPECT_EQ(box().head, second);
  set_.remove(box(), second);
  EXPECT_EQ(box().count, 0u);
  EXPECT_EQ(box().memory_bytes, 0u);
  pool_.collect();
  EXPECT_EQ(pool_.in_use(), 0u);
}

TEST_F(MailboxTest, LoadedEntriesFindTheirPlace) {
  const auto fresh = append();
  const auto load = [&](std::uint64_t sequence) {
    return set_.insert_loaded(box(), sequence, set_.create_record({.buffer = pool_.allocate(10)}));
  };
  const auto fifty = load(50);
  const auto forty = load(40);
  EXPECT_NE(fifty, 0u);
  EXPECT_EQ(box().head, forty);
  EXPECT_EQ(box().cursor, forty);
  EXPECT_EQ(set_.entry(forty).next, fifty);
  EXPECT_EQ(set_.entry(fifty).next, fresh);
  EXPECT_EQ(box().unstored, 1u);
}

TEST_F(MailboxTest, StaleNamesAreRecognised) {
  const MailboxName old = name_;
  set_.destroy(name_);
  EXPECT_EQ(set_.find(old), nullptr);
  name_ = set_.create(2, 1, 1);
  EXPECT_EQ(name_.index, old.index);
  EXPECT_EQ(set_.find(old), nullptr);
  EXPECT_EQ(set_.find({}), nullptr);
  EXPECT_EQ(set_.find({.index = 1u << 30, .generation = 1}), nullptr);
}

TEST_F(MailboxTest, SiblingsMayBeDestroyedOnTheWay) {
  std::uint32_t first = 0;
  std::vector<std::uint32_t> expected;
  for (std::uint16_t device = 1; device <= 3; ++device) {
    const std::uint32_t index = set_.create(1, device, 1).index;
    set_.at(index).sibling = std::exchange(first, index);
    expected.insert(expected.begin(), index);
  }
  std::vector<std::uint32_t> seen;
  for (const std::uint32_t index : set_.siblings(first)) {
    seen.push_back(index);
    set_.destroy(set_.name_of(index));
  }
  EXPECT_EQ(seen, expected);
  for (const std::uint32_t index : set_.siblings(0)) ADD_FAILURE() << index;
}

TEST_F(MailboxTest, WhatStorageHoldsIsKeptOnlyWhileThereIsSomething) {
  EXPECT_TRUE(box().store().empty());
  EXPECT_FALSE(box().held);
  const auto entry = append();
  set_.entry(entry).state = EntryState::posting;
  set_.set_stored(box(), entry);
  EXPECT_EQ(box().store().count, 1u);
  EXPECT_EQ(box().store().bytes, 100u);
  box().forget_empty_store();
  EXPECT_TRUE(box().held) << "not empty";
  box().change_store().count = 0;
  box().change_store().bytes = 0;
  box().change_store().loading = true;
  box().forget_empty_store();
  EXPECT_TRUE(box().store().loading) << "a load is under way";
  box().change_store().loading = false;
  box().forget_empty_store();
  EXPECT_FALSE(box().held);
}

TEST(Records, RoundTrip) {
  BufferPool pool(1 << 20);
  AccountRecord record{.account_id = 7, .status = AccountStatus::suspended, .user = "alice"};
  for (std::uint16_t i = 1; i <= 16; ++i)
    record.devices.push_back({.id = i, .tag = 0x01020300u + i, .key = {std::uint8_t(i)}});
  record.tags_known = false;
  for (std::uint64_t i = 0; i < 1000; ++i) record.blocks.push_back(i * i);
  EXPECT_EQ(decode_account_record(encode(pool, record).bytes()), record);

  const AttachRequest attach{
      .user = "u", .client = "c", .device = 3, .window = 9, .last_sequence = 1ull << 60};
  const Buffer encoded = encode(pool, attach);
  const AttachRequest back = decode_attach_request(encoded.bytes());
  EXPECT_EQ(back.user, "u");
  EXPECT_EQ(back.last_sequence, 1ull << 60);

  const QueueRow row{
      .user = "bob", .device = 2, .connected = true, .in_memory = 1, .in_store = 2, .bytes = 3};
  EXPECT_EQ(decode_queue_row(encode(pool, row).bytes()), row);
  const SessionRow session{
      .user = "bob", .device = 2, .client = "x", .address = "y", .connected_ms = 5};
  EXPECT_EQ(decode_session_row(encode(pool, session).bytes()), session);

  std::uint8_t memory[64];
  const std::size_t head = write_envelope(memory, 5, 1, true, "bob");
  const Envelope envelope = read_envelope(Bytes(memory, head + 2));
  EXPECT_EQ(envelope.to_device, 5);
  EXPECT_TRUE(envelope.ephemeral);
  EXPECT_EQ(envelope.to_user, "bob");
  EXPECT_EQ(envelope.body.size(), 2u);
}

TEST(Records, AnEnvelopeIsWholeOrNone) {
  std::uint8_t memory[64];
  const std::size_t head = write_envelope(memory, 0x1234, 7, false, "bob");
  EXPECT_EQ(head, envelope_size(3, 0));
  const Envelope bare = read_envelope(Bytes(memory, head));
  EXPECT_EQ(bare.to_device, 0x1234);
  EXPECT_EQ(bare.message_type, 7);
  EXPECT_FALSE(bare.ephemeral);
  EXPECT_EQ(bare.to_user, "bob");
  EXPECT_TRUE(bare.body.empty());
  for (std::size_t size = 0; size < head; ++size) EXPECT_FALSE(is_envelope(Bytes(memory, size)));
  EXPECT_TRUE(is_envelope(Bytes(memory, head)));
  memory[4] = 0xff;  // a user larger than anything
  EXPECT_FALSE(is_envelope(Bytes(memory, sizeof memory)));
}

}  // namespace
}  // namespace godwit::queues
