// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace godwit::dataplane::io::dpdk {

// What a shard's end of a device has seen since its start. The shard's thread.
struct QueueCounters {
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t tx_uncut = 0;       // of tx_packets: for the device to cut into segments
  std::uint64_t tx_dropped = 0;     // the transmit ring was full
  std::uint64_t no_buffers = 0;     // a packet to send found none
  std::uint64_t steered = 0;        // handed to the shard whose connection it is
  std::uint64_t steer_dropped = 0;  // that shard's ring was full
};

}  // namespace godwit::dataplane::io::dpdk
