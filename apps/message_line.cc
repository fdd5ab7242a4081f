// SPDX-License-Identifier: Apache-2.0
#include "apps/message_line.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "protocol/text.h"

namespace godwit::apps {

namespace {

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    std::size_t size = 1;
    while (size <= 4 && size <= text.size() && !protocol::is_printable_utf8(text.substr(0, size)))
      ++size;
    const bool printable = size <= 4 && size <= text.size();
    if (!printable) size = 1;
    if (text[0] == '\n') {
      line += "\\n";
    } else if (text[0] == '\\') {
      line += "\\\\";
    } else if (printable) {
      line += text.substr(0, size);
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(text[0]));
      line += escaped;
    }
    text.remove_prefix(size);
  }
  return line;
}

}  // namespace

std::string text_line(const client::State::Incoming& message) {
  return message.from + " " + std::to_string(message.id) + " " + one_line(message.payload);
}

std::string json_line(const client::State::Incoming& message) {
  const nlohmann::json object = {{"from", message.from},
                                 {"id", message.id},
                                 {"text", message.payload},
                                 {"time", iso_time(message.time_ms)}};
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string iso_time(std::int64_t unix_time_ms) {
  // Rounded down also before 1970, where a delay that cannot be leads.
  const auto whole =
      std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds(unix_time_ms));
  const std::time_t seconds = whole.count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ",
                static_cast<int>(unix_time_ms - seconds * 1000));
  return text;
}

}  // namespace godwit::apps
