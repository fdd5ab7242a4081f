// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "protocol/stanza.h"
#include "queues/counters.h"

namespace godwit::dataplane {

// The counter of refusals with this condition. Pure; any thread.
constexpr queues::ShardMetric refusal_metric(protocol::Condition condition) {
  switch (condition) {
    case protocol::Condition::follows_refused:
      return queues::ShardMetric::refused_follows;
    case protocol::Condition::resource_constraint:
      return queues::ShardMetric::refused_full;
    case protocol::Condition::item_not_found:
      return queues::ShardMetric::refused_not_found;
    case protocol::Condition::service_unavailable:
      return queues::ShardMetric::refused_unavailable;
    default:
      return queues::ShardMetric::refused_other;
  }
}

}  // namespace godwit::dataplane
