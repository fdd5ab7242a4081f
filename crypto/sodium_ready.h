// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sodium.h>

#include "base/result.h"

namespace godwit::crypto {

// libsodium finds out what the CPU can do on its first call; until then it takes slow paths and
// says that there is no AES. Every function of this folder that calls it comes through here first.
// Thread safe; later calls cost a load.
inline void sodium_ready() {
  static const bool ready = sodium_init() >= 0;
  GODWIT_CHECK(ready);
}

}  // namespace godwit::crypto
