// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/token_bucket.h"
#include "dataplane/address_limits.h"

namespace godwit::dataplane {

// When a sender is told that its message is safe.
enum class AckAfter : std::uint8_t {
  durable,  // every recipient device has acknowledged it, or it is committed to storage
  memory,   // it is in the home's memory: lost if the process dies
};

// What may change while a shard runs. Trivially copyable: it comes in a buffer.
struct LiveSettings {
  AddressRules addresses;  // for the whole gateway
  bool require_hybrid = false;
};

// What a shard is told at its start. Sizes are per shard.
struct Settings {
  std::string domain = "localhost";
  AckAfter ack_after = AckAfter::durable;

  Duration persist_after = std::chrono::milliseconds(100);
  Duration ack_delay = std::chrono::milliseconds(5);
  Duration handshake_timeout = std::chrono::seconds(10);
  Duration storage_retry = std::chrono::seconds(1);
  std::chrono::seconds time_to_live = std::chrono::days(30);

  // Stanzas of one session. A faster sender is read no further until it is slow enough.
  TokenBucket::Limit stanza_rate{.rate_per_second = 10'000, .burst = 20'000};

  std::size_t unauthenticated_max = 4096;
  // Where that is reached, whoever has kept us waiting so long makes room for the next.
  Duration start_patience = std::chrono::milliseconds(500);
  // Of the whole gateway; see address_limits.h. More addresses than connections, so that one
  // without a connection is what makes room.
  AddressRules addresses;
  std::size_t addresses_max = 131'072;
  // A handshake without ML-KEM is refused (policy_violation).
  bool require_hybrid = false;
  // Handshake messages answered in one turn at the most: at up to 100 us each, what sessions of a
  // shard wait for when all the world logs in. handshake_turns.h takes fewer while sessions talk.
  std::uint32_t handshakes_per_turn = 4;
  // A peer that takes none of what it is sent for so long, or twice as long, is let go.
  Duration stuck_timeout = std::chrono::seconds(30);
  // Answers, presence and what else no window bounds, for one peer that takes nothing.
  std::uint16_t blocked_replies_max = 256;
  std::size_t buffer_pool_bytes = std::size_t{1} << 30;

  // Stanzas taken from all sessions of a front and not yet settled. Half of what a home lets wait
  // for one front (queues::CommandPort::waiting_max), so that an answer always finds room.
  std::uint32_t outstanding_max = 1u << 19;

  std::uint32_t mailbox_messages_max = 100'000;
  std::uint64_t mailbox_bytes_max = std::uint64_t{64} << 20;
  // Over all devices of one account.
  std::uint32_t account_messages_max = 400'000;
  std::uint32_t entries_in_memory_max = 4'000'000;

  // In flight to one device: what a reader that never reads can hold of this shard's memory.
  std::uint32_t in_flight_bytes_max = 256 * 1024;
  // Commands that wait for one account while it is being loaded.
  std::uint32_t parked_per_account_max = 1024;
  std::size_t parked_max = 262'144;
  // Accounts kept in memory although nothing of theirs is.
  std::size_t idle_accounts_max = 100'000;
  // Messages from a session to an account that were refused and whose refusal the client has not
  // confirmed.
  std::size_t refusals_max = 65'536;
  // Senders whose highest message id an account remembers; forgetting one costs a repeat, which
  // clients drop.
  std::size_t senders_per_account_max = 1024;
};

}  // namespace godwit::dataplane
