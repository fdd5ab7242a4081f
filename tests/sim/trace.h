// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/bytes.h"

// What a run did, as one number: every byte on the network, every operation of the disk and every
// event goes into it in order, so two runs of a seed that end with the same number did the same.
// The first thing that goes wrong ends the run; its sentence is kept.

namespace godwit::sim {

class Trace {
 public:
  explicit Trace(bool verbose) : verbose_(verbose) {}

  void bytes(Bytes bytes) {  // FNV-1a, eight bytes a round
    while (bytes.size() >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data(), 8);
      mix(word);
      bytes = bytes.subspan(8);
    }
    for (const std::uint8_t byte : bytes) mix(byte);
  }
  void note(const std::string& event) {
    bytes(as_bytes(event));
    ++events_;
    if (verbose_ && failure_.empty()) std::printf("%10.4f  %s\n", seconds, event.c_str());
  }
  void fail(const std::string& what) {
    note("FAILED: " + what);
    if (failure_.empty()) failure_ = what;
  }

  bool failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }
  std::uint64_t digest() const { return digest_; }
  std::uint64_t events() const { return events_; }

  double seconds = 0;  // virtual time, for the printed lines

 private:
  void mix(std::uint64_t word) { digest_ = (digest_ ^ word) * 0x100000001b3 + (digest_ >> 47); }

  const bool verbose_;
  std::uint64_t digest_ = 0xcbf29ce484222325;
  std::uint64_t events_ = 0;
  std::string failure_;
};

}  // namespace godwit::sim
