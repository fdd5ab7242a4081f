// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/keys.h"
#include "crypto/signature.h"

// The server's certificate: the operator's offline Ed25519 key (RFC 8032) signs a node's static
// key, its name and its dates. Clients pin the operator's key. Encoded as `version 1 · operator key
// 32 · node key 32 · not before 8 · not after 8 · name size 1 · name · signature 64`, dates in
// milliseconds since 1970; the signature covers a label and all before it. Thread safe.

namespace godwit::crypto {

using OperatorPublicKey = SigningPublicKey;

struct OperatorKey {
  Secret<32> seed;
  OperatorPublicKey public_key{};

  static OperatorKey generate(RandomSource& random);
  static OperatorKey from_seed(std::span<const std::uint8_t, 32> seed);
};

struct Certificate {
  OperatorPublicKey operator_key{};
  PublicKey node_key{};
  WallTime not_before{};  // the first instant at which it holds
  WallTime not_after{};   // the first at which it does not
  std::string name;  // the domain it serves: 1 … 253 printable ASCII characters without spaces
  Signature signature{};
};
inline constexpr std::size_t certificate_name_size_max = 253;
inline constexpr std::size_t certificate_size_max =
    1 + 32 + 32 + 8 + 8 + 1 + certificate_name_size_max + 64;

// REQUIRES: a name as described above, dates of 1970 or later.
Certificate sign_certificate(const OperatorKey& key, const PublicKey& node_key, std::string name,
                             WallTime not_before, WallTime not_after);
std::vector<std::uint8_t> encode(const Certificate& certificate);
// Refuses malformed bytes only, one sentence for all; says nothing of validity.
Result<Certificate> decode_certificate(Bytes bytes);

struct CertificateExpectation {
  const OperatorPublicKey* operator_key =
      nullptr;                          // none: trust on first use, the caller pins what it got
  const PublicKey* node_key = nullptr;  // the Noise static key the peer proved to hold; none: any
  std::string_view name;                // the domain the client wants
  WallTime now{};
};
// The checks in this order, each with its own sentence: operator, signature, node key, name
// (refused), not valid yet (unavailable), expired (expired).
Result<void> verify(const Certificate& certificate, const CertificateExpectation& expectation);

}  // namespace godwit::crypto
