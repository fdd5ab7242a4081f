// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sodium.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#ifdef GODWIT_CONSTANT_TIME_CHECK
#include <valgrind/memcheck.h>
#endif

// What keeps secrets out of branches, indices and divisions, and lets tests/constant_time show it.
// Thread safe.

namespace godwit::crypto {

// The compiler knows nothing about what comes out, so it cannot turn a mask into a branch.
inline std::uint32_t opaque(std::uint32_t value) {
  asm("" : "+r"(value));
  return value;
}

// All ones for 1, zero for 0.
inline std::uint32_t mask_of_bit(std::uint32_t bit) {
  return 0 - opaque(bit);
}

// 1 when the two differ anywhere, otherwise 0.
inline std::uint32_t differ(const std::uint8_t* left, const std::uint8_t* right, std::size_t size) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < size; ++i) bits = opaque(bits | (left[i] ^ right[i]));
  return (bits + 0xff) >> 8;
}

// What is computed from a secret and published: the check may forget that it was secret. Does
// nothing in a product build.
inline void publish([[maybe_unused]] const void* bytes, [[maybe_unused]] std::size_t size) {
#ifdef GODWIT_CONSTANT_TIME_CHECK
  VALGRIND_MAKE_MEM_DEFINED(bytes, size);
#endif
}

// A plain object that holds secrets: wiped when it goes out of scope, neither copied nor moved.
template <typename T>
class Wiped {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Wiped() = default;
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { sodium_memzero(&object_, sizeof object_); }

  T& operator*() { return object_; }
  const T& operator*() const { return object_; }
  T* operator->() { return &object_; }
  const T* operator->() const { return &object_; }

 private:
  T object_;
};

}  // namespace godwit::crypto
