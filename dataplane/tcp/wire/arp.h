// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "dataplane/tcp/wire/ethernet.h"

// Address resolution for IPv4 over Ethernet (RFC 826). Values; thread safe.

namespace godwit::dataplane::tcp {

inline constexpr std::size_t arp_size = 28;

struct Arp {
  enum class Operation : std::uint16_t { request = 1, reply = 2 };

  Operation operation = Operation::request;
  MacAddress sender_mac;
  IpAddress sender;  // 0.0.0.0 in a probe for a duplicate (RFC 5227, 2.1.1)
  MacAddress target_mac;
  IpAddress target;
};

// Refuses other hardware and protocols, other operations, and a sender that is a group.
std::expected<Arp, Drop> parse_arp(Bytes packet);

// `out` has room for arp_size bytes.
void write_arp(MutableBytes out, const Arp& arp);

}  // namespace godwit::dataplane::tcp
