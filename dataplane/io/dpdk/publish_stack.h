// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dataplane/io/dpdk/queue_counters.h"
#include "dataplane/tcp/stack.h"
#include "queues/stack_counters.h"

namespace godwit::dataplane::io::dpdk {

// What others may know of a shard's TCP, and of a port's IP layer and of the shard's end of that
// device, as of now. The shard's thread.
void publish_stack(const tcp::Tcp& tcp, queues::StackCounters& counters);
void publish_layer(const tcp::IpLayer& layer, queues::PortCounters& counters);
void publish_queue(const QueueCounters& queue, queues::PortCounters& counters);

}  // namespace godwit::dataplane::io::dpdk
