// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

// Every limit of a Signal session, those of libsignal 0.103.0 where the two must agree.

namespace godwit::crypto::signal {

// How far a message's number may be ahead of its chain: what a forged number can cost.
inline constexpr std::uint32_t forward_jump_max = 25'000;
// Keys of messages that have not come yet, per chain; the oldest makes room.
inline constexpr std::size_t skipped_message_keys_max = 2'000;
// Ratchet keys of the other side whose late messages can still be read.
inline constexpr std::size_t receiver_chains_max = 5;
inline constexpr std::size_t archived_sessions_max = 40;
// How long an unanswered session may still be used to send.
inline constexpr std::chrono::hours unacknowledged_age_max{30 * 24};

inline constexpr std::size_t sender_key_states_max = 5;

// What one stanza carries at most (protocol/limits.h), with room for other carriers.
inline constexpr std::size_t signal_message_size_max = 65'535;
// SPQR's longest message is 1 + 10 + 10 + 1 + 3 + 32 bytes.
inline constexpr std::size_t pq_ratchet_size_max = 128;

}  // namespace godwit::crypto::signal
