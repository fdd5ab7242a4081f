// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/keys.h"

// The server's certificate: the operator's offline Ed25519 key (RFC 8032) signs a node's static key, its name and
// its dates. Clients pin the operator's key. Encoded as `version 1 · operator key 32 · node key 32 · not before
// 8 · not after 8 · name size 1 · name · signature 64`; the signature covers a label and all before it.

namespace godwit::crypto {

using OperatorPublicKey = std::array<std::uint8_t, 32>;

struct OperatorKey {
  Secret<32> seed;
  OperatorPublicKey public_key{};

  static OperatorKey generate(RandomSource& random);
  static OperatorKey from_seed(std::span<const std::uint8_t, 32> seed);
};

struct Certificate {
  OperatorPublicKey operator_key{};
  PublicKey node_key{};
  WallTime not_before{};
  WallTime not_after{};
  std::string name;  // the domain it serves, 1 … 253 bytes
  std::array<std::uint8_t, 64> signature{};
};
inline constexpr std::size_t certificate_size_max = 1 + 32 + 32 + 8 + 8 + 1 + 253 + 64;

Certificate sign_certificate(const OperatorKey& key, const PublicKey& node_key, std::string name,
                             WallTime not_before, WallTime not_after);
std::vector<std::uint8_t> encode(const Certificate& certificate);
// Malformed bytes only; says nothing of validity.
Result<Certificate> decode_certificate(Bytes bytes);

struct CertificateExpectation {
  const OperatorPublicKey* operator_key = nullptr;  // none: trust on first use, the caller pins what it got
  const PublicKey* node_key = nullptr;              // the Noise static key the peer proved to hold
  std::string_view name;                            // the domain the client wants
  WallTime now{};
};
// Each failure has its own sentence: signature, operator (foreign), node key, name, not yet valid, expired.
Result<void> verify(const Certificate& certificate, const CertificateExpectation& expectation);

}  // namespace godwit::crypto
