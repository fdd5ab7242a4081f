// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <vector>

#include "dataplane/tcp/ip/port.h"

namespace godwit::dataplane::tcp::testing {

// A port that keeps what is sent through it, and has no room when told so.
struct RecordingPort {
  struct Sent {
    std::vector<std::uint8_t> frame;
    TxHints hints;
  };

  PortFeatures offers;
  bool full = false;
  bool appends = true;
  std::deque<Sent> sent;
  std::vector<std::uint8_t> current;

  PortFeatures features() const { return offers; }
  MutableBytes frame(std::size_t size) {
    if (full) return {};
    current.assign(size, 0xee);
    return current;
  }
  bool append(std::span<const Bytes> pieces) {
    if (!appends) return false;
    for (const Bytes piece : pieces) current.insert(current.end(), piece.begin(), piece.end());
    return true;
  }
  void send(const TxHints& hints) { sent.push_back({std::move(current), hints}); }

  std::vector<std::uint8_t> take() {
    if (sent.empty()) return {};
    auto frame = std::move(sent.front().frame);
    sent.pop_front();
    return frame;
  }
};

}  // namespace godwit::dataplane::tcp::testing
