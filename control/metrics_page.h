// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "control/control_metrics.h"
#include "queues/counters.h"
#include "queues/stack_counters.h"

// The metrics page in Prometheus text format 0.0.4. Names and numbers only: no user, no address.

namespace godwit::control {

struct MetricsSources {
  std::vector<const queues::ShardCounters*> shards;
  // Of the shards, where TCP is our own, and of each at each device.
  std::vector<const queues::StackCounters*> stacks;
  std::vector<queues::LabelledCounters<queues::PortCounters>> ports;
  std::vector<const queues::StorageCounters*> storage;
  const ControlCounters* control = nullptr;
  std::string version;
};

std::string metrics_page(const MetricsSources& sources);

}  // namespace godwit::control
