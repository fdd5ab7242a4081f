// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace godwit::crypto::signal {

// Alice is who began the session. The numbers are stored.
enum class Role : std::uint8_t { alice = 0, bob = 1 };

}  // namespace godwit::crypto::signal
