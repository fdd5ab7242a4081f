// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"

namespace godwit::bench {

// The same exchange over the kernel: io/uring at both ends of loopback, a thread each. What the
// kernel does for a packet on loopback runs in the thread that sends it, so a server's thread pays
// for the receiving of its answers and not for that of its requests.
struct KernelEchoOptions {
  std::uint32_t connections = 1000;
  std::uint32_t messages = 1'000'000;
};
// Nanoseconds of CPU of the server's thread an exchange. Errors: those of the backend; io when the
// clients hear nothing for 10 seconds.
Result<double> kernel_echo(const KernelEchoOptions& options);

}  // namespace godwit::bench
