// SPDX-License-Identifier: Apache-2.0
#include "apps/line_input.h"

#include <gtest/gtest.h>

#include <optional>

namespace godwit::apps {
namespace {

using Lines = std::vector<std::string>;

// A pipe; what is written to it is read in as many turns as it takes.
class LineInputTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::pipe(ends), 0); }
  void TearDown() override {
    finish();
    ::close(ends[0]);
  }
  void write(std::string_view text) {
    ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void finish() {
    if (ends[1] >= 0) ::close(ends[1]);
    ends[1] = -1;
  }
  LineInput input(std::size_t size_max) {
    return LineInput({.descriptor = ends[0], .size_max = size_max});
  }

  int ends[2] = {-1, -1};
};

TEST_F(LineInputTest, LinesComeWhenTheyAreComplete) {
  LineInput lines = input(100);
  write("one\ntwo\nthr");
  EXPECT_EQ(lines.read_some(), (Lines{"one", "two"}));
  write("ee");
  EXPECT_EQ(lines.read_some(), Lines{});
  write("\n\n");
  EXPECT_EQ(lines.read_some(), (Lines{"three", ""}));
  EXPECT_FALSE(lines.at_end());
}

TEST_F(LineInputTest, LastLineWithoutItsEndCounts) {
  LineInput lines = input(100);
  write("one\nlast");
  finish();
  EXPECT_EQ(lines.read_some(), Lines{"one"});
  EXPECT_EQ(lines.read_some(), Lines{"last"});
  EXPECT_TRUE(lines.at_end());
}

TEST_F(LineInputTest, NothingAtAllAndNothingAfterTheLastEnd) {
  LineInput lines = input(100);
  write("one\n");
  finish();
  EXPECT_EQ(lines.read_some(), Lines{"one"});
  EXPECT_EQ(lines.read_some(), Lines{});
  EXPECT_TRUE(lines.at_end());
}

TEST_F(LineInputTest, LinesAreKeptUpToOneByteOverTheLimit) {
  LineInput lines = input(8);
  write("1234567\n12345678\n123456789\n1234567890123456789\nnext\n");
  EXPECT_EQ(lines.read_some(), (Lines{"1234567", "12345678", "123456789", "123456789", "next"}));
}

TEST_F(LineInputTest, LongLineInPiecesIsStillOneLine) {
  LineInput lines = input(10);
  for (int i = 0; i < 50; ++i) {
    write("abcdefgh");
    EXPECT_EQ(lines.read_some(), Lines{});
  }
  write("\nx\n");
  EXPECT_EQ(lines.read_some(), (Lines{"abcdefghabc", "x"}));
}

TEST_F(LineInputTest, BytesAreNotLookedAt) {
  LineInput lines = input(100);
  write(std::string_view("\0\xff\r\n", 4));
  EXPECT_EQ(lines.read_some(), Lines{std::string("\0\xff\r", 3)});
}

TEST(LineInput, DescriptorThatCannotBeReadIsItsEnd) {
  LineInput lines({.descriptor = -1, .size_max = 10});
  EXPECT_EQ(lines.read_some(), Lines{});
  EXPECT_TRUE(lines.at_end());
}

}  // namespace
}  // namespace godwit::apps
