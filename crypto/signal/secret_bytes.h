// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sodium.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "crypto/keys.h"
#include "crypto/secret.h"

// Secret bytes whose number is known at run time only: plaintexts and serialized states. Thread
// safety: values.

namespace godwit::crypto::signal {

// Wipes what it gives back, so that a vector which grows leaves nothing behind.
template <typename T>
struct WipingAllocator {
  using value_type = T;

  WipingAllocator() = default;
  template <typename Other>
  WipingAllocator(const WipingAllocator<Other>&) {}

  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) {
    sodium_memzero(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

using SecretBytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

inline SecretBytes secret_copy(Bytes bytes) {
  return SecretBytes(bytes.begin(), bytes.end());
}

// Takes a secret of a fixed size; the reader fails when there is too little.
template <std::size_t Size>
Secret<Size> take_secret(ByteReader& reader) {
  Secret<Size> secret;
  const Bytes taken = reader.take(Size);
  if (!taken.empty()) std::copy(taken.begin(), taken.end(), secret.data());
  return secret;
}

template <std::size_t Size>
std::array<std::uint8_t, Size> take_array(ByteReader& reader) {
  std::array<std::uint8_t, Size> array{};
  const Bytes taken = reader.take(Size);
  if (!taken.empty()) std::copy(taken.begin(), taken.end(), array.begin());
  return array;
}

// Appends; integers are big-endian, blocks have their length in 32 bits before them.
class StateWriter {
 public:
  void u8(std::uint8_t value) { out_.push_back(value); }
  void u32(std::uint32_t value) { big_endian(value, 4); }
  void u64(std::uint64_t value) { big_endian(value, 8); }
  void bytes(Bytes source) { out_.insert(out_.end(), source.begin(), source.end()); }
  void block(Bytes source) {
    u32(static_cast<std::uint32_t>(source.size()));
    bytes(source);
  }
  void present(bool value) { u8(value ? 1 : 0); }

  SecretBytes take() { return std::move(out_); }

 private:
  void big_endian(std::uint64_t value, unsigned size) {
    while (size-- > 0) out_.push_back(static_cast<std::uint8_t>(value >> 8 * size));
  }

  SecretBytes out_;
};

// A key pair is stored with its public half: computing that is nine tenths of loading a session.
inline void write_key_pair(StateWriter& out, const KeyPair& pair) {
  out.bytes(pair.private_key.bytes());
  out.bytes(pair.public_key);
}

inline KeyPair take_key_pair(ByteReader& reader) {
  KeyPair pair;
  pair.private_key = take_secret<32>(reader);
  pair.public_key = take_array<32>(reader);
  return pair;
}

// A block of at most `size_max` bytes.
inline Bytes take_block(ByteReader& reader, std::size_t size_max) {
  const std::uint32_t size = reader.u32();
  if (size > size_max) reader.fail();
  return reader.take(size);
}

// 0 or 1, and nothing else.
inline bool take_present(ByteReader& reader) {
  const std::uint8_t value = reader.u8();
  if (value > 1) reader.fail();
  return value == 1;
}

}  // namespace godwit::crypto::signal
