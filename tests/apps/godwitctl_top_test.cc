// SPDX-License-Identifier: Apache-2.0
#include "apps/godwitctl_top.h"

#include <gtest/gtest.h>

namespace godwit::apps {
namespace {

using nlohmann::json;

json answer(std::uint64_t received, std::uint64_t commits) {
  return {{"shards", {{{"shard", 0}, {"sessions", 7}, {"messages_received_total", received}}}},
          {"storage", {{{"thread", 0}, {"storage_commits_total", commits}}}}};
}

// The numbers of a text, in order.
std::vector<std::string> numbers(const std::string& text) {
  std::vector<std::string> found;
  std::string word;
  for (const char c : text + " ") {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      word += c;
    } else if (!word.empty()) {
      found.push_back(std::exchange(word, {}));
    }
  }
  return found;
}

TEST(Top, CountersAreGrowthInASecondAndGaugesAsTheyAre) {
  const std::string text = top_text(answer(100, 10), answer(1100, 11), 2);
  EXPECT_EQ(numbers(text).at(0), "0");    // shard
  EXPECT_EQ(numbers(text).at(1), "7");    // sessions
  EXPECT_EQ(numbers(text).at(2), "500");  // received
  EXPECT_EQ(numbers(text).back(), "1") << "half a commit a second is rounded up";
}

TEST(Top, ARestartedGatewayCountsFromNothing) {
  EXPECT_EQ(numbers(top_text(answer(5000, 0), answer(30, 0), 1)).at(2), "30");
}

TEST(Top, AnotherNumberOfShards) {
  json before = answer(1, 1);
  before["shards"] = json::array();
  EXPECT_EQ(numbers(top_text(before, answer(9, 1), 1)).at(2), "9");
}

}  // namespace
}  // namespace godwit::apps
