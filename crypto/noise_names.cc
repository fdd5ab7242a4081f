// SPDX-License-Identifier: Apache-2.0
#include "crypto/noise.h"
#include "crypto/noise_patterns.h"

// Patterns and suites as bytes on the wire and as the specification's names.

namespace godwit::crypto {

std::optional<NoiseSuite> suite_from_byte(std::uint8_t low_nibble) {
  switch (low_nibble) {
    case 1:
      return NoiseSuite{AeadKind::aes_256_gcm, NoiseHash::sha256};
    case 2:
      return NoiseSuite{AeadKind::chacha20_poly1305, NoiseHash::blake2b};
    case 3:
      return NoiseSuite{AeadKind::chacha20_poly1305, NoiseHash::sha256};
    default:
      return std::nullopt;
  }
}

std::optional<std::uint8_t> byte_from_suite(NoiseSuite suite) {
  for (std::uint8_t byte = 1; byte <= 3; ++byte) {
    if (suite_from_byte(byte) == suite) return byte;
  }
  return std::nullopt;
}

std::string_view suite_name(NoiseSuite suite) {
  const bool aes = suite.aead == AeadKind::aes_256_gcm;
  if (suite.hash == NoiseHash::sha256)
    return aes ? "25519_AESGCM_SHA256" : "25519_ChaChaPoly_SHA256";
  return aes ? "25519_AESGCM_BLAKE2b" : "25519_ChaChaPoly_BLAKE2b";
}

std::string protocol_name(NoisePattern pattern, NoiseSuite suite) {
  constexpr std::string_view dh = "25519";
  const std::string_view rest = suite_name(suite).substr(dh.size());
  return std::string("Noise_") + noise_pattern_info(pattern).name + "_" + std::string(dh) +
         (is_hybrid(pattern) ? "+ML-KEM-768" : "") + std::string(rest);
}

}  // namespace godwit::crypto
