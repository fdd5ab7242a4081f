// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace godwit {

// A vector in one pointer, for lists of which there are millions and nearly all empty: a null
// pointer is the empty one, else size and capacity stand in front of the elements. Elements are
// moved as bytes. A reference is valid until the next push_back or assign. Moved, never copied. Not
// thread safe.
template <typename T>
class CompactVector {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 8);

 public:
  CompactVector() = default;
  CompactVector(CompactVector&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  CompactVector& operator=(CompactVector&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~CompactVector() { std::free(block_); }

  std::size_t size() const { return block_ == nullptr ? 0 : block_->size; }
  bool empty() const { return size() == 0; }
  T* begin() { return elements(); }
  T* end() { return elements() + size(); }
  const T* begin() const { return elements(); }
  const T* end() const { return elements() + size(); }
  T& operator[](std::size_t i) { return elements()[i]; }
  const T& operator[](std::size_t i) const { return elements()[i]; }
  // REQUIRES: not empty.
  T& back() { return elements()[size() - 1]; }

  void push_back(T value) {
    if (block_ == nullptr || block_->size == block_->capacity) reserve(size() * 2 + (size() == 0));
    elements()[block_->size++] = value;
  }
  // `values` must not be of this vector.
  void assign(std::span<const T> values) {
    std::free(std::exchange(block_, nullptr));
    if (values.empty()) return;
    reserve(values.size());
    std::memcpy(elements(), values.data(), values.size_bytes());
    block_->size = static_cast<std::uint32_t>(values.size());
  }

 private:
  struct alignas(8) Block {
    std::uint32_t size;
    std::uint32_t capacity;
  };

  T* elements() const { return block_ == nullptr ? nullptr : reinterpret_cast<T*>(block_ + 1); }
  void reserve(std::size_t capacity) {
    GODWIT_CHECK(capacity <= UINT32_MAX);
    const std::size_t before = size();
    void* block = std::realloc(block_, sizeof(Block) + capacity * sizeof(T));
    GODWIT_CHECK(block != nullptr);
    block_ = static_cast<Block*>(block);
    block_->size = static_cast<std::uint32_t>(before);
    block_->capacity = static_cast<std::uint32_t>(capacity);
  }

  Block* block_ = nullptr;
};

}  // namespace godwit
