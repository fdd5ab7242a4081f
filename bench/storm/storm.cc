// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>

#include "bench/generator/program.h"
#include "bench/generator/scenario.h"
#include "bench/storm/crowd.h"

// How long it takes until all clients are back after a gateway was killed, and after it was
// drained, beside the time in which the same clients arrive as fast as handshakes go. Exits 0 when
// all came back each time.

namespace {

using namespace godwit;
using namespace godwit::bench;

struct Arguments {
  ProgramOptions program = program_options("storm");
  std::size_t clients = 10'000;
  double patience_s = 120;
};

constexpr std::size_t handshakes_at_once = 256;

class Storm {
 public:
  Storm(Arguments arguments, std::string folder)
      : arguments_(std::move(arguments)),
        folder_(std::move(folder)),
        accounts_(make_accounts(arguments_.clients, random_)) {}

  Result<void> run() {
    const BenchSettings settings{.godwitd = arguments_.program.godwitd,
                                 .folder = folder_,
                                 .server_core = arguments_.program.server_core};
    if (auto done = register_accounts(settings, accounts_, random_); !done) {
      return std::unexpected(done.error());
    }
    if (auto done = start(); !done) return done;
    Crowd crowd({.port = port_, .accounts = accounts_, .at_once = handshakes_at_once}, random_);
    std::printf("%zu clients, one shard\n%-34s %10s %10s %10s\n", accounts_.size(), "", "seconds",
                "attempts", "of arrival");
    if (auto done = back(crowd, "arrival, 256 handshakes at once"); !done) return done;
    crowd.set_at_once(0);
    ::kill(server_->pid(), SIGKILL);
    if (auto done = crowd.until_all_are_gone(patience()); !done) return done;
    if (auto done = start(); !done) return done;
    if (auto done = back(crowd, "killed: their own back-off"); !done) return done;
    for (const unsigned spread_s : {1u, 5u}) {
      if (auto done = drain(spread_s); !done) return done;
      if (auto done = crowd.until_all_are_gone(patience()); !done) return done;
      if (auto done = start(); !done) return done;
      const std::string what = "drained: slots within " + std::to_string(spread_s) + " s";
      if (auto done = back(crowd, what); !done) return done;
    }
    return {};
  }

 private:
  Duration patience() const {
    return Duration(static_cast<Duration::rep>(arguments_.patience_s * 1e9));
  }

  // On the same port each time.
  Result<void> start() {
    server_.reset();
    auto started = ServerProcess::start(
        {.command = {arguments_.program.godwitd, "--config", folder_ + "/godwit.toml", "--data",
                     folder_ + "/data", "--listen", "127.0.0.1:" + std::to_string(port_),
                     "--shards", "1", "--metrics", ""},
         .core = arguments_.program.server_core,
         .log = folder_ + "/godwitd.log"});
    if (!started) return std::unexpected(started.error());
    server_.emplace(std::move(*started));
    port_ = server_->port();
    return {};
  }

  Result<void> drain(unsigned spread_s) const {
    const std::string ctl =
        std::filesystem::path(arguments_.program.godwitd).parent_path() / "godwitctl";
    const std::string command = ctl + " --socket " + folder_ + "/data/admin.sock drain --spread " +
                                std::to_string(spread_s) + " > /dev/null";
    if (std::system(command.c_str()) == 0) return {};
    return fail(ErrorCode::unavailable, "cannot drain");
  }

  Result<void> back(Crowd& crowd, const std::string& what) {
    (void)crowd.take_attempts();
    const auto took = crowd.until_all_are_back(patience());
    if (!took) return std::unexpected(took.error());
    const double seconds = std::chrono::duration<double>(*took).count();
    if (arrival_s_ == 0) arrival_s_ = seconds;
    const auto attempts = crowd.take_attempts();
    std::printf("%-34s %10.2f %10llu %10.2f\n", what.c_str(), seconds,
                static_cast<unsigned long long>(attempts.tried), seconds / arrival_s_);
    std::fflush(stdout);
    return {};
  }

  const Arguments arguments_;
  const std::string folder_;
  SystemRandom random_;
  std::vector<LoadAccount> accounts_;
  std::optional<ServerProcess> server_;
  std::uint16_t port_ = 0;
  double arrival_s_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"How soon all clients are back after a restart"};
  add_options(app, arguments.program);
  app.add_option("--clients", arguments.clients, "clients (10000)")->check(CLI::Range(2, 16'000));
  app.add_option("--patience", arguments.patience_s, "seconds until it gives up (120)");
  CLI11_PARSE(app, argc, argv);
  arguments.clients &= ~std::size_t{1};
  return run_program(arguments.program,
                     [&](const std::string& folder) { return Storm(arguments, folder).run(); });
}
