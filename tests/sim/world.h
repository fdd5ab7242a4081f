// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/liar.h"
#include "tests/sim/plan.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_gateway.h"

// One run of one seed: a gateway and its clients in one thread on virtual time. At each step one
// part takes its turn, chosen by the seed, and something may go wrong. After that all faults stop,
// and everything must come to rest: all delivered, nothing left behind.

namespace godwit::sim {

struct Outcome {
  std::string failure;  // empty: none
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  std::size_t sent = 0;
  std::size_t accepted = 0;
  std::size_t refused = 0;
  std::size_t shown = 0;
  std::size_t crashes = 0;
};

// `scratch` is a folder that exists; the run's clients have theirs in it and are gone at the end.
Outcome run(std::uint64_t seed, const std::string& scratch, bool verbose = false);

class World {
 public:
  World(std::uint64_t seed, const std::string& scratch, bool verbose);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Outcome live();

 private:
  // world_calm.cc: without faults.
  void register_devices();
  void make_liar();
  void come_to_rest();
  void everybody_writes_to_everybody();
  void check_absence();
  void check_floor();
  // Everything takes turns until `done` says so; fails with `what` when it never does.
  template <typename Done>
  void settle(const std::string& what, Done&& done);
  bool round();
  std::string matters() const;
  std::string leftovers_on_disk() const;

  // world_faults.cc
  void step();
  void turn_somebody();
  void send_something();
  void maybe_hurt_clients();
  void maybe_hurt_gateway();
  void change_disk();
  void stop_faults();
  std::size_t transfer(const dataplane::io::MemoryNetwork::Transfer& transfer);

  void start_gateway();
  void crash_gateway(const char* why);
  void pass(Duration time);
  void learn_accounts();
  bool chance(std::uint64_t one_in) { return one_in > 0 && random_.below(one_in) == 0; }
  SimDevice& some_device() { return *devices_[random_.below(devices_.size())]; }
  bool failed() const { return trace_.failed(); }

  SeededRandom random_;
  const Plan plan_;
  const std::string scratch_;
  Trace trace_;
  Now now_{Instant{std::chrono::seconds(50)}, WallTime{std::chrono::seconds(2'000'000'000)}};
  dataplane::io::MemoryNetwork network_;
  SimDisk disk_;
  Ledger ledger_;
  std::unique_ptr<control::AccountStore> accounts_;
  std::unique_ptr<control::KeyDirectory> keys_;
  std::unique_ptr<SimGateway::Site> site_;
  std::unique_ptr<SimGateway> gateway_;
  std::vector<std::unique_ptr<SimDevice>> devices_;
  std::vector<std::unique_ptr<Liar>> liars_;
  struct Pause {
    std::size_t part = 0;
    unsigned until = 0;  // step
  };
  std::vector<Pause> stalled_;  // of parts: devices first, then the gateway's
  std::vector<std::pair<std::uint64_t, unsigned>> held_;  // links, until which step
  std::uint32_t epoch_ = 1000;
  unsigned step_ = 0;
  unsigned gateway_back_at_ = 0;
  std::size_t crashes_ = 0;
  bool faults_ = false;
};

}  // namespace godwit::sim
