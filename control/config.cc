// SPDX-License-Identifier: Apache-2.0
#include "control/config.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <span>

#include "control/config_keys.h"

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

// Turns every value into its TOML form and hands it to `emit(section, key, value)`.
template <typename Section, typename Emit>
struct ValuePrinter {
  Section on_section;
  Emit emit;

  void section(std::string_view name, std::string_view comment) { on_section(name, comment); }
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
  std::string_view current;

  void section(std::string_view name, std::string_view) { current = name; }
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
    problems.push_back("[" + std::string(current) + "] " + std::string(key.name) + " = " + value +
                       ": " + std::string(what));
  }
};

std::map<std::string, std::pair<Change, std::string>> values_of(Config config) {
  std::map<std::string, std::pair<Change, std::string>> values;
  std::string current;
  ValuePrinter printer{
      [&](std::string_view name, std::string_view) { current = name; },
      [&](const Key& key, std::string value) {
        values[current + "." + std::string(key.name)] = {key.change, std::move(value)};
      }};
  visit_keys(config, printer);
  return values;
}

// What a network device of our own needs, and what of it goes together.
void check_dpdk(const Config& config, ConfigProblems& problems) {
  if (config.io.device.empty()) {
    problems.push_back("[io] device = \"\": the backend \"dpdk\" needs one");
  }
  const auto addresses = parse_ip_prefixes(config.io.addresses);
  if (!addresses || addresses->empty()) {
    problems.push_back("[io] addresses = \"\": the backend \"dpdk\" needs one at least");
    return;
  }
  const auto has = [&](const IpAddress& wanted) {
    return std::ranges::any_of(*addresses,
                               [&](const IpPrefix& one) { return one.address == wanted; });
  };
  const std::string host = parse_host_port(config.server.listen)->host;
  const auto listen = parse_ip_address(host);
  if (host != "0.0.0.0" && host != "::" && !(listen && has(*listen))) {
    problems.push_back("[server] listen = \"" + config.server.listen +
                       "\": with the backend \"dpdk\" it is one of io.addresses, 0.0.0.0 or [::]");
  }
  const auto reachable = [&](const IpAddress& gateway) {
    return std::ranges::any_of(*addresses,
                               [&](const IpPrefix& one) {
                                 return one.address.is_v4() == gateway.is_v4() &&
                                        one.contains(gateway);
                               }) ||
           (gateway.bytes[0] == 0xfe && (gateway.bytes[1] & 0xc0) == 0x80);  // fe80::/10
  };
  const auto gateways = parse_ip_prefixes(config.io.gateway);
  for (const IpPrefix& gateway : *gateways) {
    if (!reachable(gateway.address)) {
      problems.push_back("[io] gateway = \"" + config.io.gateway +
                         "\": a gateway is in the network of one of io.addresses");
    }
  }
  const auto routes = parse_ip_routes(config.io.routes);
  for (const IpRoute& route : *routes) {
    if (!reachable(route.gateway)) {
      problems.push_back("[io] routes = \"" + config.io.routes +
                         "\": a gateway is in the network of one of io.addresses");
    }
  }
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
    check_dpdk(config, checker.problems);
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
  for (const auto& [name, value] : values_of(wanted)) {
    if (value.first == Change::restart && now.at(name) != value) keys.push_back(name);
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
