// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/random.h>

#include <cerrno>

#include "base/bytes.h"
#include "base/result.h"

// Where randomness comes from is the caller's choice: the kernel in a running gateway, a seed in
// tests and simulation. Only cold paths (keys, handshakes, jitter) draw from it, so a virtual call
// is fine.

namespace godwit {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void fill(MutableBytes out) = 0;

  std::uint64_t next_u64() {
    std::uint64_t value = 0;
    fill({reinterpret_cast<std::uint8_t*>(&value), sizeof value});
    return value;
  }

  // Uniform in [0, bound); bound > 0. Rejects the tail, so it has no bias.
  std::uint64_t below(std::uint64_t bound) {
    GODWIT_CHECK(bound > 0);
    const std::uint64_t tail = (0 - bound) % bound;
    for (;;) {
      const std::uint64_t value = next_u64();
      if (value >= tail) return value % bound;
    }
  }
};

// The kernel's generator. Thread safe.
class SystemRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) override {
    while (!out.empty()) {
      const ssize_t got = ::getrandom(out.data(), out.size(), 0);
      GODWIT_CHECK(got > 0 || errno == EINTR);
      if (got > 0) out = out.subspan(static_cast<std::size_t>(got));
    }
  }
};

// SplitMix64 (Steele, Lea, Flood 2014): repeatable, and fit for tests only. Not thread safe.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  void fill(MutableBytes out) override {
    while (!out.empty()) {
      const std::uint64_t word = step();
      const std::size_t size = std::min(out.size(), sizeof word);
      std::memcpy(out.data(), &word, size);
      out = out.subspan(size);
    }
  }

 private:
  std::uint64_t step() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }

  std::uint64_t state_;
};

}  // namespace godwit
