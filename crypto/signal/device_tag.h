// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace godwit::crypto::signal {

// What stands for a device and its identity where lists of devices are compared: the first four
// bytes, big-endian, of SHA-256 over the device's number (two bytes, big-endian) and its identity
// key as the key directory has it (kind and key); 1 when they are 0, which stands for a device
// without keys. Thread safe.
std::uint32_t device_tag(std::uint16_t device, Bytes identity);

}  // namespace godwit::crypto::signal
