// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/keyed_hash.h"
#include "crypto/keys.h"

// What makes this node the one it is, in DATA/keys/, each in a file of mode 0600:
//   operator.key   32 bytes  Ed25519 seed that signs certificates; may be kept elsewhere once one
//   is signed operator.pub   hex       its public key, which clients pin node.key       32 bytes
//   X25519 private key of the Noise handshake certificate              the operator's signature
//   over node key, domain and dates (crypto/certificate.h) hash.key       16 bytes  key of the
//   account hash; which store file an account is in depends on it epoch          decimal   start
//   epoch: higher at each start, see `start_epoch`
// Made at the first start. The epoch is written last, so where it exists a missing key is a loss
// and not a beginning.
//
// Thread safety: a function that blocks, and values.

namespace godwit::control {

struct NodeKeys {
  std::optional<crypto::OperatorKey> operator_key;  // when its file is here
  crypto::OperatorPublicKey operator_public_key{};
  crypto::KeyPair node_key;
  crypto::Certificate certificate;
  std::vector<std::uint8_t> certificate_bytes;  // encoded, for handshakes
  crypto::HashKey hash_key;
  // Seconds since 1970, or one more than at the last start when the clock has gone back. Durable
  // before it is returned, so that no mailbox sequence (epoch << 24 + n) is ever given twice.
  std::uint32_t start_epoch = 0;
  bool first_start = false;
  std::vector<std::string> warnings;  // for the log, one line each
};

struct NodeKeysOptions {
  std::string directory;  // made when missing
  std::string domain;     // the certificate's name
};

inline constexpr std::chrono::days certificate_validity{365};
// A certificate that ends sooner is signed anew when the operator's key is here.
inline constexpr std::chrono::days certificate_renewal{30};

// Errors: a key that is lost or damaged; a certificate that has expired or names another domain or
// node while the operator's key is elsewhere.
Result<NodeKeys> load_node_keys(const NodeKeysOptions& options, RandomSource& random, WallTime now);

}  // namespace godwit::control
