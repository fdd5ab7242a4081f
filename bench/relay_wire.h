// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bytes.h"
#include "base/random.h"
#include "client/load/load_client.h"
#include "crypto/aead.h"

// What the relay and its clients agree on instead of a handshake: a client sends its number, four
// bytes, and both derive the two AES-256-GCM keys of the connection from it. Client n talks to
// client n xor 1. After that, frames as the gateway's: a 3-byte length and ciphertext.

namespace godwit::bench {

inline constexpr std::size_t relay_hello_size = 4;
inline constexpr std::uint32_t relay_clients_max = 16'384;

enum class RelayDirection : std::uint8_t { to_relay = 0, to_client = 1 };

inline crypto::TransportKey relay_key(std::uint32_t client, RelayDirection direction) {
  crypto::TransportKey key;
  SeededRandom(std::uint64_t{client} * 2 + static_cast<std::uint8_t>(direction))
      .fill({key.key.data(), 32});
  return key;
}

inline client::load::RelaySession relay_session(std::uint32_t client) {
  client::load::RelaySession session{.hello = std::vector<std::uint8_t>(relay_hello_size),
                                     .send = relay_key(client, RelayDirection::to_relay),
                                     .receive = relay_key(client, RelayDirection::to_client)};
  ByteWriter(session.hello).u32(client);
  return session;
}

}  // namespace godwit::bench
