// SPDX-License-Identifier: Apache-2.0
#include "control/config.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <span>

#include "control/config_keys.h"
#include "control/config_ports.h"

namespace godwit::control {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + '"';
}

std::string allowed(Range range) {
  return std::to_string(range.min) + " to " + std::to_string(range.max) + " is allowed";
}

template <typename Enum>
std::size_t index_of(Enum value) {
  return static_cast<std::size_t>(value);
}

// Turns every value into its TOML form and hands it to `emit(section, key, value)`. Of several
// ports each begins with `on_port(number)`, from 1.
template <typename Section, typename Port, typename Emit>
struct ValuePrinter {
  Section on_section;
  Port on_port;
  Emit emit;

  void section(std::string_view name, std::string_view comment) { on_section(name, comment); }
  template <typename Visit>
  void ports(std::vector<Config::Port>& ports, Visit&& visit) {
    for (std::size_t i = 0; i < ports.size(); ++i) {
      if (ports.size() > 1) on_port(i + 1);
      visit(ports[i], *this);
    }
  }
  void text(const Key& key, const std::string& field, TextCheck) { emit(key, quoted(field)); }
  template <typename Number>
  void number(const Key& key, Number field, Range) {
    emit(key, std::to_string(field));
  }
  void flag(const Key& key, bool field) { emit(key, std::string(field ? "true" : "false")); }
  template <typename Enum>
  void choice(const Key& key, Enum field, std::span<const std::string_view> names) {
    emit(key, quoted(names[index_of(field)]));
  }
};

struct Checker {
  ConfigProblems problems;
  std::string current;

  void section(std::string_view name, std::string_view) { current = "[" + std::string(name) + "]"; }
  template <typename Visit>
  void ports(std::vector<Config::Port>& ports, Visit&& visit) {
    for (std::size_t i = 0; i < ports.size(); ++i) {
      current = port_label(ports.size(), i);
      visit(ports[i], *this);
    }
  }
  void text(const Key& key, const std::string& field, TextCheck check) {
    if (std::string_view wrong = check(field); !wrong.empty()) add(key, quoted(field), wrong);
  }
  template <typename Number>
  void number(const Key& key, Number field, Range range) {
    if (field < range.min || field > range.max) add(key, std::to_string(field), allowed(range));
  }
  void flag(const Key&, bool) {}
  template <typename Enum>
  void choice(const Key&, Enum, std::span<const std::string_view>) {}

  void add(const Key& key, std::string value, std::string_view what) {
    problems.push_back(current + " " + std::string(key.name) + " = " + value + ": " +
                       std::string(what));
  }
};

std::map<std::string, std::pair<Change, std::string>> values_of(Config config) {
  std::map<std::string, std::pair<Change, std::string>> values;
  std::string current;
  ValuePrinter printer{
      [&](std::string_view name, std::string_view) { current = name; },
      [&](std::size_t number) { current = "io.port " + std::to_string(number); },
      [&](const Key& key, std::string value) {
        values[current + "." + std::string(key.name)] = {key.change, std::move(value)};
      }};
  visit_keys(config, printer);
  return values;
}

}  // namespace

std::string_view to_text(RegistrationMode mode) {
  return registration_names[index_of(mode)];
}
std::string_view to_text(AckAfter ack_after) {
  return ack_after_names[index_of(ack_after)];
}

Result<LogLevel> parse_log_level(std::string_view text) {
  const auto found = std::ranges::find(log_level_names, text);
  if (found == log_level_names.end()) {
    return fail(ErrorCode::invalid,
                "'" + std::string(text) + "' is no log level: error, warning, info or debug is");
  }
  return static_cast<LogLevel>(found - log_level_names.begin());
}

ConfigProblems check_config(const Config& config) {
  Checker checker;
  Config copy = config;
  visit_keys(copy, checker);
  if (checker.problems.empty() && config.io.backend == IoBackend::dpdk) {
    checker.problems = check_ports(config);
  }
  return std::move(checker.problems);
}

std::string render_config(const Config& config) {
  std::string out =
      "# Godwit. Every key may be left out; the values here are then used. Flags go over this "
      "file.\n";
  ValuePrinter printer{[&](std::string_view name, std::string_view comment) {
                         out += "\n# " + std::string(comment) + "\n[" + std::string(name) + "]\n";
                       },
                       [&](std::size_t) { out += "\n[[io.port]]\n"; },
                       [&](const Key& key, const std::string& value) {
                         out += "# " + std::string(key.comment) + "\n" + std::string(key.name) +
                                " = " + value + "\n";
                       }};
  Config copy = config;
  visit_keys(copy, printer);
  return out;
}

std::vector<std::string> restart_needed(const Config& running, const Config& wanted) {
  std::vector<std::string> keys;
  const auto now = values_of(running);
  const auto then = values_of(wanted);
  for (const auto& [name, value] : then) {
    const auto before = now.find(name);
    if (value.first == Change::restart && (before == now.end() || before->second != value)) {
      keys.push_back(name);
    }
  }
  // Of ports there may be fewer.
  for (const auto& [name, value] : now) {
    if (!then.contains(name)) keys.push_back(name);
  }
  return keys;
}

std::string admin_socket_path(const Config& config) {
  return config.server.admin_socket.empty() ? config.server.data + "/admin.sock"
                                            : config.server.admin_socket;
}

Result<HostPort> parse_host_port(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::invalid,
                "'" + std::string(text) + "' is not ADDRESS:PORT, for example 127.0.0.1:5210");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  HostPort result;
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc{} || end != port.data() + port.size()) return wrong();
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  result.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  in6_addr address{};
  if (::inet_pton(bracketed ? AF_INET6 : AF_INET, result.host.c_str(), &address) != 1)
    return wrong();
  return result;
}

}  // namespace godwit::control
