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
  key_uploads,
  key_uploads_refused,
  bundles_given,
  bundles_refused,
  bundles_without_one_time,
  bundles_with_last_resort,
  identities_changed,
  key_notices,
  key_store_failing,
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
        {"key_uploads_total", queues::MetricKind::counter, "Uploads of keys taken in."},
        {"key_uploads_refused_total", queues::MetricKind::counter,
         "Uploads of keys refused: wrong, out of turn or too many."},
        {"key_bundles_given_total", queues::MetricKind::counter,
         "Prekey bundles given out to open sessions with."},
        {"key_bundles_refused_total", queues::MetricKind::counter,
         "Prekey bundles refused: no such device, or asked for too often."},
        {"key_bundles_without_one_time_total", queues::MetricKind::counter,
         "Bundles without a one-time key of the curve: the device had none left."},
        {"key_bundles_with_last_resort_total", queues::MetricKind::counter,
         "Bundles with the KEM key of last resort: the device had no one-time key left."},
        {"key_identities_changed_total", queues::MetricKind::counter,
         "Devices that came with another identity key."},
        {"key_notices_total", queues::MetricKind::counter,
         "Devices told that keys run low or that an identity has changed."},
        {"key_store_failing", queues::MetricKind::gauge, "1 while the key directory fails."},
        {"admin_commands_total", queues::MetricKind::counter, "Commands of operators carried out."},
        {"resident_bytes", queues::MetricKind::gauge, "Memory of the process."},
        {"start_time_seconds", queues::MetricKind::gauge, "When it started, Unix time."},
        {"log_lines_suppressed_total", queues::MetricKind::counter,
         "Lines the log left out because there were too many of their kind."},
    }};

using ControlCounters = queues::Counters<ControlMetric>;

}  // namespace godwit::control
