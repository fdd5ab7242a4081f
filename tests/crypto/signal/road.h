// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "crypto/signal/message.h"

// A road on which messages get lost, overtake each other and come twice, as a seed has it.

namespace godwit::crypto::signal::testing {

struct Parcel {
  CiphertextMessage message;
  std::string text;
  std::size_t overtaken = 0;
};

struct RoadOptions {
  unsigned lost_percent = 0;
  unsigned repeated_percent = 0;
  // A parcel is overtaken by at most this many, and so many wait.
  std::size_t overtaken_max = 0;
};

class Road {
 public:
  Road(const RoadOptions& options, RandomSource& random) : options_(options), random_(random) {}

  void send(CiphertextMessage message, std::string text) {
    if (random_.below(100) < options_.lost_percent) return;
    if (random_.below(100) < options_.repeated_percent) waiting_.push_back({message, text});
    waiting_.push_back({std::move(message), std::move(text)});
  }

  bool full() const { return waiting_.size() > options_.overtaken_max; }
  bool empty() const { return waiting_.empty(); }

  // REQUIRES: !empty().
  Parcel take() {
    std::size_t at = static_cast<std::size_t>(random_.below(waiting_.size()));
    if (waiting_.front().overtaken == options_.overtaken_max) at = 0;
    for (std::size_t i = 0; i < at; ++i) ++waiting_[i].overtaken;
    Parcel parcel = std::move(waiting_[at]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
    return parcel;
  }

 private:
  RoadOptions options_;
  RandomSource& random_;
  std::vector<Parcel> waiting_;
};

}  // namespace godwit::crypto::signal::testing
