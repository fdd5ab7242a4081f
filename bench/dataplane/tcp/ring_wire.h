// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/tcp/ip/port.h"
#include "queues/spsc_ring.h"

namespace godwit::bench {

// One direction of a wire between two threads: the frames lie in slots that both see, a ring says
// which are there, as the rings of a device do. Frames for which there is no slot are lost, and
// counted by the sender. One sends, one receives.
class RingWire {
 public:
  static constexpr std::size_t frames_max = 4096;
  static constexpr std::size_t frame_size_max = 1536;

  // --- The sender's: a port of a stack.
  dataplane::tcp::PortFeatures features() const { return {}; }
  MutableBytes frame(std::size_t size) {
    if (room_ == 0) room_ = ring_.room();
    if (room_ == 0 || size > frame_size_max) {
      ++lost_;
      return {};
    }
    size_ = static_cast<std::uint32_t>(size);
    return {slot(sent_), size};
  }
  void send(const dataplane::tcp::TxHints&) {
    GODWIT_CHECK(ring_.try_push(size_));
    ++sent_;
    --room_;
  }
  void flush() { ring_.flush(); }
  std::uint64_t lost() const { return lost_; }

  // --- The receiver's: at most `budget` frames, which may be overwritten meanwhile.
  template <typename Receive>
  std::size_t drain(std::size_t budget, Receive&& receive) {
    return ring_.drain(budget, [&](std::uint32_t size) {
      receive(MutableBytes{slot(received_++), size});
    });
  }

 private:
  std::uint8_t* slot(std::uint64_t number) { return &bytes_[number % frames_max * frame_size_max]; }

  queues::SpscRing<std::uint32_t> ring_{frames_max};
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(frames_max * frame_size_max);
  // Apart from each other: each is of one thread.
  alignas(queues::destructive_interference_bytes) std::uint64_t sent_ = 0;
  std::size_t room_ = 0;
  std::uint32_t size_ = 0;
  std::uint64_t lost_ = 0;
  alignas(queues::destructive_interference_bytes) std::uint64_t received_ = 0;
};
static_assert(dataplane::tcp::Port<RingWire>);

}  // namespace godwit::bench
