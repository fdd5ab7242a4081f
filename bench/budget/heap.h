// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Whose memory is whose: the program's operator new and delete count what is asked of them, for the
// part that is named at the time. Memory is taken off the one that took it, whoever gives it back.
//
// Thread safety: none; the program has one thread.

namespace godwit::bench {

enum class Owner : std::uint8_t { others, gateway };

// Bytes asked for and not given back; what an allocator adds is not in it.
std::int64_t heap_bytes(Owner owner);

// Names the owner while it lives.
class HeapScope {
 public:
  explicit HeapScope(Owner owner);
  ~HeapScope();
  HeapScope(const HeapScope&) = delete;
  HeapScope& operator=(const HeapScope&) = delete;

 private:
  const Owner before_;
};

}  // namespace godwit::bench
