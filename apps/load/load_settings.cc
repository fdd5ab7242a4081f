// SPDX-License-Identifier: Apache-2.0
#include "apps/load/load_settings.h"

#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/ip_address.h"
#include "client/dial.h"
#include "protocol/jid.h"

namespace godwit::apps {

using client::load::Flow;
using client::load::Shape;

namespace {

constexpr std::size_t sources_max = 65'536;
constexpr int cores_max = 1024;

template <typename T>
bool read_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::uint32_t number_of(const IpAddress& v4) {
  std::uint32_t number = 0;
  for (std::size_t i = 12; i < 16; ++i) number = number << 8 | v4.bytes[i];
  return number;
}

std::string text_of(std::uint32_t v4) {
  std::array<std::uint8_t, 4> bytes;
  ByteWriter(bytes).u32(v4);
  return to_text(IpAddress::v4(bytes));
}

std::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::invalid, std::move(message));
}

Result<void> check_flow(const LoadSettings& settings) {
  const Flow& flow = settings.flow;
  if (flow.window < 1 || flow.window > 1000) return invalid("--window: from 1 to 1000");
  if (flow.kind == Flow::Kind::open && !(flow.rate.per_second > 0)) {
    return invalid("--rate: more than 0 messages a second");
  }
  if (settings.payload_size < client::load::payload_size_min ||
      settings.payload_size > protocol::payload_size_max) {
    return invalid("--payload: from 8 to " + std::to_string(protocol::payload_size_max) + " bytes");
  }
  const bool one_sided =
      settings.shape.kind == Shape::Kind::one_way || settings.shape.kind == Shape::Kind::fan_in;
  if (settings.scenario == Scenario::offline && !one_sided) {
    return invalid("offline needs --shape one-way or fan-in, where some only receive");
  }
  if (flow.kind == Flow::Kind::reply && settings.shape.kind != Shape::Kind::pairs) {
    return invalid("--pacing reply needs --shape pairs");
  }
  return {};
}

}  // namespace

std::string to_text(Scenario scenario) {
  switch (scenario) {
    case Scenario::register_:
      return "register";
    case Scenario::messages:
      return "messages";
    case Scenario::offline:
      return "offline";
    case Scenario::logins:
      return "logins";
    case Scenario::idle:
      return "idle";
    case Scenario::churn:
      return "churn";
    case Scenario::scale:
      return "scale";
  }
  return "unknown";
}

Result<void> check(const LoadSettings& settings) {
  if (settings.threads < 1 || settings.threads > 256) return invalid("--threads: from 1 to 256");
  if (settings.connections < 1) return invalid("--connections: at least 1");
  if (std::uint64_t{settings.first_account} + settings.connections > client::load::accounts_max) {
    return invalid("--first-account and --connections: at most 10 000 000 together");
  }
  if (!protocol::is_valid_domain(settings.domain)) return invalid("--domain: no domain");
  const bool flows = settings.scenario == Scenario::messages ||
                     settings.scenario == Scenario::churn ||
                     settings.scenario == Scenario::offline || settings.scenario == Scenario::scale;
  if (flows) {
    if (auto done = check_flow(settings); !done) return done;
    if (auto done = settings.shape.check(settings.connections); !done) return done;
  }
  const std::vector<std::uint32_t> counts = shares(settings);
  const std::uint32_t least = flows && settings.shape.kind == Shape::Kind::ring ? 2 : 1;
  if (std::ranges::any_of(counts, [&](std::uint32_t count) { return count < least; })) {
    return invalid("--threads: more than there are groups of connections");
  }
  if (settings.patience_s < 1 || settings.limit_s < 1) {
    return invalid("--patience and --limit: at least 1 second");
  }
  if (settings.seconds < 0 || settings.warm_up_s < 0) return invalid("--seconds: not negative");
  if (settings.silence_s < 0) return invalid("--silence: not negative");
  if (settings.scenario == Scenario::scale && settings.talkers < settings.shape.group()) {
    return invalid("--talkers: fewer than one group");
  }
  return {};
}

Result<dataplane::io::Endpoint> find_server(const std::string& text) {
  const auto address = client::parse_server_address(text);
  if (!address) return std::unexpected(address.error());
  dataplane::io::Endpoint endpoint;
  if (!read_number(std::string_view(address->port), endpoint.port)) {
    return invalid("'" + address->port + "' is no port");
  }
  if (parse_ip_address(address->host)) {
    endpoint.host = address->host;
    return endpoint;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address->host.c_str(), nullptr, &hints, &found) != 0) {
    return fail(ErrorCode::unavailable, "there is no host " + address->host);
  }
  char host[NI_MAXHOST] = "";
  ::getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  ::freeaddrinfo(found);
  endpoint.host = host;
  return endpoint;
}

Result<std::vector<std::string>> parse_sources(const std::string& text) {
  std::vector<std::string> sources;
  for (const std::string_view part : split(text, ',')) {
    const std::vector<std::string_view> ends = split(part, '-');
    const auto first = parse_ip_address(ends.front());
    const auto last = parse_ip_address(ends.back());
    if (!first || !last || ends.size() > 2) {
      return invalid("'" + std::string(part) + "' is no address, nor FIRST-LAST");
    }
    if (ends.size() == 1) {
      sources.emplace_back(part);
      continue;
    }
    if (!first->is_v4() || !last->is_v4() || number_of(*last) < number_of(*first) ||
        number_of(*last) - number_of(*first) >= sources_max) {
      return invalid("'" + std::string(part) + "': two IPv4 addresses, the lower one first");
    }
    for (std::uint32_t i = number_of(*first); i <= number_of(*last); ++i) {
      sources.push_back(text_of(i));
    }
  }
  return sources;
}

Result<std::vector<int>> parse_cores(const std::string& text) {
  std::vector<int> cores;
  for (const std::string_view part : split(text, ',')) {
    const std::vector<std::string_view> ends = split(part, '-');
    int first = 0;
    int last = 0;
    if (ends.size() > 2 || !read_number(ends.front(), first) || !read_number(ends.back(), last) ||
        first < 0 || last < first || last >= cores_max) {
      return invalid("'" + std::string(part) + "' is no core, nor FIRST-LAST");
    }
    for (int core = first; core <= last; ++core) cores.push_back(core);
  }
  return cores;
}

std::vector<std::uint32_t> shares(const LoadSettings& settings) {
  const std::uint32_t group = settings.shape.group();
  const std::uint32_t groups = settings.connections / group;
  const std::uint32_t rest = settings.connections % group;  // none where that matters
  std::vector<std::uint32_t> counts;
  for (std::uint32_t i = 0; i < settings.threads; ++i) {
    counts.push_back((groups / settings.threads + (i < groups % settings.threads ? 1 : 0)) * group);
  }
  counts.front() += rest;
  return counts;
}

std::uint64_t first_id_at(WallTime now) {
  constexpr std::int64_t start_of_2026_ms = 1'767'225'600'000;
  // 16 to a millisecond.
  const std::int64_t since_ms =
      std::max<std::int64_t>(now.time_since_epoch().count() - start_of_2026_ms, 1);
  return static_cast<std::uint64_t>(since_ms) << 4;
}

}  // namespace godwit::apps
