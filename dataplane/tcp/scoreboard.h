// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/wire/segment.h"
#include "queues/slab.h"

// What one connection has in flight: a record for each segment sent and not yet acknowledged, in
// the order of their numbers, each in the network, delivered out of order (SACK, RFC 2018), or
// taken for lost. The pipe of RFC 6675 is kept as sums. Not thread safe.

namespace godwit::dataplane::tcp {

struct SentSegment {
  enum class Status : std::uint8_t { in_network, sacked, lost };

  std::uint32_t begin = 0;
  std::uint32_t end = 0;  // its FIN included
  std::uint32_t next = 0;
  std::uint32_t prev = 0;
  Instant sent_at{};  // the last time
  Status status = Status::in_network;
  bool sent_again = false;
  bool has_fin = false;
  bool has_push = false;

  std::uint32_t size() const { return end - begin; }
};
static_assert(sizeof(SentSegment) == 32);

using SentSegments = queues::Slab<SentSegment>;

class Scoreboard {
 public:
  bool empty() const { return head_ == 0; }
  std::uint32_t count() const { return count_; }
  std::uint32_t head() const { return head_; }
  std::uint32_t tail() const { return tail_; }
  std::uint32_t sacked() const { return sacked_; }
  std::uint32_t lost() const { return lost_; }
  // Bytes thought to be in the network (RFC 6675, 4, SetPipe).
  std::uint32_t pipe() const { return total_ - sacked_ - lost_; }
  // Segments the peer has out of order, for those who count three of them (RFC 6675, 4, IsLost).
  std::uint32_t sacked_count() const { return sacked_count_; }
  // One past the highest number the peer has said to have.
  bool any_sacked() const { return sacked_count_ != 0; }

  void add(SentSegments& pool, SentSegment segment);
  void sent_again(SentSegments& pool, std::uint32_t index, Instant now);
  void mark_lost(SentSegments& pool, std::uint32_t index);
  // After a timeout: whatever was not delivered is lost. `forget_sacks`: when the peer was seen to
  // have thrown away what it had said to have (RFC 2018, 8).
  void mark_all_lost(SentSegments& pool, bool forget_sacks);
  // A timeout that was none: what was taken for lost is in the network.
  void mark_none_lost(SentSegments& pool);
  // In two, at `sequence`, which is inside.
  void split(SentSegments& pool, std::uint32_t index, std::uint32_t sequence);
  // The first lost one, 0 without any.
  std::uint32_t first_lost(const SentSegments& pool) const;
  void clear(SentSegments& pool);

  // Takes out all before `sequence`; a segment of which a part is acknowledged keeps the rest.
  // Calls delivered(segment) for those that had not been delivered before. Returns their bytes.
  template <typename Delivered>
  std::uint32_t acknowledge(SentSegments& pool, std::uint32_t sequence, Delivered&& delivered) {
    std::uint32_t bytes = 0;
    while (head_ != 0 && before(pool[head_].begin, sequence)) {
      if (after(pool[head_].end, sequence)) split(pool, head_, sequence);
      const SentSegment& segment = pool[head_];
      if (segment.status != SentSegment::Status::sacked) {
        bytes += segment.size();
        delivered(segment);
      }
      remove_head(pool);
    }
    return bytes;
  }

  // Marks what lies in the block as delivered; segments it covers in part are split while there
  // are fewer than count_max. As above.
  template <typename Delivered>
  std::uint32_t sack(SentSegments& pool, SequenceRange block, std::uint32_t count_max,
                     Delivered&& delivered) {
    std::uint32_t bytes = 0;
    for (std::uint32_t index = head_; index != 0; index = pool[index].next) {
      if (!before(pool[index].begin, block.end)) break;
      if (!after(pool[index].end, block.begin)) continue;
      if (pool[index].status == SentSegment::Status::sacked) continue;
      if (before(pool[index].begin, block.begin)) {
        if (count_ < count_max) split(pool, index, block.begin);
        continue;  // its second half comes next
      }
      if (after(pool[index].end, block.end)) {
        if (count_ >= count_max) break;
        split(pool, index, block.end);
      }
      SentSegment& segment = pool[index];
      bytes += segment.size();
      delivered(segment);
      mark_sacked(segment);
    }
    return bytes;
  }

 private:
  void remove_head(SentSegments& pool);
  void mark_sacked(SentSegment& segment);

  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t sacked_count_ = 0;
  std::uint32_t total_ = 0;      // bytes of all
  std::uint32_t sacked_ = 0;     // of these, delivered
  std::uint32_t lost_ = 0;       // of these, lost and not sent again
  std::uint32_t lost_hint_ = 0;  // none before it is lost; 0: none known
};

}  // namespace godwit::dataplane::tcp
