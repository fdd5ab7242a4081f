// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "crypto/secret.h"

// The two ciphers of Noise (revision 34, section 12), the transport key of one direction, and a
// shard's cache of expanded AES keys.
//
// Thread safety: none; a key belongs to one thread, and so does a cache.
// Invariant: no counter seals twice under one key. A TransportKey is moved and never copied for
// that reason.

namespace godwit::crypto {

namespace aes_gcm {
struct ExpandedKey;
struct Functions;
}  // namespace aes_gcm

enum class AeadKind : std::uint8_t { aes_256_gcm = 1, chacha20_poly1305 = 2 };

inline constexpr std::size_t aead_tag_size = 16;

// True when this CPU has instructions for AES and carry-less multiplication: AES-GCM is our own
// there, in constant time and fast.
bool cpu_has_aes_gcm();

// One direction of a session: 40 bytes. The counter is Noise's n, of which a byte goes to the kind:
// it refuses after 2^56 - 2 messages instead of 2^64 - 2, and a million of them a second do not get
// there in two thousand years.
struct TransportKey {
  static constexpr int counter_bits = 56;
  // Never used for a message, as Noise's own last value (section 5.1).
  static constexpr std::uint64_t counter_end = (std::uint64_t{1} << counter_bits) - 1;

  Secret<32> key;
  std::uint64_t counter : counter_bits = 0;
  AeadKind kind : 64 - counter_bits = AeadKind::aes_256_gcm;
};
static_assert(sizeof(TransportKey) == 40, "two of these are kept for each idle session");

// Encrypts `plain` into `out` (plain.size() + 16 bytes), which may be the same memory or not
// overlap at all, with the key's counter, and counts up. False, and nothing done, when the counter
// is used up.
[[nodiscard]] bool seal(TransportKey& key, Bytes associated, Bytes plain, MutableBytes out);
// Decrypts in the same manner, into sealed.size() - 16 bytes. False, and the counter as it was,
// when the tag is wrong, when there is none, and when the counter is used up; `out` then holds no
// plaintext.
[[nodiscard]] bool open(TransportKey& key, Bytes associated, Bytes sealed, MutableBytes out);

// Expanded AES keys (384 bytes each) of the connections that were busy last, so that a frame need
// not expand its key again. It changes nothing but time: each entry holds the key it was made from,
// and another key under the same name (a connection number used again) is expanded anew. The least
// recently used of four is evicted, and wiped.
//
// Worth 60 of the 110 ns that a frame of 120 bytes costs while both directions of all busy
// connections fit, and a loss of 5 ns when they do not: give it four keys for each connection that
// is busy at the same time.
class AeadCache {
 public:
  enum class Direction : std::uint8_t { send, receive };

  // At least `keys` entries: rounded up to four times a power of two. Allocates here and never
  // later; nothing at all where the CPU has no AES.
  explicit AeadCache(std::size_t keys);
  AeadCache(AeadCache&&) = delete;
  ~AeadCache();

  // Wipes what is kept for both directions of a connection; for when it closes.
  void forget(std::uint64_t connection);

  std::size_t capacity() const { return set_count_ * ways; }
  std::size_t size() const;
  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }

  // Null where the CPU has no AES.
  const aes_gcm::Functions* functions() const { return functions_; }
  // REQUIRES: capacity() > 0. Valid until the next call.
  const aes_gcm::ExpandedKey& expand(std::uint64_t connection, Direction direction,
                                     const Secret<32>& key);

 private:
  static constexpr std::size_t ways = 4;
  struct Entry;

  Entry* set_of(std::uint64_t connection, Direction direction);
  void wipe(Entry& entry);

  const aes_gcm::Functions* functions_;
  std::size_t set_count_;
  std::unique_ptr<Entry[]> entries_;
  std::unique_ptr<aes_gcm::ExpandedKey[]> expanded_;
  std::uint64_t uses_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

// As above, through the cache. `connection` is any number that is the caller's own for this
// connection.
[[nodiscard]] bool seal(AeadCache& cache, std::uint64_t connection, TransportKey& key,
                        Bytes associated, Bytes plain, MutableBytes out);
[[nodiscard]] bool open(AeadCache& cache, std::uint64_t connection, TransportKey& key,
                        Bytes associated, Bytes sealed, MutableBytes out);

}  // namespace godwit::crypto
