// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <valgrind/memcheck.h>

#include <span>
#include <string_view>

#include "base/random.h"

// The constant-time check, in the manner of ctgrind: a secret is marked as undefined memory, and
// memcheck then complains of every branch and every address that depends on it. Each operation is
// one run of the program under valgrind. Memcheck does not see divisions; the test looks for their
// instructions in the same objects.

namespace godwit::constant_time {

struct Operation {
  std::string_view name;
  void (*run)();
};

// What must not leak.
std::span<const Operation> kem_operations();
std::span<const Operation> spqr_operations();
std::span<const Operation> session_operations();
std::span<const Operation> x25519_operations();
std::span<const Operation> aes_gcm_operations();
// What leaks on purpose, each in another way, so that a check that sees nothing is noticed.
std::span<const Operation> planted_operations();

inline void hide(std::span<const std::uint8_t> secret) {
  VALGRIND_MAKE_MEM_UNDEFINED(secret.data(), secret.size());
}

inline void reveal(std::span<const std::uint8_t> bytes) {
  VALGRIND_MAKE_MEM_DEFINED(bytes.data(), bytes.size());
}

// What is drawn is secret.
class HiddenRandom final : public RandomSource {
 public:
  void fill(MutableBytes out) override {
    seeded_.fill(out);
    hide(out);
  }

 private:
  SeededRandom seeded_{1};
};

}  // namespace godwit::constant_time
