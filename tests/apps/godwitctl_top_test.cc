// SPDX-License-Identifier: Apache-2.0
#include "apps/godwitctl_top.h"

#include <gtest/gtest.h>

#include <sstream>

#include "apps/godwitctl_print.h"

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

// "0 7 500 ..." of the first row of the table whose head has this word.
std::vector<std::string> first_row(const std::string& text, const std::string& word) {
  std::istringstream lines(text.substr(text.rfind('\n', text.find(word)) + 1));
  std::string head, row, cell;
  std::getline(lines, head);
  std::getline(lines, row);
  std::istringstream cells(row);
  std::vector<std::string> found;
  while (cells >> cell) found.push_back(cell);
  return found;
}

TEST(Top, CountersAreGrowthInASecondAndGaugesAsTheyAre) {
  const std::string text = top_text(answer(100, 10), answer(1100, 11), 2);
  EXPECT_EQ(numbers(text).at(0), "0");    // shard
  EXPECT_EQ(numbers(text).at(1), "7");    // sessions
  EXPECT_EQ(numbers(text).at(2), "500");  // received
  EXPECT_EQ(first_row(text, "COMMITS/S").at(1), "1") << "half a commit a second is rounded up";
}

TEST(Top, ARestartedGatewayCountsFromNothing) {
  EXPECT_EQ(numbers(top_text(answer(5000, 0), answer(30, 0), 1)).at(2), "30");
}

TEST(Top, AnotherNumberOfShards) {
  json before = answer(1, 1);
  before["shards"] = json::array();
  EXPECT_EQ(numbers(top_text(before, answer(9, 1), 1)).at(2), "9");
}

json with_delivery(std::vector<std::pair<std::uint64_t, std::uint64_t>> buckets) {
  json row = {{"shard", 0}};
  row["histograms"]["delivery_seconds"]["buckets"] = json(std::move(buckets));
  return {{"shards", {row}}, {"storage", json::array()}};
}

TEST(Top, QuantilesAreOfWhatCameBetween) {
  const json before = with_delivery({{1000, 50}, {9'000'000, 50}});
  const json after = with_delivery({{1000, 50}, {2000, 98}, {4000, 2}, {9'000'000, 50}});
  const auto row = first_row(top_text(before, after, 1), "DELIVERY P50");
  EXPECT_EQ(row.at(1), "2.00us");
  EXPECT_EQ(row.at(2), "4.00us");
}

TEST(Top, QuantilesOfARestartedGatewayAreOfItsOwn) {
  const auto row = first_row(top_text(with_delivery({{1000, 50}}), with_delivery({{3000, 1}}), 1),
                             "DELIVERY P50");
  EXPECT_EQ(row.at(1), "3.00us");
}

TEST(Top, NothingCameNoQuantile) {
  const json same = with_delivery({{1000, 50}});
  EXPECT_EQ(first_row(top_text(same, same, 1), "DELIVERY P50").at(1), "-");
}

TEST(Top, MetricsWithLabelsAreSummed) {
  json before = answer(0, 0);
  before["shards"][0]["stanzas_refused_total{condition=\"a\"}"] = 10;
  before["shards"][0]["stanzas_refused_total{condition=\"b\"}"] = 0;
  json after = before;
  after["shards"][0]["stanzas_refused_total{condition=\"a\"}"] = 11;
  after["shards"][0]["stanzas_refused_total{condition=\"b\"}"] = 4;
  after["shards"][0]["memory_bytes{pool=\"a\"}"] = 1024;
  after["shards"][0]["memory_bytes{pool=\"b\"}"] = 512;
  const std::string text = top_text(before, after, 1);
  EXPECT_EQ(first_row(text, "REFUSED/S").at(6), "5");
  EXPECT_EQ(first_row(text, "RING FULL/S").back(), "1.50KiB");
}

TEST(Print, DurationsAndSizes) {
  EXPECT_EQ(duration_text(0), "0ns");
  EXPECT_EQ(duration_text(999), "999ns");
  EXPECT_EQ(duration_text(1000), "1.00us");
  EXPECT_EQ(duration_text(12'340), "12.3us");
  EXPECT_EQ(duration_text(1'500'000'000), "1.50s");
  EXPECT_EQ(size_text(0), "0.00B");
  EXPECT_EQ(size_text(1023), "1023B");
  EXPECT_EQ(size_text(1024), "1.00KiB");
}

}  // namespace
}  // namespace godwit::apps
