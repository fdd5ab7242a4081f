// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

// Answers of the admin socket as text for people. Pure functions.

namespace godwit::apps {

// Aligned columns; numbers to the right. `past` is a time, or nothing for 0.
struct Column {
  std::string_view title;
  std::string_view field;
  enum class Form : std::uint8_t { text, number, time, age_ms, age_s, yes_no, past } form = Form::text;
};
std::string table(const nlohmann::json& rows, const std::vector<Column>& columns);

std::string status_text(const nlohmann::json& answer);
std::string account_text(const nlohmann::json& answer);
std::string shards_text(const nlohmann::json& answer);
std::string ports_text(const nlohmann::json& answer);

// "2026-11-24 09:19:25", or "never" for 0. UTC.
std::string time_text(std::int64_t unix_seconds);
// "3d 4h", "5m 12s".
std::string age_text(std::uint64_t seconds);
// "1.50ms", "12.3us".
std::string duration_text(std::uint64_t nanoseconds);
// "783B", "1.50GiB".
std::string size_text(std::uint64_t bytes);

}  // namespace godwit::apps
