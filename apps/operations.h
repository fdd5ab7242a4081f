// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "control/admin_server.h"
#include "control/config.h"
#include "control/control.h"
#include "control/control_loop.h"
#include "control/stored_queues.h"

// What an operator asks of the running program rather than of its accounts: reload, log level,
// drain, backup. Thread safety: reload() from any thread; the rest on control's thread.

namespace godwit::apps {

class Operations {
 public:
  // Reads the configuration again, flags included.
  using ReadConfig = std::function<std::expected<control::Config, control::ConfigProblems>()>;

  struct Options {
    const control::Config& config;  // as started
    ReadConfig read_again;
    control::ControlLoop& loop;
    // Hands the limits that can change while running to the shards.
    std::function<void(const control::Config::Limits&)> set_limits;
    // Begins the end of the program: clients are sent away, to come back within the spread.
    std::function<void(std::chrono::seconds spread)> drain;
    // The network devices and each shard's end of them, where TCP is our own.
    std::function<Result<nlohmann::json>()> ports;
    // Writes that device's frames to files for a time; the files' names.
    struct CaptureWanted {
      std::string folder;
      std::chrono::seconds time;
    };
    std::function<Result<std::vector<std::string>>(const CaptureWanted&)> capture;
  };

  explicit Operations(Options options) : options_(std::move(options)) {}
  ~Operations();
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  // The commands, for AdminCommands. `control` and this object live while they may come.
  std::map<std::string, control::AdminHandler, std::less<>> commands(control::Control& control);

  // For AdminCommands. One reading at a time; another one meanwhile gets nothing but a file that
  // could not be read.
  void read_stored(std::uint64_t account_id, std::uint32_t limit,
                   std::function<void(control::StoredQueues)> done);

  // Takes over what the configuration now says and can change while running; the log tells what
  // takes a restart. A configuration with a mistake changes nothing.
  void reload(control::Control& control);

 private:
  using Answer = Result<nlohmann::json>;

  Result<std::vector<std::string>> take_over_config(control::Control& control);
  Answer set_level(const nlohmann::json& request);
  Answer drain(const nlohmann::json& request);
  Answer capture(const nlohmann::json& request);
  void back_up(const nlohmann::json& request, const control::AdminAnswer& answer);

  const Options options_;
  std::thread backup_;
  bool backing_up_ = false;
  std::thread reader_;
  bool reading_ = false;
};

}  // namespace godwit::apps
