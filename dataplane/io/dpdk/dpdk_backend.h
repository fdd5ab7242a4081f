// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dataplane/io/dpdk/device_queue.h"
#include "dataplane/io/dpdk/packet_backend.h"

namespace godwit::dataplane::io {

// Our own TCP over a network device that the kernel does not touch: the third backend.
using DpdkBackend = dpdk::PacketBackend<dpdk::DeviceQueue>;
static_assert(StreamBackend<DpdkBackend>);

}  // namespace godwit::dataplane::io
