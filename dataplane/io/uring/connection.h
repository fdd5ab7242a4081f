// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/connection_name.h"
#include "dataplane/io/stream.h"

// What io/uring keeps of a connection, and the blocks its outgoing bytes wait in. Owner thread only.

namespace godwit::dataplane::io::uring {

// Outgoing bytes wait in blocks of one size, taken from a pool and given back when sent: an idle connection has none.
struct SendBlock {
  static constexpr std::uint32_t size = 2048;

  SendBlock* next = nullptr;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::array<std::uint8_t, size - 16> bytes;
};
static_assert(sizeof(SendBlock) == SendBlock::size);

class SendPool {
 public:
  explicit SendPool(std::size_t bytes_max) : blocks_max_(bytes_max / SendBlock::size) {}

  // nullptr when the limit is reached.
  SendBlock* take() {
    if (free_ == nullptr && !grow()) return nullptr;
    SendBlock* block = free_;
    free_ = block->next;
    block->next = nullptr;
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

 private:
  bool grow() {
    constexpr std::size_t slab = 64;
    if (made_ + slab > std::max(blocks_max_, slab)) return false;
    slabs_.push_back(std::make_unique_for_overwrite<SendBlock[]>(slab));
    for (std::size_t i = slab; i-- > 0;) {
      slabs_.back()[i].next = free_;
      free_ = &slabs_.back()[i];
    }
    made_ += slab;
    return true;
  }

  const std::size_t blocks_max_;
  std::size_t made_ = 0;
  std::size_t used_ = 0;
  SendBlock* free_ = nullptr;
  std::vector<std::unique_ptr<SendBlock[]>> slabs_;
};

enum class Phase : std::uint8_t {
  unused,
  connecting,
  open,
  draining,   // closed by someone; what is queued still leaves
  lingering,  // our FIN is out, the peer's is awaited for a while
  dying,      // operations cancelled, their last completions awaited
  closing,    // the descriptor is being closed
};

// Cold: one poll armed and nothing else. Hot: a multishot receive armed, which costs the kernel more.
enum class Receive : std::uint8_t { none, cold, hot };

struct Connection {
  std::uint64_t user = 0;
  SendBlock* send_head = nullptr;
  SendBlock* send_tail = nullptr;
  std::int32_t descriptor = -1;
  std::uint32_t queued = 0;       // bytes waiting, those under way included
  std::uint32_t active_s = 0;     // when bytes last came
  std::uint16_t generation = 0;
  std::uint8_t operations = 0;    // armed and not finally completed
  Phase phase = Phase::unused;
  Receive receive = Receive::none;
  CloseReason reason = CloseReason::local;
  bool fixed : 1 = false;         // a direct descriptor
  bool sending : 1 = false;       // one send is under way
  bool dirty : 1 = false;         // in the list of connections to send for
  bool paused : 1 = false;
  bool want_writable : 1 = false;
  bool starved : 1 = false;       // in the list of those waiting for a receive buffer
  bool stashed : 1 = false;       // bytes came while paused
};
static_assert(sizeof(Connection) <= 56, "an idle connection pays this");

}  // namespace godwit::dataplane::io::uring
