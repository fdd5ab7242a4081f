// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "queues/buffer.h"
#include "queues/command.h"

// The seam between a home and durable storage: descriptors on rings, and the interface a store file
// implements.
//
// The account space has 4 096 slots; a store file holds `slots_per_store_file` of them, whatever
// the number of shards or storage threads. A file is served by one storage thread and one home at a
// time.

namespace godwit::queues {

inline constexpr std::uint32_t slot_count = 4096;
inline constexpr std::uint32_t store_file_count = 16;
inline constexpr std::uint32_t slots_per_store_file = slot_count / store_file_count;

constexpr std::uint32_t slot_of(std::uint64_t account_hash) {
  return account_hash % slot_count;
}
constexpr std::uint32_t store_file_of(std::uint64_t account_hash) {
  return slot_of(account_hash) / slots_per_store_file;
}

enum class StoreRequestKind : std::uint8_t {
  put,        // account_id, device, sequence, mailbox, accepted_s, expires_s, buffer
  erase,      // account_id, device, sequence: everything up to and with it
  load,       // account_id, device, mailbox, sequence: after it; limit, limit_bytes
  summarize,  // account_id, mailbox = home's own token: every device of the account
  purge,      // account_id, device (0: all): everything, also what was not delivered
  resume,     // file: after a failed put, every put of this home to this file fails until this
           // arrives, so that nothing posted before the home knew can be stored behind what it is
           // about to refuse
};

struct StoreRequest {
  StoreRequestKind kind{};
  std::uint8_t file = 0;
  std::uint16_t device = 0;
  std::uint32_t limit = 0;
  std::uint64_t account_id = 0;
  std::uint64_t sequence = 0;
  MailboxName mailbox{};
  std::uint32_t accepted_s = 0;  // Unix time
  std::uint32_t expires_s = 0;   // Unix time
  std::uint64_t limit_bytes = 0;
  BufferBlock* buffer = nullptr;  // Envelope + body; the reference moves to the storage thread
  std::uint64_t reserved = 0;
};
static_assert(sizeof(StoreRequest) == 64 && std::is_trivially_copyable_v<StoreRequest>);

enum class StoreReplyKind : std::uint8_t {
  committed,       // mailbox, sequence: durable (or erased before it was written)
  failed,          // mailbox, sequence: not stored; error
  loaded,          // mailbox, sequence, accepted_s, buffer
  load_end,        // mailbox, sequence = next stored one after those loaded, 0 when there is none
  load_failed,     // mailbox; error
  summary,         // mailbox token, device, sequence = lowest, high = highest, count, bytes
  summary_end,     // mailbox token
  summary_failed,  // mailbox token; error
};

struct StoreReply {
  StoreReplyKind kind{};
  ErrorCode error{};
  std::uint16_t device = 0;
  std::uint32_t accepted_s = 0;
  MailboxName mailbox{};
  std::uint64_t sequence = 0;
  std::uint64_t high = 0;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  BufferBlock* buffer = nullptr;  // of the storage thread's pool
  std::uint32_t file = 0;         // committed and failed: the request's
  std::uint32_t reserved = 0;
};
static_assert(sizeof(StoreReply) == 64 && std::is_trivially_copyable_v<StoreReply>);

// One store file, used by one thread. All calls may block; none throws.
class MessageStore {
 public:
  virtual ~MessageStore() = default;

  struct Put {
    std::uint64_t account_id = 0;
    std::uint16_t device = 0;
    std::uint64_t sequence = 0;
    std::uint32_t accepted_s = 0;
    std::uint32_t expires_s = 0;
    Bytes bytes;
  };
  struct Erase {
    std::uint64_t account_id = 0;
    std::uint16_t device = 0;                  // 0: every device
    std::uint64_t upto_sequence = UINT64_MAX;  // inclusive
  };
  // In order: an erase affects puts before it.
  struct Operation {
    enum class Kind : std::uint8_t { put, erase } kind{};
    Put put{};
    Erase erase{};
  };
  // One transaction, durable when it returns; on an error nothing of it is.
  virtual Result<void> apply(std::span<const Operation> operations) = 0;

  struct Stored {
    std::uint64_t sequence = 0;
    std::uint32_t accepted_s = 0;
    Bytes bytes;  // valid during the callback
  };
  struct LoadRange {
    std::uint64_t account_id = 0;
    std::uint16_t device = 0;
    std::uint64_t after_sequence = 0;
    std::uint32_t limit = 0;
    std::uint64_t limit_bytes = 0;  // at least one message is loaded however large
    std::uint32_t now_s = 0;        // what has expired by then is passed over
  };
  // Ascending. `take` returns false to stop before a message (no memory for it). Returns the
  // sequence of the next stored message that was not taken, 0 when there is none.
  virtual Result<std::uint64_t> load(const LoadRange& range,
                                     const std::function<bool(const Stored&)>& take) = 0;

  struct Summary {
    std::uint16_t device = 0;
    std::uint64_t lowest = 0;
    std::uint64_t highest = 0;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  virtual Result<std::vector<Summary>> summarize(std::uint64_t account_id) = 0;

  // Ids, ascending and above `after`, of accounts that have something here; at most `limit`. Fewer:
  // there are no more.
  virtual Result<std::vector<std::uint64_t>> accounts(std::uint64_t after, std::uint32_t limit) = 0;

  // Erases at most `limit` messages that have expired; returns how many it erased.
  virtual Result<std::uint64_t> expire(std::uint32_t now_s, std::uint32_t limit) = 0;

  // In quiet moments: gives space back and leaves nothing of what was erased in files beside the
  // store's own.
  virtual Result<void> maintain() = 0;
};

}  // namespace godwit::queues
