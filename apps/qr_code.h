// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

// QR codes for a terminal. Thread safe.

namespace godwit::apps {

// Lines of half blocks, two modules above one another in a character, light on dark and with the
// margin of four that readers need. None when the bytes are too many for a code, or none.
std::optional<std::vector<std::string>> qr_code(Bytes bytes);

}  // namespace godwit::apps
