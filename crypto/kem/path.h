// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Which instructions key encapsulation is computed with. Both ways give the same bytes, and the
// same numbers in every step. Thread safe.

namespace godwit::crypto {

enum class KemPath : std::uint8_t { portable, avx2 };

// What this processor can do, and the operating system lets it. Alone in its file: a program that
// brings a definition of its own has all of key encapsulation take that path, as tests do.
KemPath kem_path();

}  // namespace godwit::crypto
