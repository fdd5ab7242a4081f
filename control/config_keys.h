// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "control/config.h"
#include "protocol/jid.h"
#include "protocol/limits.h"
#include "queues/store.h"

// The list of configuration keys, for config.cc alone. A visitor has
//   section(name, comment), text(key, field, check), number(key, field, range), flag(key, field),
//   choice(key, field, names) and ports(fields, visit),
// with `names` in the order of the enumeration, which counts from 0, and visit(port, visitor) for
// the keys of one of the ports.

namespace godwit::control {

enum class Change : std::uint8_t { live, restart };

struct Key {
  std::string_view name;
  std::string_view comment;
  Change change = Change::restart;
};
struct Range {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
};
// Empty when the value is well-formed, else what is allowed.
using TextCheck = std::string_view (*)(std::string_view);

inline std::string_view check_domain(std::string_view text) {
  return protocol::is_valid_domain(text) ? "" : "a lower-case host name or address is allowed";
}
inline std::string_view check_listen(std::string_view text) {
  return parse_host_port(text)
             ? ""
             : "ADDRESS:PORT is allowed, for example 127.0.0.1:5210 or [::1]:5210";
}
inline std::string_view check_metrics(std::string_view text) {
  return text.empty() || parse_host_port(text)
             ? ""
             : "ADDRESS:PORT is allowed, for example 127.0.0.1:9210, or \"\" for none";
}
inline std::string_view check_data(std::string_view text) {
  return text.empty() ? "a folder is needed" : "";
}
// As many as dataplane::AddressRules holds.
inline constexpr std::size_t prefixes_max = 32;
inline constexpr std::size_t interface_addresses_max = 60;
inline constexpr std::size_t routes_max = 64;
inline std::string_view check_prefixes(std::string_view text) {
  const auto prefixes = parse_ip_prefixes(text);
  return prefixes && prefixes->size() <= prefixes_max
             ? ""
             : "at most 32 of ADDRESS or ADDRESS/BITS are allowed, with commas between them";
}
inline std::string_view check_interface_addresses(std::string_view text) {
  const auto prefixes = parse_ip_prefixes(text);
  // Without its bits an address would be a network of its own, and reach nobody.
  const auto slashes = static_cast<std::size_t>(std::ranges::count(text, '/'));
  return prefixes && prefixes->size() <= interface_addresses_max && slashes == prefixes->size()
             ? ""
             : "at most 60 of ADDRESS/BITS are allowed, with commas between them";
}
inline std::string_view check_gateways(std::string_view text) {
  const auto gateways = parse_ip_prefixes(text);
  if (gateways && gateways->size() <= 2 &&
      std::ranges::all_of(*gateways, [](const IpPrefix& one) { return one.bits == 128; }) &&
      (gateways->size() < 2 || (*gateways)[0].address.is_v4() != (*gateways)[1].address.is_v4())) {
    return "";
  }
  return "one IPv4 and one IPv6 ADDRESS at most are allowed, with a comma between them";
}
inline std::string_view check_routes(std::string_view text) {
  const auto routes = parse_ip_routes(text);
  return routes && routes->size() <= routes_max
             ? ""
             : "at most 64 of ADDRESS/BITS via ADDRESS are allowed, with commas between them";
}
inline std::string_view check_device(std::string_view text) {
  return text.find_first_of(" \t\n") == std::string_view::npos
             ? ""
             : "a PCI address (0000:03:00.0) or a virtual device (net_tap0,iface=gw0) is allowed";
}
// sockaddr_un holds 107 bytes and a zero.
inline std::string_view check_socket(std::string_view text) {
  return text.size() <= 107 ? "" : "a path of at most 107 bytes is allowed";
}

inline constexpr std::array<std::string_view, 2> io_names{"uring", "dpdk"};
inline constexpr std::array<std::string_view, 2> idle_names{"adaptive", "poll"};
inline constexpr std::array<std::string_view, 3> registration_names{"open", "invite", "closed"};
inline constexpr std::array<std::string_view, 2> ack_after_names{"durable", "memory"};
inline constexpr std::array<std::string_view, 4> log_level_names{"error", "warning", "info",
                                                                 "debug"};

inline constexpr std::uint32_t shards_max = 16;
inline constexpr std::uint64_t tebibyte = std::uint64_t{1} << 40;

template <typename Visitor>
void visit_server_keys(Config::Server& server, Visitor& visitor) {
  visitor.section("server", "Who this gateway is and where it listens.");
  visitor.text({"domain", "The part of every address after the @."}, server.domain, check_domain);
  visitor.text({"listen", "Where clients connect. Port 0 takes a free one."}, server.listen,
               check_listen);
  visitor.text({"data", "Keys, accounts and messages; made when missing."}, server.data,
               check_data);
  visitor.text({"admin_socket", "For godwitctl. \"\": admin.sock in the data folder."},
               server.admin_socket, check_socket);
  visitor.text({"metrics", "Prometheus text over HTTP. \"\": off; port 0 takes a free one."},
               server.metrics, check_metrics);
  visitor.number({"shards", "Dataplane threads. 0: one for each available core, at most 16."},
                 server.shards, Range{0, shards_max});
  visitor.choice({"idle", "\"adaptive\" sleeps when there is nothing to do, \"poll\" never does."},
                 server.idle, idle_names);
  visitor.flag({"pin", "Keep each shard on a core of its own."}, server.pin);
}

template <typename Visitor>
void visit_port_keys(Config::Port& port, Visitor& visitor) {
  visitor.text({"device", "A PCI address, or a virtual device as DPDK names it."}, port.device,
               check_device);
  visitor.text({"addresses", "Of the device, ADDRESS/BITS, with commas between them."},
               port.addresses, check_interface_addresses);
  visitor.text({"gateway", "For what is in no network of these; an IPv4 and an IPv6 address."},
               port.gateway, check_gateways);
  visitor.text({"routes", "ADDRESS/BITS via ADDRESS, with commas between them."}, port.routes,
               check_routes);
  visitor.number({"mtu", "Bytes of the largest packet of the network."}, port.mtu,
                 Range{1280, 9216});
  visitor.number({"vlan", "The tag of every frame. 0: none."}, port.vlan, Range{0, 4094});
  visitor.flag(
      {"segmentation", "Large packets of TCP are left to the device to cut (TSO), where it can."},
      port.segmentation);
}

template <typename Visitor>
void visit_io_keys(Config::Io& io, Visitor& visitor) {
  visitor.section("io",
                  "What carries the bytes. All but the backend is for \"dpdk\". Of several devices "
                  "each is an [[io.port]] with the keys from device on, which are then not here.");
  visitor.choice({"backend",
                  "\"uring\": the kernel's TCP over io_uring. \"dpdk\": our own over a network "
                  "device that the kernel does not touch."},
                 io.backend, io_names);
  visitor.number({"memory_mb", "Of DPDK, for packets; each shard needs about 12 for each device."},
                 io.memory_mb, Range{32, 1 << 20});
  visitor.flag({"hugepages", "Use them where enough are free."}, io.hugepages);
  visitor.ports(io.ports, [](Config::Port& port, Visitor& each) { visit_port_keys(port, each); });
}

template <typename Visitor>
void visit_limit_keys(Config::Limits& limits, Visitor& visitor) {
  visitor.section("limits", "What is refused, and from where on.");
  visitor.number({"connections_max", "Connections of one shard."}, limits.connections_max,
                 Range{1, 10'000'000});
  visitor.number({"unauthenticated_max", "Connections of one shard that have not logged in."},
                 limits.unauthenticated_max, Range{1, 1'000'000});
  visitor.number({"handshake_timeout_ms", "From connecting to login."}, limits.handshake_timeout_ms,
                 Range{100, 600'000});
  visitor.number({"connections_per_address",
                  "Connections of one IPv4 address or IPv6 /64 to the whole gateway; a provider "
                  "may have many users behind one. 0: no limit.",
                  Change::live},
                 limits.connections_per_address, Range{0, 10'000'000});
  visitor.number({"unauthenticated_per_address",
                  "Of these, connections that have not logged in. 0: no limit.", Change::live},
                 limits.unauthenticated_per_address, Range{0, 1'000'000});
  visitor.number({"connections_per_address_per_second",
                  "New connections of one address, lasting. 0: no limit.", Change::live},
                 limits.connections_per_address_per_second, Range{0, 1'000'000});
  visitor.number(
      {"connections_per_address_burst", "New connections of one address, at once.", Change::live},
      limits.connections_per_address_burst, Range{1, 1'000'000});
  visitor.number({"handshake_failures_per_address_per_minute",
                  "Connections of one address ended for what they did before login; then new ones "
                  "are refused for a while. 0: no limit.",
                  Change::live},
                 limits.handshake_failures_per_address_per_minute, Range{0, 1'000'000});
  visitor.number({"registrations_per_address_per_hour",
                  "Registrations asked for by one address. 0: no limit.", Change::live},
                 limits.registrations_per_address_per_hour, Range{0, 1'000'000});
  visitor.number(
      {"logins_per_device_per_minute", "Logins of one device. 0: no limit.", Change::live},
      limits.logins_per_device_per_minute, Range{0, 1'000'000});
  visitor.text(
      {"exempt_addresses",
       "Addresses and ADDRESS/BITS that the limits by address do not hold for, at most 32.",
       Change::live},
      limits.exempt_addresses, check_prefixes);
  visitor.flag({"require_hybrid",
                "Refuse handshakes without ML-KEM, which someone who records them may open one "
                "day. Our own clients never ask for one.",
                Change::live},
               limits.require_hybrid);
  visitor.number({"mailbox_messages_max", "Messages waiting for one device."},
                 limits.mailbox_messages_max, Range{1, 10'000'000});
  visitor.number({"mailbox_bytes_max", "Bytes waiting for one device."}, limits.mailbox_bytes_max,
                 Range{65'536, tebibyte});
  visitor.number(
      {"messages_per_second",
       "Messages and other stanzas of one connected device, lasting; a faster one is read "
       "no further for a while."},
      limits.messages_per_second, Range{1, 1'000'000});
  visitor.number({"messages_burst", "Of one connected device, at once."}, limits.messages_burst,
                 Range{1, 10'000'000});
  visitor.number({"devices_per_account_max", "Devices one account may register."},
                 limits.devices_per_account_max, Range{1, protocol::devices_per_account_max});
  visitor.number({"buffer_pool_bytes", "Memory for messages on their way, for each shard."},
                 limits.buffer_pool_bytes, Range{16 << 20, tebibyte});
}

template <typename Visitor>
void visit_keys(Config& config, Visitor& visitor) {
  visit_server_keys(config.server, visitor);
  visit_io_keys(config.io, visitor);
  visitor.section("registration", "Who may make an account.");
  visitor.choice({"mode",
                  "\"open\": anyone; \"invite\": with a code from 'godwitctl invites create'; "
                  "\"closed\": nobody, "
                  "and no new devices.",
                  Change::live},
                 config.registration.mode, registration_names);
  visitor.number({"per_second", "Registrations of all clients together, lasting.", Change::live},
                 config.registration.per_second, Range{1, 1'000'000});
  visitor.number({"burst", "Registrations of all clients together, at once.", Change::live},
                 config.registration.burst, Range{1, 1'000'000});
  visit_limit_keys(config.limits, visitor);
  visitor.section("delivery", "What an acknowledgement promises, and when it leaves.");
  visitor.choice({"ack_after",
                  "\"durable\": when every recipient has the message or it is on disk. \"memory\": "
                  "at once; messages "
                  "are lost if the gateway dies."},
                 config.delivery.ack_after, ack_after_names);
  visitor.number(
      {"persist_after_ms", "How long a recipient may take before its message is written to disk."},
      config.delivery.persist_after_ms, Range{0, 60'000});
  visitor.number({"ack_delay_ms", "How long an acknowledgement waits for others to go with."},
                 config.delivery.ack_delay_ms, Range{0, 1000});
  visitor.number({"ttl_days", "Undelivered messages are erased after so long."},
                 config.delivery.ttl_days, Range{1, 365});
  visitor.section("storage", "Messages for devices that are away.");
  visitor.number({"threads", "Each serves a part of the 16 store files."}, config.storage.threads,
                 Range{1, queues::store_file_count});
  visitor.section("log", "To standard error; never holds user data.");
  visitor.choice({"level", "\"error\", \"warning\", \"info\" or \"debug\".", Change::live},
                 config.log.level, log_level_names);
}

}  // namespace godwit::control
