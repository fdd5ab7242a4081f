// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/generator/traffic_client.h"

// Plays the server to a client without a socket.

namespace godwit::bench {

// What the client said since the last call.
inline std::string said(TrafficClient& client) {
  std::string text(client.output().begin(), client.output().end());
  client.output().clear();
  return text;
}

// `text` in pieces of `piece` bytes; the sum of the messages, or the first error.
inline Result<unsigned> feed(TrafficClient& client, std::string_view text, std::size_t piece) {
  unsigned messages = 0;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, piece);
    std::vector<std::uint8_t> bytes(part.begin(), part.end());
    const auto got = client.on_bytes(bytes);
    if (!got) return got;
    messages += *got;
    text.remove_prefix(part.size());
  }
  return messages;
}

// Whole, byte by byte, and in a size that fits nothing.
inline constexpr std::size_t pieces[] = {100'000, 1, 7};

}  // namespace godwit::bench
