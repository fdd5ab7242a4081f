// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/path.h"

// Linked instead of the library's own: key encapsulation as on a processor without AVX2.

namespace godwit::crypto {

KemPath kem_path() {
  return KemPath::portable;
}

}  // namespace godwit::crypto
