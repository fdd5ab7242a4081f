// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "control/config.h"
#include "control/control_metrics.h"
#include "queues/stack_counters.h"

// docs/operations.md names every setting with its default and every metric, and none that is not.

namespace godwit::control {
namespace {

std::string read_page() {
  std::ifstream file(GODWIT_OPERATIONS_PAGE);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

TEST(OperationsPage, NamesEverySettingWithItsDefault) {
  const std::string page = read_page();
  std::istringstream lines(render_config(Config{}));
  std::string line, section;
  std::size_t settings = 0;
  while (std::getline(lines, line)) {
    if (line.starts_with('[')) section = line.substr(1, line.size() - 2);
    const std::size_t equals = line.find(" = ");
    if (line.starts_with('#') || equals == std::string::npos) continue;
    ++settings;
    const std::string name = "\n| `" + section + "." + line.substr(0, equals) + "`";
    const std::size_t row = page.find(name) + 1;
    ASSERT_NE(row, 0u) << name;
    const std::string text = page.substr(row, page.find('\n', row) - row);
    EXPECT_NE(text.find("| `" + line.substr(equals + 3) + "` |"), std::string::npos) << text;
  }
  EXPECT_GT(settings, 20u);
  EXPECT_EQ(count(page, "\n| `server.") + count(page, "\n| `registration.") +
                count(page, "\n| `limits.") + count(page, "\n| `delivery.") +
                count(page, "\n| `io.") + count(page, "\n| `storage.") + count(page, "\n| `log."),
            settings);
}

TEST(OperationsPage, NamesEveryMetric) {
  const std::string page = read_page();
  std::size_t metrics = 0;
  const auto check = [&](const auto& list) {
    for (const auto& metric : list) {
      std::string label;
      if constexpr (requires { metric.label; }) {
        if (!metric.label.empty()) label = "{" + std::string(metric.label) + "}";
      }
      ++metrics;
      const std::string row = "\n| `godwit_" + std::string(metric.name) + label + "` | " +
                              std::string(metric.help) + " |";
      EXPECT_EQ(count(page, row), 1u) << row;
    }
  };
  check(queues::shard_metrics);
  check(queues::shard_histograms);
  check(queues::port_metrics);
  check(queues::stack_metrics);
  check(queues::storage_metrics);
  check(queues::storage_histograms);
  check(control_metrics);
  const std::size_t start = page.find("\n## Metrics");
  ASSERT_NE(start, std::string::npos);
  EXPECT_EQ(count(std::string_view(page).substr(start), "\n| `godwit_"), metrics);
}

}  // namespace
}  // namespace godwit::control
