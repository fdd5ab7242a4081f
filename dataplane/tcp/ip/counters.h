// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/tcp/wire/drop.h"

namespace godwit::dataplane::tcp {

// What the network half has seen and done since its start. Read and written by the shard's thread.
struct IpCounters {
  std::uint64_t frames_in = 0;
  std::uint64_t frames_out = 0;
  std::uint64_t bytes_in = 0;  // of frames
  std::uint64_t bytes_out = 0;
  std::uint64_t echoes_answered = 0;
  std::uint64_t errors_sent = 0;      // ICMP
  std::uint64_t errors_received = 0;  // about TCP, well formed
  std::uint64_t solicitations_sent = 0;
  std::uint64_t advertisements_sent = 0;  // answers and announcements
  std::uint64_t listener_reports_sent = 0;
  std::array<std::uint64_t, drop_count> drops{};

  void dropped(Drop drop) { ++drops[static_cast<std::size_t>(drop)]; }
  std::uint64_t of(Drop drop) const { return drops[static_cast<std::size_t>(drop)]; }
};

}  // namespace godwit::dataplane::tcp
