// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

// What the store files hold for devices, read from the files themselves while the gateway uses
// them: also for accounts that no home has in memory. Reads every stored message's head, which
// takes a while for millions, so not on control's thread. Thread safety: any thread.

namespace godwit::control {

struct StoredQueue {
  std::uint64_t account_id = 0;
  std::uint16_t device = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::int64_t oldest_s = 0;  // Unix time at which the oldest was accepted
  friend bool operator==(const StoredQueue&, const StoredQueue&) = default;
};

struct StoredQueues {
  std::vector<StoredQueue> queues;  // the longest first
  unsigned unreadable_files = 0;
};

struct StoredQueuesQuery {
  std::string folder;            // with the store files
  std::uint64_t account_id = 0;  // 0: of all accounts
  std::uint32_t limit = 0;
};

StoredQueues stored_queues(const StoredQueuesQuery& query);

}  // namespace godwit::control
