// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/reading_chain.h"

#include <gtest/gtest.h>

// A chain's limits at, below and above, held to a chain that is walked one step at a time.

namespace godwit::crypto::signal {
namespace {

ChainKey start() {
  Secret<32> key;
  key.data()[0] = 7;
  return {std::move(key), 0};
}

Secret<32> expected_seed(std::uint32_t counter) {
  ChainKey chain = start();
  while (chain.index < counter) chain = chain.next();
  return chain.message_seed();
}

SecretBytes written(const ReadingChain& chain) {
  StateWriter out;
  chain.write(out);
  return out.take();
}

ErrorCode code_at(ReadingChain& chain, std::uint32_t counter) {
  const auto seed = chain.take_seed(counter);
  GODWIT_CHECK(!seed.has_value());
  return seed.error().code;
}

TEST(ReadingChain, AnyOrderEachOnce) {
  ReadingChain chain(start());
  for (const std::uint32_t counter : {3u, 0u, 7u, 5u, 1u, 2u, 4u, 6u, 8u}) {
    const auto seed = chain.take_seed(counter);
    ASSERT_TRUE(seed) << counter;
    EXPECT_TRUE(seed->equals(expected_seed(counter))) << counter;
    EXPECT_EQ(code_at(chain, counter), ErrorCode::exists);
  }
  EXPECT_EQ(chain.next().index, 9u);
  EXPECT_EQ(written(chain).size(), 32u + 4 + 4) << "nothing is left";
}

TEST(ReadingChain, ForwardJump) {
  ReadingChain chain(start());
  ASSERT_TRUE(chain.take_seed(0));
  const SecretBytes before = written(chain);
  EXPECT_EQ(code_at(chain, forward_jump_max + 2), ErrorCode::limit);
  EXPECT_EQ(code_at(chain, UINT32_MAX), ErrorCode::limit);
  EXPECT_EQ(written(chain), before);
  ReadingChain below = chain.copy();
  EXPECT_TRUE(below.take_seed(forward_jump_max));
  const auto at = chain.take_seed(forward_jump_max + 1);
  ASSERT_TRUE(at);
  EXPECT_TRUE(at->equals(expected_seed(forward_jump_max + 1)));
}

TEST(ReadingChain, SkippedKeysInOneJump) {
  const std::uint32_t last = skipped_message_keys_max + 1;
  ReadingChain chain(start());
  ASSERT_TRUE(chain.take_seed(last));
  EXPECT_LE(written(chain).size(), ReadingChain::size_max);
  EXPECT_EQ(code_at(chain, 0), ErrorCode::exists) << "above the limit by one";
  const auto oldest = chain.take_seed(1);
  ASSERT_TRUE(oldest);
  EXPECT_TRUE(oldest->equals(expected_seed(1)));
  EXPECT_TRUE(chain.take_seed(last - 1));

  ReadingChain at(start());
  ASSERT_TRUE(at.take_seed(skipped_message_keys_max));
  EXPECT_TRUE(at.take_seed(0));
}

TEST(ReadingChain, SkippedKeysInManyJumps) {
  ReadingChain chain(start());
  ASSERT_TRUE(chain.take_seed(skipped_message_keys_max));  // all are kept
  EXPECT_EQ(written(chain).size(), ReadingChain::size_max);
  ASSERT_TRUE(chain.take_seed(skipped_message_keys_max + 3));  // two more make room
  EXPECT_EQ(written(chain).size(), ReadingChain::size_max);
  EXPECT_EQ(code_at(chain, 1), ErrorCode::exists);
  EXPECT_TRUE(chain.take_seed(2));
}

TEST(ReadingChain, StoredAndRead) {
  ReadingChain chain(start());
  ASSERT_TRUE(chain.take_seed(5));
  const SecretBytes bytes = written(chain);
  ByteReader in(bytes);
  const ReadingChain read = ReadingChain::read(in);
  EXPECT_TRUE(in.ok() && in.at_end());
  EXPECT_EQ(written(read), bytes);
  const auto damaged = [&](std::size_t at, std::uint8_t value) {
    SecretBytes changed = bytes;
    changed[at] = value;
    ByteReader reader(changed);
    ReadingChain::read(reader);
    return !reader.ok() || !reader.at_end();
  };
  EXPECT_TRUE(damaged(32 + 4 + 3, 4)) << "fewer keys than there are bytes";
  EXPECT_TRUE(damaged(32 + 4 + 3, 6)) << "more keys than there are bytes";
  EXPECT_TRUE(damaged(32 + 4, 1)) << "more keys than may be";
  EXPECT_TRUE(damaged(32 + 4 + 4 + 3, 1)) << "a counter twice";
  EXPECT_TRUE(damaged(32 + 4 + 4 + 4 * 36 + 3, 6)) << "a counter that has not been";
}

}  // namespace
}  // namespace godwit::crypto::signal
