// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/clock.h"
#include "queues/spsc_ring.h"

// Frames of one shard as they come and go, for an operator who looks for a fault: the headers,
// never what they carry. The shard leaves them in a ring, from which somebody who may block writes
// them to a file; what does not fit is counted and lost.
//
// Thread safety: record() the shard's thread; start(), stop(), drain() one other thread; lost()
// any.

namespace godwit::dataplane::io::dpdk {

struct CapturedFrame {
  // Ethernet with a tag, IPv6, TCP with all its options.
  static constexpr std::size_t kept_max = 18 + 40 + 60;

  std::uint64_t unix_ns = 0;
  std::uint32_t size = 0;  // of the whole frame
  std::uint16_t kept = 0;  // bytes below
  std::uint8_t port = 0;   // of the shard's, in the order of its devices
  std::array<std::uint8_t, kept_max> bytes;
};

// How many bytes of a frame are headers: of TCP up to its payload, of ICMP up to the ports and the
// sequence number of a packet it quotes, and the same of anything else.
std::size_t header_bytes(MutableBytes frame);

// Of a frame that is captured.
struct CaptureNote {
  std::size_t port = 0;
  std::size_t beyond = 0;  // bytes of it behind those that are there, which are all headers then
};

class Capture {
 public:
  static constexpr std::size_t ring_capacity = 4096;

  void start();
  void stop() { on_.store(false, std::memory_order_release); }
  bool on() const { return on_.load(std::memory_order_acquire); }

  void record(MutableBytes frame, Now now, const CaptureNote& note = {}) {
    if (on()) keep(frame, now, note);
  }
  // Hands everything there is to `take(const CapturedFrame&)`, in order.
  template <typename Take>
  std::size_t drain(Take&& take) {
    return ring_ == nullptr ? 0 : ring_->drain(ring_capacity, take);
  }
  // Since the start of the gateway.
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  void keep(MutableBytes frame, Now now, const CaptureNote& note);

  // Made by the first start() and kept: the shard may be about to use it.
  std::unique_ptr<queues::SpscRing<CapturedFrame>> ring_;
  // Released by start() with the ring, acquired by the shard.
  std::atomic<bool> on_{false};
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace godwit::dataplane::io::dpdk
