// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/keys.h"

// Safety numbers: what two people compare to know that nobody is between them. As libsignal makes
// them, so that both see the same digits. Thread safe.

namespace godwit::crypto::signal {

// One side: its identity, and its name in bytes that do not change.
struct FingerprintParty {
  Bytes identifier;
  const PublicKey& identity;
};

// Hashes on the way to a number, so that looking for a key with a similar one costs as many.
inline constexpr unsigned fingerprint_iterations = 5'200;

class Fingerprint {
 public:
  // Takes some milliseconds.
  static Fingerprint make(const FingerprintParty& local, const FingerprintParty& remote);

  // 60 digits, the same for both sides.
  std::string digits() const;

  // For a QR code, to be scanned by the other side.
  std::vector<std::uint8_t> scannable() const;
  // Whether what was scanned from the other side's screen fits. Errors: malformed; refused, for
  // another version.
  Result<bool> matches(Bytes scanned) const;

 private:
  using Half = std::array<std::uint8_t, 32>;

  Half local_{};
  Half remote_{};
};

}  // namespace godwit::crypto::signal
