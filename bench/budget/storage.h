// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "queues/buffer.h"
#include "queues/outbox.h"
#include "queues/spsc_ring.h"
#include "queues/store.h"

// A storage thread's place taken by a map that answers at once: what is measured is the shard.
//
// Thread safety: none.

namespace godwit::bench {

class InstantStorage {
 public:
  explicit InstantStorage(queues::BufferPool& pool) : pool_(pool) {}
  ~InstantStorage();
  InstantStorage(const InstantStorage&) = delete;
  InstantStorage& operator=(const InstantStorage&) = delete;

  // Answers what the shard has asked.
  void work();

  queues::SpscRing<queues::StoreReply>& replies() { return replies_; }
  queues::Outbox<queues::StoreRequest>& outbox() { return outbox_; }
  std::size_t messages() const;

 private:
  struct Stored {
    std::uint32_t accepted_s = 0;
    std::vector<std::uint8_t> bytes;
  };
  using Mailbox = std::map<std::uint64_t, Stored>;  // by sequence

  void handle(const queues::StoreRequest& request);
  void load(const queues::StoreRequest& request, const Mailbox& mailbox);
  void summarize(const queues::StoreRequest& request);
  void reply(queues::StoreReply reply, const queues::StoreRequest& request);

  queues::BufferPool& pool_;
  queues::Parker parker_{[] {}};
  queues::SpscRing<queues::StoreRequest> requests_{8192};
  queues::SpscRing<queues::StoreReply> replies_{65'536};
  queues::Outbox<queues::StoreRequest> outbox_{requests_, parker_, 65'536};
  std::map<std::pair<std::uint64_t, std::uint16_t>, Mailbox> mailboxes_;
};

}  // namespace godwit::bench
