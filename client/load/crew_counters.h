// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

// What a crew counts from its start. A value.

namespace godwit::client::load {

struct CrewCounters {
  std::uint64_t due = 0;   // messages
  std::uint64_t sent = 0;  // with those sent again
  std::uint64_t sent_again = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  // for good
  std::uint64_t arrived = 0;
  std::uint64_t arrived_again = 0;  // after their sender sent them again; dropped
  std::uint64_t from_before = 0;    // of an earlier run; dropped
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t frames_out = 0;
  std::uint64_t ack_frames_out = 0;  // of these, with nothing but an acknowledgement
  std::uint64_t connects = 0;
  std::uint64_t connects_failed = 0;
  std::uint64_t logins = 0;
  std::uint64_t registrations = 0;
  std::uint64_t logins_refused = 0;
  std::uint64_t connections_lost = 0;  // that had a session and were not ours to end
  std::uint64_t told_to_wait = 0;      // closed with a time to come back at
  std::uint64_t left = 0;              // sessions we ended
};

struct CrewCounterField {
  std::string_view name;
  std::uint64_t CrewCounters::*value;
};
inline constexpr std::array crew_counter_fields{
    CrewCounterField{"due", &CrewCounters::due},
    CrewCounterField{"sent", &CrewCounters::sent},
    CrewCounterField{"sent_again", &CrewCounters::sent_again},
    CrewCounterField{"accepted", &CrewCounters::accepted},
    CrewCounterField{"refused", &CrewCounters::refused},
    CrewCounterField{"arrived", &CrewCounters::arrived},
    CrewCounterField{"arrived_again", &CrewCounters::arrived_again},
    CrewCounterField{"from_before", &CrewCounters::from_before},
    CrewCounterField{"bytes_in", &CrewCounters::bytes_in},
    CrewCounterField{"bytes_out", &CrewCounters::bytes_out},
    CrewCounterField{"frames_out", &CrewCounters::frames_out},
    CrewCounterField{"ack_frames_out", &CrewCounters::ack_frames_out},
    CrewCounterField{"connects", &CrewCounters::connects},
    CrewCounterField{"connects_failed", &CrewCounters::connects_failed},
    CrewCounterField{"logins", &CrewCounters::logins},
    CrewCounterField{"registrations", &CrewCounters::registrations},
    CrewCounterField{"logins_refused", &CrewCounters::logins_refused},
    CrewCounterField{"connections_lost", &CrewCounters::connections_lost},
    CrewCounterField{"told_to_wait", &CrewCounters::told_to_wait},
    CrewCounterField{"left", &CrewCounters::left},
};
static_assert(sizeof(CrewCounters) == crew_counter_fields.size() * sizeof(std::uint64_t));

inline CrewCounters operator+(CrewCounters a, const CrewCounters& b) {
  for (const auto& field : crew_counter_fields) a.*field.value += b.*field.value;
  return a;
}
inline CrewCounters operator-(CrewCounters a, const CrewCounters& b) {
  for (const auto& field : crew_counter_fields) a.*field.value -= b.*field.value;
  return a;
}

}  // namespace godwit::client::load
