// SPDX-License-Identifier: Apache-2.0
#include "queues/slab.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

// Objects by index: new each time they are handed out, and gone as soon as they are given back.

namespace godwit::queues {
namespace {

struct Owner {
  std::unique_ptr<int> owned;
  int number = 7;
};

TEST(Slab, WhatIsHandedOutAgainIsNew) {
  Slab<Owner, 4> slab;
  const std::uint32_t index = slab.allocate();
  slab[index].owned = std::make_unique<int>(1);
  slab[index].number = 1;
  slab.release(index);
  EXPECT_EQ(slab[index].owned, nullptr);
  ASSERT_EQ(slab.allocate(), index);
  EXPECT_EQ(slab[index].owned, nullptr);
  EXPECT_EQ(slab[index].number, 7);
}

TEST(Slab, EveryIndexOnceAndNeverNone) {
  Slab<Owner, 4> slab;
  std::set<std::uint32_t> indexes;
  for (int i = 0; i < 11; ++i) indexes.insert(slab.allocate());
  EXPECT_EQ(indexes.size(), 11u);
  EXPECT_FALSE(indexes.contains(0));
  EXPECT_EQ(slab.used(), 11u);
  EXPECT_EQ(slab.end(), 12u);
  for (const std::uint32_t index : indexes) slab.release(index);
  EXPECT_EQ(slab.used(), 0u);
  EXPECT_DEATH(slab.release(1), "broken invariant");
}

}  // namespace
}  // namespace godwit::queues
