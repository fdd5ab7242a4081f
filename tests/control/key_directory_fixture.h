// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "control/key_directory.h"
#include "crypto/xeddsa.h"

// Devices that upload keys: real identities and signatures, made-up KEM keys, which the directory
// only carries.

namespace godwit::control {

class KeyMaker {
 public:
  explicit KeyMaker(std::uint64_t seed = 1)
      : random_(seed), pair_(crypto::KeyPair::generate(random_)) {
    identity_ = serialized(pair_.public_key);
  }

  Bytes identity() const { return identity_; }
  protocol::DirectoryKey one_time(std::uint32_t id, std::uint8_t variant = 0) {
    return {.id = id, .key = ec(id, variant), .signature = {}};
  }
  protocol::DirectoryKey signed_key(std::uint32_t id, std::uint8_t variant = 0) {
    return sign(id, ec(id, variant));
  }
  protocol::DirectoryKey kem(std::uint32_t id, std::uint8_t variant = 0) {
    std::vector<std::uint8_t> key(protocol::kem_key_size, variant);
    key[0] = 0x08;
    for (int i = 0; i < 4; ++i) key[static_cast<std::size_t>(i) + 1] = std::uint8_t(id >> (8 * i));
    return sign(id, keep(std::move(key)));
  }
  // What begins a generation.
  protocol::PrekeyUpload start(std::uint32_t generation = 1) {
    return {.generation = generation,
            .registration = 77,
            .identity = identity_,
            .signed_key = signed_key(1),
            .last_resort = kem(1, 99)};
  }

 private:
  static std::vector<std::uint8_t> serialized(const crypto::PublicKey& key) {
    std::vector<std::uint8_t> bytes{0x05};
    bytes.insert(bytes.end(), key.begin(), key.end());
    return bytes;
  }
  Bytes keep(std::vector<std::uint8_t> bytes) { return kept_.emplace_back(std::move(bytes)); }
  Bytes ec(std::uint32_t id, std::uint8_t variant) {
    crypto::PublicKey key{std::uint8_t(id), std::uint8_t(id >> 8), variant};
    return keep(serialized(key));
  }
  protocol::DirectoryKey sign(std::uint32_t id, Bytes key) {
    const crypto::Signature made = crypto::xeddsa_sign(pair_.private_key, key, random_);
    return {.id = id, .key = key, .signature = keep({made.begin(), made.end()})};
  }

  SeededRandom random_;
  crypto::KeyPair pair_;
  std::vector<std::uint8_t> identity_;
  std::deque<std::vector<std::uint8_t>> kept_;
};

}  // namespace godwit::control
