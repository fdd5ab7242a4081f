// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "control/config.h"

// What the devices of `io.backend = "dpdk"` need, and what of them goes together. For config.cc
// alone. Pure functions.

namespace godwit::control {

// How a problem names the port with this index, of so many.
std::string port_label(std::size_t count, std::size_t index);

// `config`'s values are well-formed, each by itself. Empty when all is well.
ConfigProblems check_ports(const Config& config);

}  // namespace godwit::control
