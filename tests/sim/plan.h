// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "tests/sim/sim_gateway.h"

// What a seed makes of a run: how many of everything, which limits are tight, and how often what
// goes wrong. Each seed leaves some of it out, so that rare meetings of two faults are not drowned
// by the others.

namespace godwit::sim {

// Chances are one in so many steps; 0: never.
struct Plan {
  unsigned accounts = 2;
  unsigned devices_per_account_max = 1;
  unsigned liars = 0;
  unsigned steps = 2000;
  std::size_t messages_max = 400;

  std::uint64_t send = 40;
  std::uint64_t burst_max = 4;  // messages of one send
  std::uint64_t payload_max = 200;
  std::uint64_t pass_time = 3;
  std::uint64_t pass_long = 0;  // up to some seconds

  std::uint64_t cut = 0;   // a connection
  std::uint64_t hold = 0;  // a connection, for a while
  std::uint64_t kill_device = 0;
  std::uint64_t stall_device = 0;  // it is not given its turn for a while
  std::uint64_t crash = 0;         // of the gateway
  std::uint64_t crash_in_commit = 0;
  std::uint64_t kick = 0;           // by an operator
  std::uint64_t disk = 0;           // a change of what is wrong with a file
  std::uint64_t stall_gateway = 0;  // a shard, a storage thread or control
  bool partial = false;             // bytes move a few at a time, or not yet

  dataplane::Settings settings;
  SimGateway::Options gateway;
  std::uint16_t shards_max = 1;
  std::uint16_t storage_threads_max = 1;
  std::size_t device_send_queue_max = std::size_t{1} << 20;

  static Plan draw(SeededRandom& random);
  // The limits, for people.
  std::string describe() const;
};

}  // namespace godwit::sim
