// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/bytes.h"
#include "base/result.h"

// Memory between two pages that nobody may touch: whoever reads or writes a byte too many ends the
// process.

namespace godwit::crypto::testing {

class Guarded {
 public:
  explicit Guarded(std::size_t size)
      : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))),
        inner_((size + page_ - 1) / page_ * page_) {
    void* const area =
        ::mmap(nullptr, inner_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    GODWIT_CHECK(area != MAP_FAILED);
    area_ = static_cast<std::uint8_t*>(area);
    GODWIT_CHECK(::mprotect(area_ + page_, inner_, PROT_READ | PROT_WRITE) == 0);
  }
  Guarded(Guarded&&) = delete;
  ~Guarded() { ::munmap(area_, inner_ + 2 * page_); }

  // The first and the last bytes between the pages.
  MutableBytes first(std::size_t size) { return {area_ + page_, size}; }
  MutableBytes last(std::size_t size) { return {area_ + page_ + inner_ - size, size}; }

 private:
  std::size_t page_;
  std::size_t inner_;
  std::uint8_t* area_;
};

}  // namespace godwit::crypto::testing
