// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/secret.h"

// Ties every key of the braid to all before it and to the session it began with (ML-KEM Braid,
// section 2.3): headers and ciphertexts carry an HMAC-SHA256 under a key that each epoch renews.
// Values; no shared state; constant time in the keys.

namespace godwit::crypto::signal {

// A key that both sides have agreed on.
struct EpochKey {
  std::uint64_t epoch = 0;
  Secret<32> key;
};

// KDF_OK: what the ratchet gets of a shared secret of ML-KEM.
Secret<32> epoch_key(std::uint64_t epoch, const Secret<32>& shared_secret);

class Authenticator {
 public:
  static constexpr std::size_t mac_size = 32;
  using Mac = std::array<std::uint8_t, mac_size>;
  static constexpr std::size_t write_size = 64;

  static Authenticator start(std::uint64_t epoch, const Secret<32>& key);
  Authenticator copy() const;

  void update(std::uint64_t epoch, const Secret<32>& key);
  Mac header_mac(std::uint64_t epoch, Bytes header) const;
  Mac ciphertext_mac(std::uint64_t epoch, Bytes ciphertext) const;

  void write(ByteWriter& out) const;
  static Authenticator read(ByteReader& in);

 private:
  Authenticator() = default;

  Secret<32> root_key_;
  Secret<32> mac_key_;
};

// Constant time.
bool mac_equal(const Authenticator::Mac& left, Bytes right);

}  // namespace godwit::crypto::signal
