// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// What one client of another server sends, and what it must get: messages of a fixed size, each
// naming its sender and its number, the rest filled with letters that depend on both. Printable,
// without a character that XML would escape. Not thread safe.

namespace godwit::bench {

inline constexpr std::size_t peer_payload_size_min = 48;
inline constexpr std::size_t peer_payload_size_max = 1024;
inline constexpr std::size_t peer_user_size_max = 16;

// What outlives a connection. Accounts 2n and 2n+1 talk to each other.
struct PeerAccount {
  std::string user;  // 1 … peer_user_size_max letters and digits
  std::uint64_t last_sent = 0;
  std::uint64_t last_received = 0;  // the partner's
};

class Ledger {
 public:
  struct Options {
    PeerAccount& own;
    std::string partner;
    std::size_t payload_size = 100;  // peer_payload_size_min … max
  };
  explicit Ledger(const Options& options) : options_(options) {}

  const std::string& user() const { return options_.own.user; }
  const std::string& partner() const { return options_.partner; }

  std::uint64_t sent() const { return options_.own.last_sent; }

  // The next message to the partner.
  std::string next();
  // One that arrived: an error unless it is the partner's next.
  Result<void> arrived(std::string_view payload);

 private:
  std::string payload_of(std::string_view sender, std::uint64_t number) const;

  const Options options_;
};

}  // namespace godwit::bench
