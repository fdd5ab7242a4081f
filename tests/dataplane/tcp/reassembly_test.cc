// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint32_t start = 0xfffffc00;  // so that numbers wrap
using Insert = Reassembly::Insert;

struct Fixture : testing::Test {
  queues::BufferPool buffers{1 << 20};
  queues::Slab<HeldRange> ranges;
  HoldMemory memory{buffers, ranges, 0, 1 << 19, 64};
  Reassembly held;
  std::vector<std::uint8_t> stream = std::vector<std::uint8_t>(4096);

  void SetUp() override {
    for (std::size_t i = 0; i < stream.size(); ++i) stream[i] = static_cast<std::uint8_t>(i * 7);
  }
  Insert insert(std::uint32_t from, std::uint32_t to) {
    return held.insert(memory, start + from, Bytes(stream).subspan(from, to - from));
  }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> blocks(std::size_t count = 4) {
    std::array<SequenceRange, 4> out;
    const std::size_t filled = held.sack_blocks(memory, std::span(out).first(count));
    std::vector<std::pair<std::uint32_t, std::uint32_t>> answer;
    for (std::size_t i = 0; i < filled; ++i) {
      answer.emplace_back(out[i].begin - start, out[i].end - start);
    }
    return answer;
  }
};
using ReassemblyTest = Fixture;

TEST_F(ReassemblyTest, ARunThatGoesOnNeedsFewBlocks) {
  stream.resize(100'000);
  for (std::size_t i = 0; i < stream.size(); ++i) stream[i] = static_cast<std::uint8_t>(i * 7);
  constexpr std::uint32_t segment = 1400;
  for (std::uint32_t at = 1; at + segment < stream.size(); at += segment) {
    ASSERT_EQ(insert(at, at + segment), Insert::held);
  }
  EXPECT_EQ(blocks().size(), 1u);
  EXPECT_LE(held.count(), 8u);
  std::uint32_t at = 1;
  for (HeldRange range = held.take(memory, start + 1); range.bytes;
       range = held.take(memory, start + at)) {
    for (const std::uint8_t byte : range.bytes.bytes()) {
      ASSERT_EQ(byte, static_cast<std::uint8_t>(at++ * 7));
    }
  }
  EXPECT_GE(at, stream.size() - 2 * segment);
  EXPECT_EQ(memory.held_bytes, 0u);
}

TEST_F(ReassemblyTest, SmallPiecesTakeSmallBlocks) {
  for (std::uint32_t at = 1; at < 1000; at += 2) insert(at, at + 1);
  EXPECT_EQ(held.count(), memory.ranges_max);
  EXPECT_EQ(memory.held_bytes, 128u * memory.ranges_max);
}
using Blocks = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

TEST_F(ReassemblyTest, TheLatestArrivalComesFirstInTheBlocks) {  // RFC 2018, 4
  EXPECT_EQ(insert(100, 200), Insert::held);
  EXPECT_EQ(insert(300, 400), Insert::held);
  EXPECT_EQ(insert(500, 600), Insert::held);
  EXPECT_EQ(blocks(), (Blocks{{500, 600}, {300, 400}, {100, 200}}));
  EXPECT_EQ(insert(200, 250), Insert::held);
  EXPECT_EQ(blocks(), (Blocks{{100, 250}, {500, 600}, {300, 400}}));
  EXPECT_EQ(blocks(2), (Blocks{{100, 250}, {500, 600}}));
}

TEST_F(ReassemblyTest, WhatIsHeldAlreadyIsADuplicate) {
  insert(100, 300);
  EXPECT_EQ(insert(100, 300), Insert::duplicate);
  EXPECT_EQ(insert(150, 200), Insert::duplicate);
  EXPECT_EQ(insert(50, 350), Insert::held);
  EXPECT_EQ(blocks(), (Blocks{{50, 350}}));
}

TEST_F(ReassemblyTest, TakenWhenItsTurnHasCome) {
  insert(100, 200);
  insert(200, 300);
  EXPECT_FALSE(held.take(memory, start + 99).bytes);
  std::uint32_t at = 150;  // the first half had come again meanwhile
  for (;;) {
    const HeldRange range = held.take(memory, start + at);
    if (!range.bytes) break;
    const Bytes bytes = range.bytes.bytes().subspan(at - (range.begin - start));
    EXPECT_TRUE(std::ranges::equal(bytes, Bytes(stream).subspan(at, bytes.size())));
    at += static_cast<std::uint32_t>(bytes.size());
  }
  EXPECT_EQ(at, 300u);
  EXPECT_EQ(memory.held_bytes, 0u);
}

TEST_F(ReassemblyTest, RangesUpToTheLimitAndNotOneMore) {
  memory.ranges_max = 3;
  EXPECT_EQ(insert(10, 20), Insert::held);
  EXPECT_EQ(insert(30, 40), Insert::held);
  EXPECT_EQ(insert(50, 60), Insert::held);
  EXPECT_EQ(insert(70, 80), Insert::no_room);
  EXPECT_EQ(insert(60, 65), Insert::held);  // behind one that has the room
  EXPECT_EQ(held.count(), 3u);
}

TEST_F(ReassemblyTest, BytesUpToTheLimitAndNotOneMore) {
  const std::size_t each = 128;  // the smallest block
  memory.held_bytes_max = 2 * each;
  EXPECT_EQ(insert(10, 20), Insert::held);
  EXPECT_EQ(insert(30, 40), Insert::held);
  EXPECT_EQ(memory.held_bytes, 2 * each);
  EXPECT_EQ(insert(50, 60), Insert::no_memory);
  held.clear(memory);
  EXPECT_EQ(memory.held_bytes, 0u);
  EXPECT_EQ(insert(50, 60), Insert::held);
}

TEST_F(ReassemblyTest, EveryByteOnceWhateverTheOrder) {
  SeededRandom random(3);
  for (int run = 0; run < 200; ++run) {
    std::vector<bool> known(stream.size());
    for (int step = 0; step < 60; ++step) {
      const auto from = static_cast<std::uint32_t>(1 + random.below(4000));
      const auto to = static_cast<std::uint32_t>(from + 1 + random.below(90));
      const Insert answer = insert(from, to);
      const bool all_known =
          std::all_of(known.begin() + from, known.begin() + to, [](bool bit) { return bit; });
      if (answer == Insert::no_room) {
        held.clear(memory);
        std::fill(known.begin(), known.end(), false);
        continue;
      }
      ASSERT_EQ(answer == Insert::duplicate, all_known);
      std::fill(known.begin() + from, known.begin() + to, true);
    }
    std::uint32_t at = 0;
    while (!held.empty()) {
      HeldRange range = held.take(memory, start + at);
      if (!range.bytes) {
        ASSERT_FALSE(known[at]);
        ++at;
        continue;
      }
      for (const std::uint8_t byte : range.bytes.bytes()) {
        ASSERT_TRUE(known[at]);
        ASSERT_EQ(byte, stream[at++]);
      }
    }
    ASSERT_EQ(memory.held_bytes, 0u);
    ASSERT_EQ(ranges.used(), 0u);
  }
}

TEST_F(ReassemblyTest, AReadyQueueGivesBackWhatItTook) {
  ReadyQueue ready;
  EXPECT_TRUE(ready.append(memory, Bytes(stream).first(1000)));
  EXPECT_TRUE(ready.append(memory, Bytes(stream).subspan(1000, 3000)));
  insert(4000, 4096);
  ready.append(memory, held.take(memory, start + 4010), 10);
  EXPECT_EQ(ready.size(), 4086u);
  std::vector<std::uint8_t> got;
  while (!ready.empty()) {
    std::uint32_t skip = 0;
    const queues::Buffer buffer = ready.take(memory, skip);
    const Bytes bytes = buffer.bytes().subspan(skip);
    got.insert(got.end(), bytes.begin(), bytes.end());
  }
  EXPECT_TRUE(std::ranges::equal(Bytes(got).first(4000), Bytes(stream).first(4000)));
  EXPECT_TRUE(std::ranges::equal(Bytes(got).subspan(4000), Bytes(stream).subspan(4010)));
  EXPECT_EQ(ready.size(), 0u);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
