// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>

#include "apps/gateway.h"
#include "apps/log.h"
#include "apps/notify.h"
#include "apps/port_flags.h"

// The gateway's program: flags over file over defaults, then a Gateway until a signal.

namespace {

using godwit::apps::Gateway;
using godwit::control::Config;
using godwit::control::ConfigProblems;

struct Flags {
  std::string config;
  std::string data;
  std::string listen;
  std::string domain;
  std::string admin_socket;
  std::string metrics;
  std::uint32_t shards = 0;
  std::string io;
  godwit::apps::PortFlags ports;
  bool check_config = false;
  bool print_config = false;
};

int complain(const std::string& message) {
  std::cerr << "godwitd: " << message << "\n";
  return 1;
}

void apply_flags(const CLI::App& app, const Flags& flags, Config& config) {
  if (app.count("--data") > 0) config.server.data = flags.data;
  if (app.count("--listen") > 0) config.server.listen = flags.listen;
  if (app.count("--domain") > 0) config.server.domain = flags.domain;
  if (app.count("--admin-socket") > 0) config.server.admin_socket = flags.admin_socket;
  if (app.count("--metrics") > 0) config.server.metrics = flags.metrics;
  if (app.count("--shards") > 0) config.server.shards = flags.shards;
  if (app.count("--io") > 0) {
    config.io.backend =
        flags.io == "dpdk" ? godwit::control::IoBackend::dpdk : godwit::control::IoBackend::uring;
  }
  flags.ports.apply_to(config.io.ports);
}

// The file, when there is one, under the flags; a good configuration or what is wrong with it.
std::expected<Config, ConfigProblems> read_config(const CLI::App& app, const Flags& flags) {
  Config config;
  if (!flags.config.empty()) {
    auto loaded = godwit::control::load_config(flags.config);
    if (!loaded) return loaded;
    config = std::move(*loaded);
  }
  apply_flags(app, flags, config);
  auto problems = godwit::control::check_config(config);
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return config;
}

// Waits for the signal that ends the program, telling systemd meanwhile that all is well: when a
// thread hangs, systemd's watchdog ends the process, and a start takes no repair.
void serve(const sigset_t& signals, Gateway& gateway) {
  const timespec period{.tv_sec = 5, .tv_nsec = 0};
  for (;;) {
    const int signal = ::sigtimedwait(&signals, nullptr, &period);
    if (signal == SIGTERM || signal == SIGINT) {
      spdlog::info("stopping on signal {}", signal);
      return;
    }
    if (signal == SIGHUP) gateway.reload();
    // A signal may come at once after the last look; then nothing is said of the threads.
    if (signal < 0 && gateway.turning()) godwit::apps::notify_systemd("WATCHDOG=1");
  }
}

int run(const Config& config, godwit::apps::Operations::ReadConfig read_again) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  sigset_t blocked = signals;
  sigaddset(&blocked, SIGIO);                       // a tap's, for the shard that wants it
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);  // before the threads, which inherit it
  ::signal(SIGPIPE, SIG_IGN);

  auto log_lines_left_out = godwit::apps::start_log(config.log.level);
  auto gateway = Gateway::start(config, std::move(read_again), std::move(log_lines_left_out));
  if (!gateway) return complain(gateway.error().message);
  const auto host = godwit::control::parse_host_port(config.server.listen)->host;
  spdlog::info("{}", (*gateway)->io_description());
  std::cout << "operator key " << godwit::to_hex((*gateway)->keys().operator_public_key) << "\n"
            << "listening on " << host << ":" << (*gateway)->port() << ", domain "
            << config.server.domain << ", metrics " << (*gateway)->metrics_address() << std::endl;
  if (config.delivery.ack_after == godwit::control::AckAfter::memory) {
    spdlog::warn("ack_after = \"memory\": acknowledged messages are lost when this process dies");
  }
  godwit::apps::notify_systemd("READY=1");
  serve(signals, **gateway);
  godwit::apps::notify_systemd("STOPPING=1");
  (*gateway)->stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Godwit, a messaging gateway"};
  Flags flags;
  app.set_version_flag("--version", std::string("godwitd ") + GODWIT_VERSION);
  app.add_option("--config", flags.config, "configuration file (TOML); flags go over it");
  app.add_option("--data", flags.data, "data folder (./godwit-data)");
  app.add_option("--listen", flags.listen,
                 "address for clients (127.0.0.1:5210); port 0 takes a free one");
  app.add_option("--domain", flags.domain, "domain served (localhost)");
  app.add_option("--admin-socket", flags.admin_socket,
                 "admin socket (admin.sock in the data folder)");
  app.add_option("--metrics", flags.metrics,
                 "address of the metrics page (127.0.0.1:9210); \"\" for none");
  app.add_option("--shards", flags.shards, "dataplane threads; 0 for one a core");
  app.add_option("--io", flags.io, "what carries the bytes: uring or dpdk (uring)")
      ->check(CLI::IsMember({"uring", "dpdk"}));
  flags.ports.add_to(app, "net_tap0,iface=gw0");
  app.add_flag("--check-config", flags.check_config, "check the configuration and end");
  app.add_flag("--print-config", flags.print_config, "print the whole configuration and end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    std::cerr << "godwitd: " << error.what() << "; see godwitd --help\n";
    return 2;
  }
  const auto config = read_config(app, flags);
  if (!config) {
    for (const std::string& problem : config.error()) complain(problem);
    return flags.config.empty() ? 2 : 1;
  }
  if (flags.print_config) std::cout << godwit::control::render_config(*config);
  if (flags.check_config) std::cout << "the configuration is good\n";
  if (flags.print_config || flags.check_config) return 0;
  return run(*config, [&] { return read_config(app, flags); });
}
