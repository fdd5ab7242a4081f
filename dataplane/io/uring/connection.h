// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/connection_name.h"
#include "base/result.h"
#include "dataplane/io/stream.h"
#include "queues/chunk_table.h"

// What io/uring keeps of a connection, and the blocks its outgoing bytes wait in. Owner thread
// only.

namespace godwit::dataplane::io::uring {

// Outgoing bytes wait in blocks of one size, taken from a pool and given back when sent: an idle
// connection has none.
struct SendBlock {
  static constexpr std::uint32_t size = 2048;

  SendBlock* next = nullptr;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::array<std::uint8_t, size - 16> bytes;

  bool is_full() const { return end == bytes.size(); }
};
static_assert(sizeof(SendBlock) == SendBlock::size);

// Blocks one after another, linked in a ring: 8 bytes a connection. Owns none of them.
class SendQueue {
 public:
  bool empty() const { return last_ == nullptr; }
  // REQUIRES: not empty, this one and the two after it.
  SendBlock* first() const { return last_->next; }
  SendBlock* last() const { return last_; }
  SendBlock* pop() {
    SendBlock* const block = first();
    last_->next = block->next;
    if (block == last_) last_ = nullptr;
    return block;
  }
  void push(SendBlock* block) {
    block->next = empty() ? block : first();
    if (!empty()) last_->next = block;
    last_ = block;
  }

 private:
  SendBlock* last_ = nullptr;
};

// Blocks up to a number of bytes; made a few at a time, last given back first taken, so that they
// stay in the cache.
class SendPool {
 public:
  explicit SendPool(std::size_t bytes_max) : blocks_max_(bytes_max / SendBlock::size) {}

  // Only after has_room().
  SendBlock* take() {
    GODWIT_CHECK(used_ < blocks_max_);
    if (free_ == nullptr) grow();
    SendBlock* block = free_;
    free_ = block->next;
    block->begin = block->end = 0;
    ++used_;
    return block;
  }
  void give_back(SendBlock* block) {
    block->next = free_;
    free_ = block;
    --used_;
  }
  bool has_room(std::size_t blocks) const { return used_ + blocks <= blocks_max_; }
  // Those refused may try again.
  bool is_relieved() const { return used_ * 4 <= blocks_max_ * 3; }

 private:
  void grow() {
    constexpr std::size_t slab = 64;
    slabs_.push_back(std::make_unique_for_overwrite<SendBlock[]>(slab));
    for (std::size_t i = slab; i-- > 0;) {
      slabs_.back()[i].next = free_;
      free_ = &slabs_.back()[i];
    }
  }

  const std::size_t blocks_max_;
  std::size_t used_ = 0;
  SendBlock* free_ = nullptr;
  std::vector<std::unique_ptr<SendBlock[]>> slabs_;
};

enum class Phase : std::uint8_t {
  unused,
  connecting,
  open,
  draining,  // the peer's FIN has come; what is queued still leaves
  closing,   // closed by us: the queue leaves, then our FIN, then the peer's is awaited
  dying,     // operations cancelled, their last completions awaited, then on_closed
};

// Operations of a connection; at most one of each is under way.
enum class Op : std::uint8_t {
  none,
  connect,
  poll,
  receive,
  send,
  shutdown,
  accept,
  wake,
  install
};

struct Connection {
  std::uint64_t user = 0;
  SendQueue blocks;
  std::int32_t descriptor = -1;
  std::uint32_t queued = 0;    // bytes waiting, those under way included
  std::uint32_t active_s = 0;  // when bytes last came
  std::uint16_t generation = 1;
  std::uint8_t operations = 0;  // a bit an Op: armed and not finally completed
  Phase phase = Phase::unused;
  CloseReason reason = CloseReason::local;
  bool fixed : 1 = false;  // a direct descriptor
  bool dirty : 1 = false;  // in the list of connections to send for
  bool paused : 1 = false;
  bool want_writable : 1 = false;
  bool awaits_pool : 1 = false;  // in the list of those refused for want of memory
  bool starved : 1 = false;      // in the list of those waiting for a receive buffer
  bool stashed : 1 = false;      // bytes or the FIN came while paused
  bool resuming : 1 = false;     // in the list of those whose stash is to be delivered
  bool cancelling : 1 = false;   // the receive is being cancelled
  bool cooling : 1 = false;      // ... because nothing came for long: a poll follows
  bool fin_seen : 1 = false;
  bool broken : 1 = false;   // a send failed: the receive will say how it ended
  bool aborted : 1 = false;  // ends with a reset
  bool heard : 1 = false;    // bytes have come, or it is our own: its receives are multishot

  bool has(Op op) const { return (operations & bit(op)) != 0; }
  void set(Op op) { operations = static_cast<std::uint8_t>(operations | bit(op)); }
  void clear(Op op) { operations = static_cast<std::uint8_t>(operations & ~bit(op)); }
  static int bit(Op op) { return 1 << static_cast<int>(op); }
};
static_assert(sizeof(Connection) <= 40, "an idle connection pays this");

// Connections by slot, which never move; slots free again keep their generation.
class ConnectionTable {
 public:
  Connection& operator[](std::uint32_t slot) { return connections_[slot]; }
  const Connection& operator[](std::uint32_t slot) const { return connections_[slot]; }
  // One past the highest slot there is.
  std::uint32_t size() const { return connections_.size(); }
  std::size_t used() const { return used_; }

  std::uint32_t take() {
    if (free_.empty()) grow();
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    ++used_;
    return slot;
  }
  void give_back(std::uint32_t slot) {
    Connection& connection = (*this)[slot];
    const auto next = static_cast<std::uint16_t>(connection.generation + 1);
    connection = Connection{};
    connection.generation = next == 0 ? std::uint16_t{1} : next;
    free_.push_back(slot);
    --used_;
  }

 private:
  void grow() {
    const std::uint32_t first = size();
    connections_.grow();
    for (std::uint32_t slot = size(); slot-- > first;) free_.push_back(slot);
  }

  queues::ChunkTable<Connection, 1024> connections_;
  std::vector<std::uint32_t> free_;
  std::size_t used_ = 0;
};

}  // namespace godwit::dataplane::io::uring
