// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "bench/generator/load.h"
#include "bench/generator/server_process.h"

// What bench_gateway_cost measures, each as a function from settings to numbers. They start and end
// their own servers. Not thread safe.

namespace godwit::bench {

struct BenchSettings {
  std::string relay;  // paths of the two servers
  std::string godwitd;
  std::string folder;                  // for data, configuration and logs
  std::vector<std::string> config;     // lines of TOML
  std::vector<std::string> arguments;  // further ones for godwitd
  std::vector<std::string> relay_arguments;
  int server_core = 0;
  Pacing pacing = Pacing::reply;
  unsigned batch = 32;
  Duration batch_wait = std::chrono::microseconds(50);
  unsigned rounds = 5;
  Duration warm_up = std::chrono::milliseconds(300);
  Duration round_time = std::chrono::milliseconds(1500);
  std::size_t payload_size = 100;
  // Added to the relay's payloads, so that its frames are as large as the gateway's deliveries.
  std::size_t relay_padding = 0;
};

// One server under one load for one round.
struct RoundCost {
  double us_per_message = 0;        // CPU of all its threads
  double shard_us_per_message = 0;  // of the busiest alone
  double messages_per_second = 0;
  double server_busy = 0;     // of one core
  double generator_busy = 0;  // the same
  double bytes_in = 0;        // a message, to the clients
  double bytes_out = 0;       // a message, from them
  double frames_out = 0;      // a message
  double ack_frames = 0;      // a message, with nothing but an acknowledgement
  apps::ThreadTimes threads;  // what each took
};

struct MessageCost {
  std::size_t connections = 0;
  unsigned window = 0;
  std::vector<RoundCost> relay;
  std::vector<RoundCost> gateway;
};

struct RegistrationCost {
  std::size_t accounts = 0;
  double per_second = 0;
};

struct LoginRate {
  double per_second = 0;        // of server CPU
  double per_shard_second = 0;  // of the shard's CPU
};

struct SessionCost {
  std::size_t sessions = 0;
  double resident_bytes = 0;           // a session, from none to all
  double anonymous_bytes = 0;          // the same
  double resident_bytes_marginal = 0;  // a session, of the second half alone
  LoginRate hybrid_logins;             // XXhfs
  LoginRate classical_logins;          // XX
};

// The gateway's accounts are registered before anything is measured.
Result<RegistrationCost> register_accounts(const BenchSettings& settings,
                                           std::span<LoadAccount> accounts, RandomSource& random);

// `gateway_accounts` and `relay_accounts`: one for each connection. Alternates between the servers,
// so that what else the machine does meets both.
struct PairedAccounts {
  std::span<LoadAccount> gateway;
  std::span<LoadAccount> relay;
};
Result<MessageCost> measure_messages(const BenchSettings& settings, PairedAccounts accounts,
                                     unsigned window, RandomSource& random);

Result<SessionCost> measure_sessions(const BenchSettings& settings, std::span<LoadAccount> accounts,
                                     RandomSource& random);
// All of them log in with a handshake without ML-KEM.
Result<LoginRate> measure_classical_logins(const BenchSettings& settings,
                                           std::span<LoadAccount> accounts, RandomSource& random);

// "adaptive" or "poll", as godwitd reads its configuration.
std::string idle_mode(const BenchSettings& settings);

}  // namespace godwit::bench
