// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dataplane/io/dpdk/queue_counters.h"
#include "dataplane/tcp/stack.h"
#include "queues/stack_counters.h"

namespace godwit::dataplane::io::dpdk {

// What others may know of a shard's stack and of its end of the device, as of now. The shard's
// thread.
void publish_stack(const tcp::Stack& stack, queues::StackCounters& counters);
void publish_queue(const QueueCounters& queue, queues::StackCounters& counters);

}  // namespace godwit::dataplane::io::dpdk
