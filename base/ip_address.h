// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace godwit {

// An IPv4 or IPv6 address, the former mapped into the latter (RFC 4291, 2.5.5.2). All zeros, which
// no peer ever has, stands for an unknown one. A value.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  static IpAddress v4(std::array<std::uint8_t, 4> four) {
    IpAddress address;
    address.bytes[10] = address.bytes[11] = 0xff;
    std::ranges::copy(four, address.bytes.begin() + 12);
    return address;
  }
  bool known() const { return *this != IpAddress{}; }
  bool is_v4() const {
    // Asked several times for each packet.
    constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes.data(), mapped, sizeof mapped) == 0;
  }
  // What one subscriber has, as far as a gateway can tell: the IPv4 address, or the first 64 bits
  // of the IPv6 address. An IPv4 address is set behind 0xffff in the low bits, where no IPv6
  // network is: 0000::/8 is reserved (RFC 4291, 2.4).
  std::uint64_t subscriber() const {
    std::uint64_t number = 0;
    const std::size_t first = is_v4() ? 8 : 0;
    for (std::size_t i = first; i < first + 8; ++i) number = number << 8 | bytes[i];
    return number;
  }
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// An IPv4 or IPv6 literal, without brackets or a zone.
inline std::optional<IpAddress> parse_ip_address(std::string_view text) {
  const std::string literal(text);
  std::array<std::uint8_t, 4> four;
  if (::inet_pton(AF_INET, literal.c_str(), four.data()) == 1) return IpAddress::v4(four);
  IpAddress address;
  if (::inet_pton(AF_INET6, literal.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

// As parse_ip_address reads it.
inline std::string to_text(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.is_v4()) {
    ::inet_ntop(AF_INET, address.bytes.data() + 12, text, sizeof text);
  } else {
    ::inet_ntop(AF_INET6, address.bytes.data(), text, sizeof text);
  }
  return text;
}

// Every address that begins with the same bits.
struct IpPrefix {
  IpAddress address;
  std::uint8_t bits = 128;  // of the 16 bytes, so 96 more than an IPv4 prefix says

  bool contains(const IpAddress& other) const {
    const std::size_t whole = bits / 8;
    if (std::memcmp(address.bytes.data(), other.bytes.data(), whole) != 0) return false;
    if (bits % 8 == 0) return true;
    const int mask = 0xff << (8 - bits % 8) & 0xff;
    return ((address.bytes[whole] ^ other.bytes[whole]) & mask) == 0;
  }
  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;
};

// "127.0.0.0/8", "2001:db8::/32", or an address alone.
inline std::optional<IpPrefix> parse_ip_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_ip_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return IpPrefix{*address, 128};
  const std::string_view digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3) return std::nullopt;
  unsigned bits = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    bits = bits * 10 + static_cast<unsigned>(digit - '0');
  }
  if (address->is_v4()) bits += 96;
  if (bits > 128) return std::nullopt;
  return IpPrefix{*address, static_cast<std::uint8_t>(bits)};
}

// Prefixes behind each other, with commas or spaces between them; an empty text has none. Errors:
// invalid, naming the one that is none.
inline Result<std::vector<IpPrefix>> parse_ip_prefixes(std::string_view text) {
  constexpr std::string_view between = ", ";
  std::vector<IpPrefix> prefixes;
  while (!(text = text.substr(std::min(text.find_first_not_of(between), text.size()))).empty()) {
    const std::string_view word = text.substr(0, text.find_first_of(between));
    const auto prefix = parse_ip_prefix(word);
    if (!prefix) {
      return fail(ErrorCode::invalid, "'" + std::string(word) + "' is no address or ADDRESS/BITS");
    }
    prefixes.push_back(*prefix);
    text.remove_prefix(word.size());
  }
  return prefixes;
}

// Where packets for some destinations go next. Both of one family.
struct IpRoute {
  IpPrefix destination;
  IpAddress gateway;
  friend bool operator==(const IpRoute&, const IpRoute&) = default;
};

// "10.0.0.0/8 via 192.0.2.254", or several with commas between them. Errors: as
// parse_ip_prefixes.
inline Result<std::vector<IpRoute>> parse_ip_routes(std::string_view text) {
  constexpr std::string_view blanks = " ";
  const auto trimmed = [&](std::string_view part) {
    part.remove_prefix(std::min(part.find_first_not_of(blanks), part.size()));
    return part.substr(0, part.find_last_not_of(blanks) + 1);
  };
  std::vector<IpRoute> routes;
  while (!trimmed(text).empty()) {
    const std::string_view part = trimmed(text.substr(0, text.find(',')));
    text.remove_prefix(std::min(text.find(','), text.size() - 1) + 1);
    constexpr std::string_view via = " via ";
    const std::size_t middle = part.find(via);
    const auto destination = parse_ip_prefix(trimmed(part.substr(0, middle)));
    const auto gateway = middle == std::string_view::npos
                             ? std::nullopt
                             : parse_ip_address(trimmed(part.substr(middle + via.size())));
    if (!destination || !gateway || destination->address.is_v4() != gateway->is_v4()) {
      return fail(ErrorCode::invalid,
                  "'" + std::string(part) + "' is no route: ADDRESS/BITS via ADDRESS is");
    }
    routes.push_back({*destination, *gateway});
  }
  return routes;
}

}  // namespace godwit
