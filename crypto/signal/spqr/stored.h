// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "crypto/secret.h"

// Members of fixed size, out of a stored state. A reader that fails yields zeros. Thread safe.

namespace godwit::crypto::signal {

template <std::size_t Size>
std::array<std::uint8_t, Size> read_array(ByteReader& in) {
  std::array<std::uint8_t, Size> array{};
  std::ranges::copy(in.take(Size), array.begin());
  return array;
}

template <std::size_t Size>
Secret<Size> read_secret(ByteReader& in) {
  Secret<Size> secret;
  std::ranges::copy(in.take(Size), secret.data());
  return secret;
}

}  // namespace godwit::crypto::signal
