// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/compact_text.h"
#include "base/compact_vector.h"

namespace godwit {
namespace {

TEST(CompactText, HoldsEveryLengthBelowAtAndAboveWhatFitsInPlace) {
  EXPECT_EQ(CompactText().view(), "");
  for (std::size_t size = 0; size <= 2 * CompactText::in_place_max; ++size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(0xF0 + i);
    EXPECT_EQ(CompactText(text).view(), text) << size;
  }
}

TEST(CompactText, MovesBetweenShortAndLong) {
  const std::string names[] = {"", "491701234567", std::string(15, 'a'), std::string(16, 'b'),
                               std::string(3000, 'c')};
  for (const std::string& from : names) {
    for (const std::string& to : names) {
      CompactText source(from);
      CompactText target(to);
      target = std::move(source);
      EXPECT_EQ(target.view(), from);
      const CompactText moved(std::move(target));
      EXPECT_EQ(moved.view(), from);
      EXPECT_EQ(target.view(), "");
    }
  }
}

TEST(CompactVector, IsEmptyAtFirst) {
  const CompactVector<std::uint64_t> none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(none.begin(), none.end());
  EXPECT_EQ(sizeof(none), sizeof(void*));
}

TEST(CompactVector, GrowsAsAVectorDoes) {
  CompactVector<std::uint64_t> compact;
  std::vector<std::uint64_t> model;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    compact.push_back(i * i);
    model.push_back(i * i);
    ASSERT_EQ(compact.size(), model.size());
    ASSERT_EQ(compact.back(), model.back());
    ASSERT_EQ(compact[i / 2], model[i / 2]);
  }
  EXPECT_EQ(std::vector<std::uint64_t>(compact.begin(), compact.end()), model);
}

TEST(CompactVector, AnElementOfItsOwnMayBePushed) {
  CompactVector<std::uint64_t> compact;
  compact.push_back(7);
  for (int i = 0; i < 20; ++i) compact.push_back(compact[0]);
  EXPECT_EQ(compact.back(), 7u);
}

TEST(CompactVector, AssignReplacesAndMoveLeavesNothing) {
  CompactVector<std::uint16_t> compact;
  compact.push_back(9);
  compact.assign(std::array<std::uint16_t, 3>{1, 2, 3});
  ASSERT_EQ(compact.size(), 3u);
  EXPECT_EQ(compact[0], 1);
  EXPECT_EQ(compact.back(), 3);
  CompactVector<std::uint16_t> moved(std::move(compact));
  EXPECT_TRUE(compact.empty());
  EXPECT_EQ(moved.size(), 3u);
  moved.push_back(4);
  EXPECT_EQ(moved.back(), 4);
  moved.assign({});
  EXPECT_TRUE(moved.empty());
  moved = CompactVector<std::uint16_t>();
  EXPECT_TRUE(moved.empty());
}

}  // namespace
}  // namespace godwit
