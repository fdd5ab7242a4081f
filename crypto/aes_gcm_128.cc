// SPDX-License-Identifier: Apache-2.0
#include "crypto/aes_gcm_kernel.h"

namespace godwit::crypto::aes_gcm {

const Functions on_128_bits{&expand, &Kernel<OneBlock>::seal, &Kernel<OneBlock>::decrypt};

}  // namespace godwit::crypto::aes_gcm
