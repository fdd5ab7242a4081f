// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/tcp/script/script.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>

namespace godwit::dataplane::tcp::script {
namespace {

constexpr std::string_view rule_mark = "# rule: ";
constexpr Duration default_tolerance = std::chrono::milliseconds(1);

// Words stand between spaces; what is between < and > is one word.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    const bool options = text[at] == '<' && at + 1 < text.size() && text[at + 1] != ' ';
    std::size_t end = options ? text.find('>', at) : text.find(' ', at);
    if (options && end != std::string_view::npos) ++end;
    end = std::min(end, text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::optional<Duration> seconds(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return Duration{std::llround(value * 1e9)};
}

// "+0.2~0.01": 0.2 s after the line before, or at most 0.01 s off that.
bool read_time(std::string_view word, Line& line) {
  word.remove_prefix(1);
  const std::size_t tilde = word.find('~');
  const auto delay = seconds(word.substr(0, tilde));
  const auto tolerance = tilde == std::string_view::npos ? std::optional(default_tolerance)
                                                         : seconds(word.substr(tilde + 1));
  if (!delay || !tolerance) return false;
  line.delay = *delay;
  line.tolerance = *tolerance;
  return true;
}

std::optional<Line> parse_line(std::string_view text, int number) {
  Line line;
  line.number = number;
  line.text = text;
  line.tolerance = default_tolerance;
  line.words = split(text);
  if (line.words.front()[0] == '+') {
    if (!read_time(line.words.front(), line)) return std::nullopt;
    line.words.erase(line.words.begin());
  }
  if (line.words.empty()) return std::nullopt;
  const std::string& first = line.words.front();
  if (first != "<" && first != ">") return line;
  line.kind = first == "<" ? Line::Kind::arrives : Line::Kind::leaves;
  line.words.erase(line.words.begin());
  if (line.words.empty()) return std::nullopt;
  return line;
}

Result<std::int64_t> factor(std::string_view text, const Names& names) {
  if (text == "mss") return names.mss;
  if (text == "i") return names.i;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
    return fail(ErrorCode::invalid, "'" + std::string(text) + "' is no number");
  }
  return value;
}

Result<std::int64_t> product(std::string_view text, const Names& names) {
  std::int64_t value = 1;
  for (bool more = true; more;) {
    const std::size_t star = text.find('*');
    more = star != std::string_view::npos;
    const auto next = factor(text.substr(0, star), names);
    if (!next) return next;
    value *= *next;
    if (more) text.remove_prefix(star + 1);
  }
  return value;
}

}  // namespace

Result<std::int64_t> evaluate(std::string_view text, const Names& names) {
  std::int64_t value = 0;
  std::int64_t sign = 1;
  if (text.starts_with('-')) {
    sign = -1;
    text.remove_prefix(1);
  }
  for (;;) {
    const std::size_t end = text.find_first_of("+-");
    const auto next = product(text.substr(0, end), names);
    if (!next) return next;
    value += sign * *next;
    if (end == std::string_view::npos) return value;
    sign = text[end] == '+' ? 1 : -1;
    text.remove_prefix(end + 1);
  }
}

Result<std::vector<Script>> parse(std::string_view text, const std::string& file) {
  std::vector<Script> scripts;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.starts_with(rule_mark)) {
      scripts.push_back({file, std::string(line.substr(rule_mark.size())), {}});
      continue;
    }
    const auto comment = line.find('#');
    line = line.substr(0, comment);
    while (line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto parsed = parse_line(line, number);
    if (!parsed || scripts.empty()) {
      return fail(ErrorCode::invalid, file + ":" + std::to_string(number) + ": not understood");
    }
    scripts.back().lines.push_back(*parsed);
  }
  return scripts;
}

Result<std::vector<Script>> load(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".tcp") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<Script> all;
  for (const auto& path : files) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    auto scripts = parse(text.str(), path.filename().string());
    if (!scripts) return scripts;
    all.insert(all.end(), scripts->begin(), scripts->end());
  }
  return all;
}

}  // namespace godwit::dataplane::tcp::script
