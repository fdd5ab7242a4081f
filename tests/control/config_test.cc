// SPDX-License-Identifier: Apache-2.0
// The configuration file: defaults, every key read, and for each kind of mistake a line that says
// where it is and what is allowed.
#include "control/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/control/scratch_folder.h"

namespace godwit::control {
namespace {

// The problems of a text, joined; "none" when there are none.
std::string problems_of(std::string_view text) {
  const auto config = parse_config(text, "x.toml");
  if (config) return "none";
  std::string joined;
  for (const std::string& problem : config.error()) joined += problem + "\n";
  return joined;
}

TEST(Config, EmptyTextIsTheDefaults) {
  const auto config = parse_config("", "x.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(*config, Config{});
  EXPECT_EQ(config->server.domain, "localhost");
  EXPECT_EQ(config->server.listen, "127.0.0.1:5210");
  EXPECT_EQ(config->delivery.ack_after, AckAfter::durable);
  EXPECT_EQ(config->delivery.persist_after_ms, 100u);
  EXPECT_EQ(config->limits.mailbox_bytes_max, 64u << 20);
}

TEST(Config, DefaultsPassTheirOwnCheck) {
  EXPECT_TRUE(check_config(Config{}).empty());
}

constexpr std::string_view every_key = R"(
[server]
domain = "chat.example.org"
listen = "[::1]:0"
data = "/var/lib/godwit"
admin_socket = "/run/godwit/admin.sock"
metrics = ""
shards = 3
idle = "poll"
pin = true
[io]
backend = "dpdk"
device = "net_tap0,iface=gw0"
addresses = "::1/64, 192.0.2.2/24"
gateway = "192.0.2.1"
routes = "10.0.0.0/8 via 192.0.2.254"
mtu = 9000
vlan = 7
segmentation = false
memory_mb = 64
hugepages = false
[registration]
mode = "invite"
per_second = 7
burst = 9
[limits]
connections_max = 11
unauthenticated_max = 12
handshake_timeout_ms = 1300
connections_per_address = 31
unauthenticated_per_address = 32
connections_per_address_per_second = 33
connections_per_address_burst = 34
handshake_failures_per_address_per_minute = 35
registrations_per_address_per_hour = 36
logins_per_device_per_minute = 37
exempt_addresses = "10.0.0.0/8"
require_hybrid = true
mailbox_messages_max = 14
mailbox_bytes_max = 1500000
messages_per_second = 16
messages_burst = 17
devices_per_account_max = 8
buffer_pool_bytes = 20000000
[delivery]
ack_after = "memory"
persist_after_ms = 0
ack_delay_ms = 21
ttl_days = 22
[storage]
threads = 2
[log]
level = "debug"
)";

Config every_key_set() {
  Config config;
  config.server = {.domain = "chat.example.org",
                   .listen = "[::1]:0",
                   .data = "/var/lib/godwit",
                   .admin_socket = "/run/godwit/admin.sock",
                   .metrics = "",
                   .shards = 3,
                   .idle = IdleMode::poll,
                   .pin = true};
  config.io = {.backend = IoBackend::dpdk,
               .memory_mb = 64,
               .hugepages = false,
               .ports = {{.device = "net_tap0,iface=gw0",
                          .addresses = "::1/64, 192.0.2.2/24",
                          .gateway = "192.0.2.1",
                          .routes = "10.0.0.0/8 via 192.0.2.254",
                          .mtu = 9000,
                          .vlan = 7,
                          .segmentation = false}}};
  config.registration = {.mode = RegistrationMode::invite, .per_second = 7, .burst = 9};
  config.limits = {.connections_max = 11,
                   .unauthenticated_max = 12,
                   .handshake_timeout_ms = 1300,
                   .connections_per_address = 31,
                   .unauthenticated_per_address = 32,
                   .connections_per_address_per_second = 33,
                   .connections_per_address_burst = 34,
                   .handshake_failures_per_address_per_minute = 35,
                   .registrations_per_address_per_hour = 36,
                   .logins_per_device_per_minute = 37,
                   .exempt_addresses = "10.0.0.0/8",
                   .require_hybrid = true,
                   .mailbox_messages_max = 14,
                   .mailbox_bytes_max = 1'500'000,
                   .messages_per_second = 16,
                   .messages_burst = 17,
                   .devices_per_account_max = 8,
                   .buffer_pool_bytes = 20'000'000};
  config.delivery = {
      .ack_after = AckAfter::memory, .persist_after_ms = 0, .ack_delay_ms = 21, .ttl_days = 22};
  config.storage = {.threads = 2};
  config.log = {.level = LogLevel::debug};
  return config;
}

TEST(Config, EveryKeyIsRead) {
  const auto config = parse_config(every_key, "x.toml");
  ASSERT_TRUE(config) << problems_of(every_key);
  EXPECT_EQ(*config, every_key_set());
}

TEST(Config, RenderedTextReadsBackTheSame) {
  for (const Config& config : {Config{}, every_key_set()}) {
    const auto again = parse_config(render_config(config), "x.toml");
    ASSERT_TRUE(again) << problems_of(render_config(config));
    EXPECT_EQ(*again, config);
  }
}

TEST(Config, RenderedTextHasEveryKeyOfTheExample) {
  const std::string text = render_config(Config{});
  std::size_t keys = 0;
  for (std::size_t at = 0; (at = every_key.find(" = ", at)) != std::string_view::npos;
       ++at, ++keys) {
    const std::size_t start = every_key.rfind('\n', at) + 1;
    EXPECT_NE(text.find("\n" + std::string(every_key.substr(start, at - start)) + " = "),
              std::string::npos);
  }
  EXPECT_EQ(keys, 45u);
}

TEST(Config, UnknownKeyAndSectionAreNamedWithTheirLine) {
  const std::string problems = problems_of("[server]\ndomian = \"a\"\n[sever]\nx = 1\ntop = 2\n");
  EXPECT_NE(problems.find(
                "x.toml:2: unknown key 'domian' in [server]; there are admin_socket, data, domain"),
            std::string::npos)
      << problems;
  EXPECT_NE(problems.find("unknown section or key 'sever'"), std::string::npos) << problems;
}

TEST(Config, AllProblemsAreReported) {
  const std::string problems =
      problems_of("[server]\nshards = 17\npin = 1\n[log]\nlevel = \"loud\"\n");
  EXPECT_EQ(std::ranges::count(problems, '\n'), 3) << problems;
}

TEST(Config, WrongTypeSaysWhatIsWanted) {
  EXPECT_EQ(problems_of("[server]\n\nshards = \"two\"\n"),
            "x.toml:3: [server] shards must be a whole number, 0 to 16, not a string\n");
  EXPECT_EQ(problems_of("[server]\npin = 1\n"),
            "x.toml:2: [server] pin must be true or false, not a whole number\n");
  EXPECT_EQ(problems_of("[server]\ndomain = 1.5\n"),
            "x.toml:2: [server] domain must be a string, not a number with a fraction\n");
  EXPECT_EQ(problems_of("[server]\nidle = []\n"),
            "x.toml:2: [server] idle must be \"adaptive\" or \"poll\", not a list\n");
  EXPECT_NE(problems_of("server = 3\n").find("[server] must be a section, not a whole number"),
            std::string::npos);
}

TEST(Config, ChoiceSaysWhatThereIs) {
  EXPECT_EQ(
      problems_of("[registration]\nmode = \"none\"\n"),
      "x.toml:2: [registration] mode = \"none\": \"open\", \"invite\" or \"closed\" is allowed\n");
}

TEST(Config, BrokenTomlNamesTheLine) {
  EXPECT_TRUE(problems_of("[server]\nshards = \n").starts_with("x.toml:2: "))
      << problems_of("[server]\nshards = \n");
}

struct NumberCase {
  const char* section;
  const char* key;
  std::uint64_t min;
  std::uint64_t max;
};

class ConfigRange : public testing::TestWithParam<NumberCase> {};

TEST_P(ConfigRange, EndsAreAllowedAndBeyondIsNot) {
  const NumberCase& param = GetParam();
  const auto with = [&](const std::string& value) {
    return problems_of(std::string("[") + param.section + "]\n" + param.key + " = " + value + "\n");
  };
  EXPECT_EQ(with(std::to_string(param.min)), "none");
  EXPECT_EQ(with(std::to_string(param.max)), "none");
  const std::string allowed =
      std::to_string(param.min) + " to " + std::to_string(param.max) + " is allowed";
  const std::string above = with(std::to_string(param.max + 1));
  EXPECT_NE(above.find(allowed), std::string::npos) << above;
  const std::string below = with(std::to_string(static_cast<std::int64_t>(param.min) - 1));
  EXPECT_NE(below.find(allowed), std::string::npos) << below;
}

INSTANTIATE_TEST_SUITE_P(
    EveryNumber, ConfigRange,
    testing::Values(NumberCase{"server", "shards", 0, 16},
                    NumberCase{"registration", "per_second", 1, 1'000'000},
                    NumberCase{"registration", "burst", 1, 1'000'000},
                    NumberCase{"limits", "connections_max", 1, 10'000'000},
                    NumberCase{"io", "mtu", 1280, 9216}, NumberCase{"io", "vlan", 0, 4094},
                    NumberCase{"io", "memory_mb", 32, 1 << 20},
                    NumberCase{"limits", "unauthenticated_max", 1, 1'000'000},
                    NumberCase{"limits", "handshake_timeout_ms", 100, 600'000},
                    NumberCase{"limits", "connections_per_address", 0, 10'000'000},
                    NumberCase{"limits", "unauthenticated_per_address", 0, 1'000'000},
                    NumberCase{"limits", "connections_per_address_per_second", 0, 1'000'000},
                    NumberCase{"limits", "connections_per_address_burst", 1, 1'000'000},
                    NumberCase{"limits", "handshake_failures_per_address_per_minute", 0, 1'000'000},
                    NumberCase{"limits", "registrations_per_address_per_hour", 0, 1'000'000},
                    NumberCase{"limits", "logins_per_device_per_minute", 0, 1'000'000},
                    NumberCase{"limits", "mailbox_messages_max", 1, 10'000'000},
                    NumberCase{"limits", "mailbox_bytes_max", 65'536, 1ull << 40},
                    NumberCase{"limits", "messages_per_second", 1, 1'000'000},
                    NumberCase{"limits", "messages_burst", 1, 10'000'000},
                    NumberCase{"limits", "devices_per_account_max", 1, 16},
                    NumberCase{"limits", "buffer_pool_bytes", 16 << 20, 1ull << 40},
                    NumberCase{"delivery", "persist_after_ms", 0, 60'000},
                    NumberCase{"delivery", "ack_delay_ms", 0, 1000},
                    NumberCase{"delivery", "ttl_days", 1, 365},
                    NumberCase{"storage", "threads", 1, 16}),
    [](const auto& each) { return std::string(each.param.section) + "_" + each.param.key; });

TEST(Config, TextsAreChecked) {
  EXPECT_NE(problems_of("[server]\ndomain = \"Chat.Example\"\n").find("lower-case"),
            std::string::npos);
  EXPECT_NE(problems_of("[server]\nlisten = \"\"\n").find("ADDRESS:PORT"), std::string::npos);
  EXPECT_NE(problems_of("[server]\nmetrics = \"9210\"\n").find("ADDRESS:PORT"), std::string::npos);
  EXPECT_NE(problems_of("[server]\ndata = \"\"\n").find("a folder is needed"), std::string::npos);
  EXPECT_EQ(problems_of("[server]\nadmin_socket = \"" + std::string(107, 'a') + "\"\n"), "none");
  EXPECT_NE(
      problems_of("[server]\nadmin_socket = \"" + std::string(108, 'a') + "\"\n").find("107 bytes"),
      std::string::npos);
}

TEST(Config, ExemptAddressesAreChecked) {
  const auto with = [](const std::string& text) {
    return problems_of("[limits]\nexempt_addresses = \"" + text + "\"\n");
  };
  EXPECT_EQ(with(""), "none");
  EXPECT_EQ(with("10.0.0.0/8, 2001:db8::/32, ::1"), "none");
  std::string many;
  for (int i = 0; i < 32; ++i) many += "10.0.0." + std::to_string(i) + " ";
  EXPECT_EQ(with(many), "none");
  for (const std::string& wrong :
       {std::string("localhost"), std::string("10.0.0.0/33"), many + "::1"}) {
    EXPECT_NE(with(wrong).find("at most 32"), std::string::npos) << wrong;
  }
}

TEST(Config, AddressesAndRoutesOfADeviceAreChecked) {
  const auto with = [](const std::string& key, const std::string& text) {
    return problems_of("[io]\n" + key + " = \"" + text + "\"\n");
  };
  const auto repeated = [](const std::string& text, int times) {
    std::string all = text;
    for (int i = 1; i < times; ++i) all += ", " + text;
    return all;
  };
  EXPECT_EQ(with("addresses", repeated("192.0.2.2/24", 60)), "none");
  EXPECT_NE(with("addresses", repeated("192.0.2.2/24", 61)).find("at most 60"), std::string::npos);
  EXPECT_NE(with("addresses", "192.0.2.2").find("ADDRESS/BITS"), std::string::npos);
  EXPECT_NE(with("addresses", "192.0.2.2/24, ::1").find("ADDRESS/BITS"), std::string::npos);
  EXPECT_EQ(with("gateway", "192.0.2.1, fe80::1"), "none");
  for (const char* wrong : {"192.0.2.0/24", "192.0.2.1, 192.0.2.3", "a"}) {
    EXPECT_NE(with("gateway", wrong).find("one IPv4 and one IPv6"), std::string::npos) << wrong;
  }
  EXPECT_EQ(with("routes", repeated("10.0.0.0/8 via 192.0.2.1", 64)), "none");
  EXPECT_NE(with("routes", repeated("10.0.0.0/8 via 192.0.2.1", 65)).find("at most 64"),
            std::string::npos);
  EXPECT_NE(with("routes", "10.0.0.0/8 via fe80::1").find("at most 64"), std::string::npos);
  EXPECT_NE(with("device", "net_tap0, iface=x").find("PCI address"), std::string::npos);
  EXPECT_NE(problems_of("[io]\nbackend = \"xdp\"\n").find("\"uring\" or \"dpdk\""),
            std::string::npos);
}

TEST(Config, WhatDpdkNeedsGoesTogether) {
  Config config = every_key_set();
  EXPECT_TRUE(check_config(config).empty());
  const auto problem = [](const Config& checked) {
    const auto problems = check_config(checked);
    return problems.size() == 1 ? problems[0] : std::to_string(problems.size()) + " problems";
  };
  for (const char* listen : {"0.0.0.0:5210", "[::]:5210", "192.0.2.2:5210", "[::1]:5210"}) {
    config.server.listen = listen;
    EXPECT_TRUE(check_config(config).empty()) << listen;
  }
  config.server.listen = "127.0.0.1:5210";
  EXPECT_EQ(problem(config),
            "[server] listen = \"127.0.0.1:5210\": with the backend \"dpdk\" it is one of "
            "io.addresses, 0.0.0.0 or [::]");
  config.server.listen = "0.0.0.0:5210";
  config.io.ports[0].device = "";
  EXPECT_EQ(problem(config), "[io] device = \"\": the backend \"dpdk\" needs one");
  config.io.ports[0].device = "0000:03:00.0";
  config.io.ports[0].gateway = "198.51.100.1";
  EXPECT_NE(problem(config).find("[io] gateway"), std::string::npos);
  config.io.ports[0].gateway = "fe80::1";
  EXPECT_TRUE(check_config(config).empty());
  config.io.ports[0].routes = "10.0.0.0/8 via 198.51.100.1";
  EXPECT_NE(problem(config).find("[io] routes"), std::string::npos);
  config.io.ports[0].routes = "";
  config.io.ports[0].addresses = "";
  EXPECT_EQ(problem(config), "[io] addresses = \"\": the backend \"dpdk\" needs one at least");
  config.io.backend = IoBackend::uring;
  EXPECT_TRUE(check_config(config).empty()) << "none of it matters then";
}

TEST(Config, ChecksWhatFlagsPutTogether) {
  Config config;
  config.server.listen = "nonsense";
  config.server.shards = 17;
  const ConfigProblems problems = check_config(config);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[1], "[server] shards = 17: 0 to 16 is allowed");
}

TEST(Config, NamesWhatTakesARestart) {
  Config wanted;
  wanted.registration.mode = RegistrationMode::closed;
  wanted.registration.burst = 1;
  wanted.log.level = LogLevel::debug;
  EXPECT_TRUE(restart_needed(Config{}, wanted).empty());
  wanted.server.shards = 2;
  wanted.delivery.ttl_days = 1;
  EXPECT_EQ(restart_needed(Config{}, wanted),
            (std::vector<std::string>{"delivery.ttl_days", "server.shards"}));
}

TEST(Config, AdminSocketIsInTheDataFolderUnlessSet) {
  Config config;
  EXPECT_EQ(admin_socket_path(config), "./godwit-data/admin.sock");
  config.server.admin_socket = "/run/x";
  EXPECT_EQ(admin_socket_path(config), "/run/x");
}

// Slips that toml++ asserts on or has no answer for.
TEST(Config, SlipsOfThePenAreReported) {
  for (const char* text : {"\n[|server]\n", "\n[ä]\n", "\nä = 1\n", "\n[server]ä\n",
                           "\n\u00a0[server]\n", "\n\"a\"\u0120 = 1", "\n'ä' ä"}) {
    const auto config = parse_config(text, "g.toml");
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().at(0).find("g.toml:"), 0u) << config.error().at(0);
  }
  const auto config = parse_config(
      "\xef\xbb\xbf# ä\n[server] # ö \"\ndata = \"ä\\\"ü\" # '\nadmin_socket = '\u0120'", "g.toml");
  ASSERT_TRUE(config) << config.error().at(0);
  EXPECT_EQ(config->server.data, "ä\"ü");
}

TEST(Config, LoadsAFileAndNamesAMissingOne) {
  const ScratchFolder folder;
  std::ofstream(folder / "g.toml") << every_key;
  const auto config = load_config(folder / "g.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(*config, every_key_set());
  const auto missing = load_config(folder / "none.toml");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().at(0).find("none.toml"), std::string::npos);
}

TEST(HostPort, Forms) {
  EXPECT_EQ(parse_host_port("127.0.0.1:5210"), (HostPort{"127.0.0.1", 5210}));
  EXPECT_EQ(parse_host_port("[::1]:1"), (HostPort{"::1", 1}));
  EXPECT_EQ(parse_host_port("localhost:0"), (HostPort{"127.0.0.1", 0}));
  EXPECT_EQ(parse_host_port("0.0.0.0:65535"), (HostPort{"0.0.0.0", 65535}));
  for (const char* wrong :
       {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x",
        "::1:80", "[::1]", "[127.0.0.1]:1", "[]:1", "example.org:80", " 127.0.0.1:80"}) {
    EXPECT_FALSE(parse_host_port(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace godwit::control
