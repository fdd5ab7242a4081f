// SPDX-License-Identifier: Apache-2.0
// The TOML side of the configuration. Apart from config.cc because toml++ is slow to compile.
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <span>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
// toml++ 3.0 asserts what its parser goes on to report as an error ("[|server]"): a slip of the pen
// in a file that is reloaded must not stop a gateway.
#define TOML_ASSERT(condition) static_cast<void>(0)
#include <toml++/toml.h>

#include "control/config.h"
#include "control/config_keys.h"
#include "control/files.h"

namespace godwit::control {
namespace {

constexpr std::size_t config_file_size_max = 1 << 20;

std::string_view name_of(toml::node_type type) {
  switch (type) {
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::table:
      return "a section";
    case toml::node_type::array:
      return "a list";
    default:
      return "a date or time";
  }
}

// Reads what is there into the fields, and remembers which keys exist, to name those that do not.
struct Reader {
  const toml::table& root;
  std::string_view source;
  ConfigProblems problems{};
  std::map<std::string, std::set<std::string>, std::less<>> known{};
  std::string current{};
  const toml::table* table = nullptr;

  void section(std::string_view name, std::string_view) {
    current = name;
    known[current];
    const toml::node* node = root.get(name);
    table = node != nullptr ? node->as_table() : nullptr;
    if (node != nullptr && table == nullptr) {
      add(*node, "[" + current + "] must be a section, not " + std::string(name_of(node->type())));
    }
  }

  void text(const Key& key, std::string& field, TextCheck check) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto* value = node->as_string();
    if (value == nullptr) return wrong_type(*node, key, "a string");
    if (std::string_view wrong = check(value->get()); !wrong.empty()) {
      return add(*node, label(key) + " = \"" + value->get() + "\": " + std::string(wrong));
    }
    field = value->get();
  }

  template <typename Number>
  void number(const Key& key, Number& field, Range range) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto* value = node->as_integer();
    const std::string allowed = std::to_string(range.min) + " to " + std::to_string(range.max);
    if (value == nullptr) return wrong_type(*node, key, "a whole number, " + allowed);
    const std::int64_t given = value->get();
    if (given < 0 || static_cast<std::uint64_t>(given) < range.min ||
        static_cast<std::uint64_t>(given) > range.max) {
      return add(*node,
                 label(key) + " = " + std::to_string(given) + ": " + allowed + " is allowed");
    }
    field = static_cast<Number>(given);
  }

  void flag(const Key& key, bool& field) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto* value = node->as_boolean();
    if (value == nullptr) return wrong_type(*node, key, "true or false");
    field = value->get();
  }

  template <typename Enum>
  void choice(const Key& key, Enum& field, std::span<const std::string_view> names) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    std::string allowed;
    for (std::string_view name : names) {
      allowed += std::string(allowed.empty()        ? ""
                             : name == names.back() ? " or "
                                                    : ", ") +
                 '"' + std::string(name) + '"';
    }
    const auto* value = node->as_string();
    if (value == nullptr) return wrong_type(*node, key, allowed);
    const auto found = std::ranges::find(names, std::string_view(value->get()));
    if (found == names.end()) {
      return add(*node, label(key) + " = \"" + value->get() + "\": " + allowed + " is allowed");
    }
    field = static_cast<Enum>(found - names.begin());
  }

  void report_unknown() {
    for (const auto& [name, node] : root) {
      const auto section_keys = known.find(name.str());
      if (section_keys == known.end()) {
        add(node, "unknown section or key '" + std::string(name.str()) + "'; there are " +
                      list_sections());
        continue;
      }
      const toml::table* keys = node.as_table();
      if (keys == nullptr) continue;
      for (const auto& [key, value] : *keys) {
        if (section_keys->second.contains(std::string(key.str()))) continue;
        add(value, "unknown key '" + std::string(key.str()) + "' in [" + section_keys->first +
                       "]; there are " + list(section_keys->second));
      }
    }
  }

 private:
  const toml::node* find(const Key& key) {
    known[current].insert(std::string(key.name));
    return table != nullptr ? table->get(key.name) : nullptr;
  }
  std::string label(const Key& key) const { return "[" + current + "] " + std::string(key.name); }
  void wrong_type(const toml::node& node, const Key& key, std::string_view wanted) {
    add(node, label(key) + " must be " + std::string(wanted) + ", not " +
                  std::string(name_of(node.type())));
  }
  void add(const toml::node& node, std::string what) {
    problems.push_back(std::string(source) + ":" + std::to_string(node.source().begin.line) + ": " +
                       std::move(what));
  }
  static std::string list(const std::set<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
  }
  std::string list_sections() const {
    std::set<std::string> names;
    for (const auto& [name, keys] : known) names.insert("[" + name + "]");
    return list(names);
  }
};

// The line of the first character beyond ASCII that is in no string and no comment, where TOML has
// none; 0 when there is none. toml++ 3.0 asks whether such a one is a space, and for most of them
// its table has no answer at all. Strings are taken to end with their line.
std::size_t stray_character_line(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  std::size_t line = 1;
  char quote = 0;
  bool comment = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      quote = 0;
      comment = false;
    } else if (comment) {
      continue;
    } else if (quote != 0) {
      if (c == quote) quote = 0;
      if (c == '\\' && quote == '"' && i + 1 < text.size() && text[i + 1] != '\n') ++i;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#') {
      comment = true;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return line;
    }
  }
  return 0;
}

}  // namespace

std::expected<Config, ConfigProblems> parse_config(std::string_view text, std::string_view source) {
  if (const std::size_t line = stray_character_line(text); line != 0) {
    return std::unexpected(
        ConfigProblems{std::string(source) + ":" + std::to_string(line) +
                       ": a character beyond ASCII; only strings and comments may have one"});
  }
  const toml::parse_result parsed = toml::parse(text, source);
  if (!parsed) {
    return std::unexpected(ConfigProblems{std::string(source) + ":" +
                                          std::to_string(parsed.error().source().begin.line) +
                                          ": " + std::string(parsed.error().description())});
  }
  Config config;
  Reader reader{.root = parsed.table(), .source = source};
  visit_keys(config, reader);
  reader.report_unknown();
  if (!reader.problems.empty()) return std::unexpected(std::move(reader.problems));
  return config;
}

std::expected<Config, ConfigProblems> load_config(const std::string& path) {
  const Result<std::string> text = read_file(path, config_file_size_max);
  if (!text) return std::unexpected(ConfigProblems{text.error().message});
  return parse_config(*text, path);
}

}  // namespace godwit::control
