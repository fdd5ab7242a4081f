// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>

#include "queues/counters.h"

// The numbers control publishes about itself; names as in queues/counters.h.

namespace godwit::control {

enum class ControlMetric : std::size_t {
  accounts,
  account_lookups,
  registrations_accepted,
  registrations_repeated,
  registrations_refused,
  registrations_limited,
  registrations_failed,
  server_iqs,
  account_store_failing,
  admin_commands,
  resident_bytes,
  start_time_seconds,
  log_lines_suppressed,
  count_
};

inline constexpr std::array<queues::MetricInfo, static_cast<std::size_t>(ControlMetric::count_)>
    control_metrics{{
        {"accounts", queues::MetricKind::gauge, "Accounts."},
        {"account_lookups_total", queues::MetricKind::counter, "Accounts looked up for homes."},
        {"registrations_accepted_total", queues::MetricKind::counter, "Devices registered."},
        {"registrations_repeated_total", queues::MetricKind::counter,
         "Registrations of a device that was registered."},
        {"registrations_refused_total", queues::MetricKind::counter,
         "Registrations refused by a rule."},
        {"registrations_limited_total", queues::MetricKind::counter,
         "Registrations refused by the rate limit."},
        {"registrations_failed_total", queues::MetricKind::counter,
         "Registrations the account database could not keep."},
        {"server_iqs_total", queues::MetricKind::counter, "Requests to the server answered."},
        {"account_store_failing", queues::MetricKind::gauge, "1 while the account database fails."},
        {"admin_commands_total", queues::MetricKind::counter, "Commands of operators carried out."},
        {"resident_bytes", queues::MetricKind::gauge, "Memory of the process."},
        {"start_time_seconds", queues::MetricKind::gauge, "When it started, Unix time."},
        {"log_lines_suppressed_total", queues::MetricKind::counter,
         "Lines the log left out because there were too many of their kind."},
    }};

using ControlCounters = queues::Counters<ControlMetric>;

}  // namespace godwit::control
