// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/send_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint32_t start = 0xfffff800;  // so that numbers wrap

std::vector<std::uint8_t> joined(const Pieces& pieces) {
  std::vector<std::uint8_t> bytes;
  for (const Bytes piece : pieces.span()) bytes.insert(bytes.end(), piece.begin(), piece.end());
  EXPECT_EQ(bytes.size(), pieces.size);
  return bytes;
}

struct Fixture : testing::Test {
  queues::BufferPool buffers{1 << 20};
  queues::Slab<SendBlock> blocks;
  SendMemory memory{buffers, blocks};
  SendQueue queue;

  void SetUp() override { queue.start(start); }
  bool append(Bytes bytes) {
    const std::vector<Bytes> chunks{bytes.first(bytes.size() / 3), bytes.subspan(bytes.size() / 3)};
    return queue.append(memory, chunks, bytes.size());
  }
};
using SendQueueTest = Fixture;

TEST_F(SendQueueTest, EmptyHoldsNothing) {
  const std::vector<std::uint8_t> bytes(5000, 1);
  ASSERT_TRUE(append(bytes));
  EXPECT_GT(blocks.used(), 0u);
  queue.release_before(memory, queue.end());
  EXPECT_EQ(blocks.used(), 0u);
  buffers.collect();
  EXPECT_EQ(buffers.in_use(), 0u);
}

TEST_F(SendQueueTest, AShortPoolTakesNothingOfACall) {
  queues::BufferPool small{4096};
  SendMemory short_memory{small, blocks};
  const std::vector<std::uint8_t> bytes(5000, 1);
  const std::vector<Bytes> chunks{bytes};
  EXPECT_FALSE(queue.append(short_memory, chunks, bytes.size()));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(blocks.used(), 0u);
  const std::vector<Bytes> less{Bytes(bytes).first(2000)};
  EXPECT_TRUE(queue.append(short_memory, less, 2000));
  EXPECT_FALSE(queue.append(short_memory, chunks, bytes.size()));
  EXPECT_EQ(queue.size(), 2000u);
  queue.clear(short_memory);
}

TEST_F(SendQueueTest, ManySmallMessagesShareBlocks) {
  const std::vector<std::uint8_t> bytes(60, 1);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(append(bytes));
  EXPECT_LE(blocks.used(), 6u);
  // So a full segment has few pieces.
  EXPECT_EQ(queue.gather(memory, start + 100, 1448).size, 1448u);
  queue.clear(memory);
}

TEST_F(SendQueueTest, EveryByteWhereItBelongsInARandomRun) {
  SeededRandom random(5);
  std::vector<std::uint8_t> sent;
  std::uint32_t released = 0;
  for (int step = 0; step < 2000; ++step) {
    std::vector<std::uint8_t> bytes(1 + random.below(random.below(8) == 0 ? 30'000 : 300));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next_u64());
    if (append(bytes)) sent.insert(sent.end(), bytes.begin(), bytes.end());
    ASSERT_EQ(queue.end(), start + static_cast<std::uint32_t>(sent.size()));
    const auto from = released + static_cast<std::uint32_t>(random.below(sent.size() - released));
    const auto got = joined(queue.gather(memory, start + from, 1448));
    ASSERT_FALSE(got.empty());
    ASSERT_TRUE(std::ranges::equal(got, Bytes(sent).subspan(from, got.size())));
    if (random.below(2) == 0) {
      released = from;
      queue.release_before(memory, start + released);
    }
  }
  queue.clear(memory);
  EXPECT_EQ(blocks.used(), 0u);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
