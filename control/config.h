// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// What an operator can set: plain values, one TOML file, every key with a default.
//
// The keys, their ranges and their comments are listed once, in config.cc; loading, checking and
// printing all walk that list. Thread safety: values and pure functions, but for load_config, which
// reads a file.

namespace godwit::control {

enum class IdleMode : std::uint8_t { adaptive, poll };
enum class IoBackend : std::uint8_t { uring, dpdk };
enum class RegistrationMode : std::uint8_t { open, invite, closed };
enum class AckAfter : std::uint8_t { durable, memory };
enum class LogLevel : std::uint8_t { error, warning, info, debug };
std::string_view to_text(RegistrationMode mode);
std::string_view to_text(AckAfter ack_after);
Result<LogLevel> parse_log_level(std::string_view text);

struct Config {
  struct Server {
    std::string domain = "localhost";
    std::string listen = "127.0.0.1:5210";
    std::string data = "./godwit-data";
    std::string admin_socket;                // empty: admin.sock in `data`, see admin_socket_path()
    std::string metrics = "127.0.0.1:9210";  // empty: off
    std::uint32_t shards = 0;                // 0: one for each available core
    IdleMode idle = IdleMode::adaptive;
    bool pin = false;
    friend bool operator==(const Server&, const Server&) = default;
  } server;
  // A device of our own, and our place in the network it is on.
  struct Port {
    std::string device;     // DPDK's name of a virtual device with its arguments, or a PCI address
    std::string addresses;  // ADDRESS/BITS, with commas
    std::string gateway;    // ADDRESS, one of each family
    std::string routes;     // ADDRESS/BITS via ADDRESS, with commas
    std::uint32_t mtu = 1500;
    std::uint32_t vlan = 0;    // 0: frames carry no tag
    bool segmentation = true;  // by the device
    friend bool operator==(const Port&, const Port&) = default;
  };
  struct Io {
    IoBackend backend = IoBackend::uring;
    std::uint32_t memory_mb = 128;
    bool hugepages = true;
    std::vector<Port> ports{1};  // one, in [io] itself, or each an [[io.port]]
    friend bool operator==(const Io&, const Io&) = default;
  } io;
  struct Registration {
    RegistrationMode mode = RegistrationMode::open;
    std::uint32_t per_second = 100;
    std::uint32_t burst = 1000;
    friend bool operator==(const Registration&, const Registration&) = default;
  } registration;
  struct Limits {
    std::uint32_t connections_max = 100'000;
    std::uint32_t unauthenticated_max = 4096;
    std::uint32_t handshake_timeout_ms = 10'000;
    std::uint32_t connections_per_address = 5000;
    std::uint32_t unauthenticated_per_address = 512;
    std::uint32_t connections_per_address_per_second = 200;
    std::uint32_t connections_per_address_burst = 2000;
    std::uint32_t handshake_failures_per_address_per_minute = 120;
    std::uint32_t registrations_per_address_per_hour = 600;
    std::uint32_t logins_per_device_per_minute = 60;
    std::string exempt_addresses = "127.0.0.0/8, ::1";
    bool require_hybrid = false;
    std::uint32_t mailbox_messages_max = 100'000;
    std::uint64_t mailbox_bytes_max = std::uint64_t{64} << 20;
    std::uint32_t messages_per_second = 10'000;
    std::uint32_t messages_burst = 20'000;
    std::uint32_t devices_per_account_max = 16;
    std::uint64_t buffer_pool_bytes = std::uint64_t{1} << 30;
    friend bool operator==(const Limits&, const Limits&) = default;
  } limits;
  struct Delivery {
    AckAfter ack_after = AckAfter::durable;
    std::uint32_t persist_after_ms = 100;
    std::uint32_t ack_delay_ms = 5;
    std::uint32_t ttl_days = 30;
    friend bool operator==(const Delivery&, const Delivery&) = default;
  } delivery;
  struct Storage {
    std::uint32_t threads = 1;
    friend bool operator==(const Storage&, const Storage&) = default;
  } storage;
  struct Log {
    LogLevel level = LogLevel::info;
    friend bool operator==(const Log&, const Log&) = default;
  } log;
  friend bool operator==(const Config&, const Config&) = default;
};

inline constexpr std::size_t io_ports_max = 4;

// One line each, naming the place, the key, what is wrong and what is allowed.
using ConfigProblems = std::vector<std::string>;

// All problems are reported, not the first alone. `source` names the text in them.
std::expected<Config, ConfigProblems> parse_config(std::string_view text, std::string_view source);
std::expected<Config, ConfigProblems> load_config(const std::string& path);

// Ranges and forms of a configuration put together in memory, for example after flags; empty when
// all is well.
ConfigProblems check_config(const Config& config);

// A complete configuration file with a comment for each key; parse_config reads the same values
// back.
std::string render_config(const Config& config);

// Keys ("section.key") whose value differs and takes a restart to change.
std::vector<std::string> restart_needed(const Config& running, const Config& wanted);

std::string admin_socket_path(const Config& config);

struct HostPort {
  std::string host;  // IPv4 or IPv6 literal, without brackets
  std::uint16_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};
// "127.0.0.1:5210", "[::1]:5210" or "localhost:5210", which is 127.0.0.1. Names are not looked up:
// a listener's address must not depend on a resolver.
Result<HostPort> parse_host_port(std::string_view text);

}  // namespace godwit::control
