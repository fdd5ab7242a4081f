// SPDX-License-Identifier: Apache-2.0
#include "apps/load/load_settings.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/load/load_report.h"

// What godwit-load is asked, at its limits and beyond, and what its report says.

namespace godwit::apps {
namespace {

using client::load::Flow;
using client::load::Shape;

bool good(const std::function<void(LoadSettings&)>& change) {
  LoadSettings settings;
  change(settings);
  return check(settings).has_value();
}

TEST(LoadSettingsTest, Limits) {
  EXPECT_TRUE(good([](auto&) {}));
  const auto window = [](std::uint32_t size) {
    return good([&](LoadSettings& settings) { settings.flow.window = size; });
  };
  EXPECT_FALSE(window(0));
  EXPECT_TRUE(window(1));
  EXPECT_TRUE(window(1000));
  EXPECT_FALSE(window(1001));
  const auto payload = [](std::size_t size) {
    return good([&](LoadSettings& settings) { settings.payload_size = size; });
  };
  EXPECT_FALSE(payload(7));
  EXPECT_TRUE(payload(8));
  EXPECT_TRUE(payload(61'440));
  EXPECT_FALSE(payload(61'441));
  const auto accounts = [](std::uint32_t first, std::uint32_t count) {
    return good([&](LoadSettings& settings) {
      settings.first_account = first;
      settings.connections = count;
    });
  };
  EXPECT_TRUE(accounts(9'999'998, 2));
  EXPECT_FALSE(accounts(9'999'999, 2));
  EXPECT_FALSE(accounts(0, 0));
  EXPECT_FALSE(accounts(UINT32_MAX, 2));
}

TEST(LoadSettingsTest, LimitsOfScale) {
  const auto scale = [](std::uint32_t talkers, double silence_s) {
    return good([&](LoadSettings& settings) {
      settings.scenario = Scenario::scale;
      settings.talkers = talkers;
      settings.silence_s = silence_s;
    });
  };
  EXPECT_FALSE(scale(1, 0)) << "half a pair";
  EXPECT_TRUE(scale(2, 0));
  EXPECT_TRUE(scale(1000, 0)) << "more than there are: all";
  EXPECT_FALSE(scale(2, -0.1));
}

TEST(LoadSettingsTest, WhatDoesNotGoTogether) {
  EXPECT_FALSE(good([](LoadSettings& settings) { settings.connections = 3; })) << "of pairs";
  EXPECT_TRUE(good([](LoadSettings& settings) {
    settings.connections = 3;
    settings.scenario = Scenario::idle;
  }));
  EXPECT_FALSE(good([](LoadSettings& settings) { settings.scenario = Scenario::offline; }));
  EXPECT_FALSE(good([](LoadSettings& settings) {
    settings.flow.kind = Flow::Kind::reply;
    settings.shape.kind = Shape::Kind::ring;
  }));
  EXPECT_FALSE(good([](LoadSettings& settings) { settings.flow.kind = Flow::Kind::open; }));
  EXPECT_FALSE(good([](LoadSettings& settings) {
    settings.connections = 4;
    settings.threads = 3;
  })) << "two pairs";
}

TEST(LoadSettingsTest, ThreadsTakeWholeGroups) {
  LoadSettings settings;
  settings.connections = 20;
  settings.threads = 3;
  EXPECT_EQ(shares(settings), (std::vector<std::uint32_t>{8, 6, 6}));
  settings.shape = {Shape::Kind::fan_in, 4};
  EXPECT_EQ(shares(settings), (std::vector<std::uint32_t>{10, 5, 5}));
  settings.shape = {};
  settings.connections = 7;
  settings.threads = 2;
  EXPECT_EQ(shares(settings), (std::vector<std::uint32_t>{5, 2})) << "one that does not send";
}

TEST(LoadSettingsTest, Addresses) {
  EXPECT_EQ(parse_sources("127.0.0.2").value(), std::vector<std::string>{"127.0.0.2"});
  EXPECT_EQ(
      parse_sources("127.0.0.254-127.0.1.1,::1").value(),
      (std::vector<std::string>{"127.0.0.254", "127.0.0.255", "127.0.1.0", "127.0.1.1", "::1"}));
  for (const char* text : {"", "x", "127.0.0.3-127.0.0.2", "127.0.0.1-", "::1-::2",
                           "1.1.1.1-1.1.1.2-1.1.1.3", "10.0.0.0-10.1.0.0", "127.0.0.1,"}) {
    EXPECT_FALSE(parse_sources(text)) << text;
  }
  EXPECT_EQ(parse_sources("10.0.0.0-10.0.255.255").value().size(), 65'536u);
}

TEST(LoadSettingsTest, Cores) {
  EXPECT_EQ(parse_cores("0,2-4").value(), (std::vector<int>{0, 2, 3, 4}));
  EXPECT_TRUE(parse_cores("1023"));
  for (const char* text : {"", "-1", "x", "3-2", "1024", "1,"})
    EXPECT_FALSE(parse_cores(text)) << text;
}

TEST(LoadSettingsTest, Servers) {
  EXPECT_EQ(find_server("127.0.0.1:80")->port, 80);
  EXPECT_EQ(find_server("[::1]:80")->host, "::1");
  EXPECT_FALSE(find_server("127.0.0.1"));
  EXPECT_FALSE(find_server("127.0.0.1:65536"));
}

TEST(LoadSettingsTest, LaterRunsHaveHigherIds) {
  const WallTime now{std::chrono::milliseconds(1'800'000'000'000)};
  EXPECT_EQ(first_id_at(now + std::chrono::seconds(1)) - first_id_at(now), 16'000u);
  EXPECT_GT(first_id_at(WallTime{}), 0u) << "with a clock that was never set";
}

TEST(LoadReportTest, OneObjectAndATable) {
  LoadReport report;
  LoadPhase phase{.name = "messages", .seconds = 2};
  phase.counts.arrived = phase.counts.accepted = 1000;
  phase.counts.bytes_out = 150'000;
  phase.own_cpu = {std::chrono::milliseconds(500), std::chrono::milliseconds(1900)};
  phase.server = ServerUse{.threads = {{.name = "shard-0", .nanoseconds = 10'000'000}}};
  phase.latencies.arrival.record(std::chrono::microseconds(100));
  report.phases.push_back(std::move(phase));
  report.totals.accepted = 1000;
  report.missing = 1;
  report.problems.push_back("1 message is missing");
  const nlohmann::json object = to_json(report);
  const auto& first = object["phases"][0];
  EXPECT_EQ(first["messages_per_second"], 500);
  EXPECT_EQ(first["bytes_out_per_message"], 150);
  EXPECT_EQ(first["server"]["us_per_message"], 10);
  EXPECT_EQ(first["generator"]["us_per_message"], 2400);
  EXPECT_NEAR(first["latency"]["arrival"]["p99_us"].get<double>(), 100, 1);
  EXPECT_FALSE(object["ledger"]["good"].get<bool>());
  EXPECT_FALSE(object.contains("memory")) << "nobody looked";
  const std::string table = to_table(report);
  EXPECT_NE(table.find("1000 messages arrived, 500 a second"), std::string::npos) << table;
  EXPECT_NE(table.find("problem: 1 message is missing"), std::string::npos);
}

TEST(LoadReportTest, DoubtsAGeneratorThatIsBusy) {
  LoadReport report;
  report.phases.push_back({.name = "messages", .seconds = 1});
  report.phases.back().own_cpu = {std::chrono::milliseconds(800)};
  EXPECT_TRUE(doubts(report).empty());
  report.phases.back().own_cpu = {std::chrono::milliseconds(801)};
  EXPECT_EQ(doubts(report).size(), 1u);
  report.settings.poll = true;  // is always busy, and says nothing by it
  EXPECT_TRUE(doubts(report).empty());
}

}  // namespace
}  // namespace godwit::apps
