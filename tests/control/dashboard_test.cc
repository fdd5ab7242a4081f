// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "control/metrics_page.h"

// What docs/operations/ gives to Grafana and Prometheus asks for metrics and labels that exist.

namespace godwit::control {
namespace {

using nlohmann::json;

std::string read_file(const std::string& name) {
  std::ifstream file(std::string(GODWIT_OPERATIONS_FOLDER) + "/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Names of all samples of the metrics page, and "name{label" of all their labels.
std::set<std::string> what_exists() {
  queues::ShardCounters shard;
  queues::StorageCounters storage;
  ControlCounters control;
  std::istringstream page(metrics_page(
      {.shards = {&shard}, .storage = {&storage}, .control = &control, .version = "1"}));
  std::set<std::string> found;
  const std::regex label(R"(([a-z]+)=")");
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with('#')) continue;
    const std::string name = line.substr(0, line.find_first_of("{ "));
    found.insert(name);
    for (std::sregex_iterator it(line.begin(), line.end(), label), end; it != end; ++it) {
      found.insert(name + "{" + (*it)[1].str());
    }
  }
  return found;
}

// Returns how many metrics the text names.
std::size_t check_names(const std::string& text, const std::set<std::string>& exist) {
  std::size_t names = 0;
  const std::regex name(R"(godwit_[a-z_0-9]+)");
  for (std::sregex_iterator it(text.begin(), text.end(), name), end; it != end; ++it) {
    ++names;
    EXPECT_TRUE(exist.contains(it->str())) << it->str() << " in " << text;
  }
  return names;
}

// Labels a query groups by, and those it writes into a legend.
void check_labels(const std::string& query, const std::string& legend,
                  const std::set<std::string>& exist) {
  std::smatch metric;
  ASSERT_TRUE(std::regex_search(query, metric, std::regex(R"(godwit_[a-z_0-9]+)"))) << query;
  const auto check = [&](const std::string& text, const std::regex& lists) {
    const std::regex word("[a-z]+");
    for (std::sregex_iterator it(text.begin(), text.end(), lists), end; it != end; ++it) {
      const std::string list = (*it)[1].str();
      for (std::sregex_iterator w(list.begin(), list.end(), word); w != end; ++w) {
        if (w->str() == "instance") continue;
        EXPECT_TRUE(exist.contains(metric.str() + "{" + w->str())) << w->str() << " of " << query;
      }
    }
  };
  check(query, std::regex(R"(by \(([^)]*)\))"));
  check(legend, std::regex(R"(\{\{([^}]*)\}\})"));
}

TEST(Dashboard, AsksForWhatExists) {
  const auto exist = what_exists();
  const json dashboard = json::parse(read_file("grafana.json"));
  std::set<int> ids;
  std::size_t queries = 0;
  for (const json& panel : dashboard.at("panels")) {
    EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second) << "ids are unique";
    EXPECT_FALSE(panel.at("title").get<std::string>().empty());
    if (panel.at("type") == "row") continue;
    EXPECT_FALSE(panel.at("targets").empty()) << panel.at("title");
    for (const json& target : panel.at("targets")) {
      ++queries;
      const std::string query = target.at("expr");
      EXPECT_GE(check_names(query, exist), 1u) << query;
      check_labels(query, target.at("legendFormat"), exist);
      EXPECT_EQ(
          query.find("_total{") != std::string::npos || query.find("_bucket{") != std::string::npos,
          query.find("rate(") != std::string::npos)
          << "counters are shown as rates, gauges as they are: " << query;
    }
  }
  EXPECT_GT(queries, 40u);
}

TEST(Dashboard, PanelsDoNotOverlap) {
  std::set<std::pair<int, int>> taken;
  const json dashboard = json::parse(read_file("grafana.json"));
  for (const json& panel : dashboard.at("panels")) {
    const json& place = panel.at("gridPos");
    const int left = place.at("x"), top = place.at("y");
    const int width = place.at("w"), height = place.at("h");
    EXPECT_LE(left + width, 24) << panel.at("title");
    for (int x = left; x < left + width; ++x) {
      for (int y = top; y < top + height; ++y) {
        EXPECT_TRUE(taken.insert({x, y}).second) << panel.at("title");
      }
    }
  }
}

TEST(Dashboard, EveryHistogramIsShown) {
  const std::string text = read_file("grafana.json");
  const auto check = [&](const auto& infos) {
    for (const queues::HistogramInfo& info : infos) {
      EXPECT_NE(text.find("godwit_" + std::string(info.name) + "_bucket"), std::string::npos)
          << info.name;
    }
  };
  check(queues::shard_histograms);
  check(queues::storage_histograms);
}

TEST(Alerts, AskForWhatExists) {
  EXPECT_GE(check_names(read_file("alerts.yml"), what_exists()), 7u);
}

}  // namespace
}  // namespace godwit::control
