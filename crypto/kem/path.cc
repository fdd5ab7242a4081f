// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/path.h"

namespace godwit::crypto {

KemPath kem_path() {
  return __builtin_cpu_supports("avx2") ? KemPath::avx2 : KemPath::portable;
}

}  // namespace godwit::crypto
