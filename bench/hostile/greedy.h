// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/random.h"
#include "client/load/load_client.h"

// Two registered clients of whom the first sends the second all it can, and the second reads, or
// never does, or is away, or fetches what waits. Correct otherwise: a gateway has no reason to end
// them. Blocking sockets; meant for a process of its own.

namespace godwit::bench {

using client::load::LoadAccount;
using client::load::LoadClient;
using client::load::make_accounts;

enum class Greed : std::uint8_t { sends, never_reads, fills, fetches };

struct GreedyOptions {
  Greed greed{};
  std::uint16_t port = 0;
  std::span<LoadAccount> accounts;  // two
  std::uint64_t messages = 0;       // sent, then it waits
};

// Counts messages settled, or fetched. Returns only when nothing is left to do or it is hung up on.
void run_greedy(const GreedyOptions& options, RandomSource& random,
                std::atomic<std::uint64_t>& count);

}  // namespace godwit::bench
