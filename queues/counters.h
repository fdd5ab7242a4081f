// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "queues/histogram.h"

// Numbers a thread publishes about itself: written by one thread, read by any, relaxed. The names
// are those of the metrics page, without the prefix "godwit_".
//
// Metrics that differ in a label alone follow each other and share name and help.

namespace godwit::queues {

enum class MetricKind : std::uint8_t { counter, gauge };

struct MetricInfo {
  std::string_view name;
  MetricKind kind;
  std::string_view help;
  std::string_view label{};  // "reason=\"full\""; most have none
};

enum class ShardMetric : std::size_t {
  turns,
  idle_sleeps,
  connections_accepted,
  connections_open,
  connections_unauthenticated,
  addresses_known,
  connections_refused_full,
  connections_refused_draining,
  connections_refused_open,
  connections_refused_starting,
  connections_refused_rate,
  connections_refused_failures,
  connections_displaced,
  handshakes_completed,
  handshakes_failed,
  handshakes_timed_out,
  handshakes_classical,
  handshakes_deferred,
  logins_accepted,
  logins_refused,
  logins_limited,
  registrations_requested,
  registrations_limited,
  sessions,
  sessions_replaced,
  sessions_stuck,
  frames_received,
  frames_sent,
  stanzas_received,
  stanzas_sent,
  bytes_received,
  bytes_sent,
  frames_malformed,
  messages_received,
  messages_delivered,
  messages_settled,
  refused_follows,
  refused_full,
  refused_not_found,
  refused_unavailable,
  refused_other,
  messages_duplicate,
  device_lists_sent,
  messages_acknowledged,
  messages_dropped_ephemeral,
  senders_paused,
  accounts_loaded,
  mailboxes_loaded,
  messages_in_memory,
  messages_at_risk,
  store_puts,
  store_puts_failed,
  store_loads,
  store_failing,
  ring_full,
  buffer_pool_bytes,
  memory_buffers,
  memory_sessions,
  memory_output,
  memory_accounts,
  memory_mailboxes,
  memory_entries,
  memory_records,
  count_
};

inline constexpr std::string_view connections_refused_help =
    "Connections closed as soon as they came, by the limit that was reached.";
inline constexpr std::string_view handshakes_help =
    "Noise handshakes by result; timed-out are those that did not get as far as a login in time.";
inline constexpr std::string_view refused_help =
    "Stanzas refused with an error by this front, by condition.";
inline constexpr std::string_view memory_help =
    "Memory a pool has taken; it is used again, not given back.";

inline constexpr std::array<MetricInfo, static_cast<std::size_t>(ShardMetric::count_)>
    shard_metrics{{
        {"turns_total", MetricKind::counter, "Turns of the shard's loop."},
        {"idle_sleeps_total", MetricKind::counter, "Turns that ended in sleep."},
        {"connections_accepted_total", MetricKind::counter, "Connections accepted."},
        {"connections_open", MetricKind::gauge, "Connections open, in any state."},
        {"connections_unauthenticated", MetricKind::gauge,
         "Of these, connections that have not logged in."},
        {"addresses_known", MetricKind::gauge,
         "Addresses and devices the limits keep an account of."},
        {"connections_refused_total", MetricKind::counter, connections_refused_help,
         "reason=\"full\""},
        {"connections_refused_total", MetricKind::counter, connections_refused_help,
         "reason=\"draining\""},
        {"connections_refused_total", MetricKind::counter, connections_refused_help,
         "reason=\"address-open\""},
        {"connections_refused_total", MetricKind::counter, connections_refused_help,
         "reason=\"address-unauthenticated\""},
        {"connections_refused_total", MetricKind::counter, connections_refused_help,
         "reason=\"address-rate\""},
        {"connections_refused_total", MetricKind::counter, connections_refused_help,
         "reason=\"address-failures\""},
        {"connections_displaced_total", MetricKind::counter,
         "Connections that had not logged in, ended to make room for others."},
        {"handshakes_total", MetricKind::counter, handshakes_help, "result=\"completed\""},
        {"handshakes_total", MetricKind::counter, handshakes_help, "result=\"failed\""},
        {"handshakes_total", MetricKind::counter, handshakes_help, "result=\"timed-out\""},
        {"handshakes_classical_total", MetricKind::counter,
         "Of those completed, handshakes without ML-KEM."},
        {"handshakes_deferred_total", MetricKind::counter,
         "Handshake messages left for a later turn, because a turn answers only a few."},
        {"logins_accepted_total", MetricKind::counter, "Sessions begun."},
        {"logins_refused_total", MetricKind::counter, "Logins refused."},
        {"logins_limited_total", MetricKind::counter,
         "Logins refused because the device logs in too often."},
        {"registrations_requested_total", MetricKind::counter, "Registrations passed to control."},
        {"registrations_address_limited_total", MetricKind::counter,
         "Registrations refused because too many come from the address."},
        {"sessions", MetricKind::gauge, "Sessions now."},
        {"sessions_replaced_total", MetricKind::counter,
         "Sessions ended because the device connected again."},
        {"sessions_stuck_total", MetricKind::counter,
         "Connections ended because the peer took nothing of what it was sent."},
        {"frames_received_total", MetricKind::counter, "Frames received and opened."},
        {"frames_sent_total", MetricKind::counter, "Frames sealed and sent."},
        {"stanzas_received_total", MetricKind::counter, "Stanzas received, of every kind."},
        {"stanzas_sent_total", MetricKind::counter, "Stanzas sent, of every kind."},
        {"bytes_received_total", MetricKind::counter, "Bytes received, as on the stream."},
        {"bytes_sent_total", MetricKind::counter, "Bytes given to the stream."},
        {"frames_malformed_total", MetricKind::counter,
         "Frames that did not open or parse; each closed its connection."},
        {"messages_received_total", MetricKind::counter,
         "Messages taken from senders by this front."},
        {"messages_delivered_total", MetricKind::counter,
         "Message deliveries sent by this front, repeats included."},
        {"messages_settled_total", MetricKind::counter,
         "Messages acknowledged to senders by this front."},
        {"stanzas_refused_total", MetricKind::counter, refused_help,
         "condition=\"follows-refused\""},
        {"stanzas_refused_total", MetricKind::counter, refused_help,
         "condition=\"resource-constraint\""},
        {"stanzas_refused_total", MetricKind::counter, refused_help,
         "condition=\"item-not-found\""},
        {"stanzas_refused_total", MetricKind::counter, refused_help,
         "condition=\"service-unavailable\""},
        {"stanzas_refused_total", MetricKind::counter, refused_help, "condition=\"other\""},
        {"messages_duplicate_total", MetricKind::counter, "Messages this home had seen before."},
        {"device_lists_sent_total", MetricKind::counter,
         "Messages for another list of devices than the account's, whose senders this home told."},
        {"messages_acknowledged_total", MetricKind::counter,
         "Mailbox entries acknowledged by recipients at this home."},
        {"messages_dropped_ephemeral_total", MetricKind::counter,
         "Ephemeral messages dropped because nobody was there."},
        {"senders_paused_total", MetricKind::counter,
         "Pauses of sessions that sent faster than they may."},
        {"accounts_loaded", MetricKind::gauge, "Accounts this home holds in memory."},
        {"mailboxes_loaded", MetricKind::gauge, "Mailboxes this home holds in memory."},
        {"messages_in_memory", MetricKind::gauge, "Mailbox entries in memory."},
        {"messages_at_risk", MetricKind::gauge,
         "Messages neither acknowledged nor durable yet; their senders hold them too."},
        {"store_puts_total", MetricKind::counter, "Messages given to storage."},
        {"store_puts_failed_total", MetricKind::counter, "Messages storage could not keep."},
        {"store_loads_total", MetricKind::counter, "Windows loaded from storage."},
        {"store_failing", MetricKind::gauge, "1 while the last answer from storage was a failure."},
        {"ring_full_total", MetricKind::counter, "Commands that found a ring full and waited."},
        {"buffer_pool_bytes", MetricKind::gauge, "Bytes of payload buffers in use."},
        {"memory_bytes", MetricKind::gauge, memory_help, "pool=\"buffers\""},
        {"memory_bytes", MetricKind::gauge, memory_help, "pool=\"sessions\""},
        {"memory_bytes", MetricKind::gauge, memory_help, "pool=\"output\""},
        {"memory_bytes", MetricKind::gauge, memory_help, "pool=\"accounts\""},
        {"memory_bytes", MetricKind::gauge, memory_help, "pool=\"mailboxes\""},
        {"memory_bytes", MetricKind::gauge, memory_help, "pool=\"entries\""},
        {"memory_bytes", MetricKind::gauge, memory_help, "pool=\"records\""},
    }};

// Times in nanoseconds.
enum class ShardHistogram : std::size_t {
  turn,
  ring_commands,
  delivery,
  acknowledgement,
  settlement,
  mailbox_messages,
  count_
};

inline constexpr std::array<HistogramInfo, static_cast<std::size_t>(ShardHistogram::count_)>
    shard_histograms{{
        {"turn_seconds", HistogramUnit::nanoseconds, 9, 30, "Turns that did something."},
        {"ring_commands", HistogramUnit::count, 0, 12,
         "Commands a turn found in a ring that had any."},
        {"delivery_seconds", HistogramUnit::nanoseconds, 10, 36,
         "From a message's acceptance by its home until the front of a connected device has it; "
         "without what storage had."},
        {"acknowledgement_seconds", HistogramUnit::nanoseconds, 10, 36,
         "From a message's acceptance to its acknowledgement by a device; without what was loaded "
         "from storage."},
        {"settlement_seconds", HistogramUnit::nanoseconds, 10, 36,
         "From a message's acceptance until all its devices have acknowledged it or it is on disk: "
         "what its sender waits for."},
        {"mailbox_messages", HistogramUnit::count, 0, 20,
         "Messages that waited for a device as one more came, that one included."},
    }};

enum class StorageMetric : std::size_t {
  commits,
  commit_failures,
  messages_stored,
  erase_requests,
  messages_cancelled,
  messages_loaded,
  messages_expired,
  buffer_pool_bytes,
  failing,
  count_
};

inline constexpr std::array<MetricInfo, static_cast<std::size_t>(StorageMetric::count_)>
    storage_metrics{{
        {"storage_commits_total", MetricKind::counter, "Group commits."},
        {"storage_commit_failures_total", MetricKind::counter, "Group commits that failed."},
        {"storage_messages_stored_total", MetricKind::counter, "Messages committed."},
        {"storage_erase_requests_total", MetricKind::counter, "Erase requests carried out."},
        {"storage_messages_cancelled_total", MetricKind::counter,
         "Writes cancelled by an acknowledgement that came first."},
        {"storage_messages_loaded_total", MetricKind::counter, "Messages loaded."},
        {"storage_messages_expired_total", MetricKind::counter,
         "Messages erased because their time to live ended."},
        {"storage_buffer_pool_bytes", MetricKind::gauge,
         "Bytes of buffers with loaded messages that are not delivered yet."},
        {"storage_failing", MetricKind::gauge, "1 while the last commit failed."},
    }};

enum class StorageHistogram : std::size_t { commit, batch_messages, load, count_ };

inline constexpr std::array<HistogramInfo, static_cast<std::size_t>(StorageHistogram::count_)>
    storage_histograms{{
        {"storage_commit_seconds", HistogramUnit::nanoseconds, 14, 34, "Group commits."},
        {"storage_batch_messages", HistogramUnit::count, 0, 14, "Messages in a group commit."},
        {"storage_load_seconds", HistogramUnit::nanoseconds, 12, 34,
         "Loads of a window of messages."},
    }};

template <typename Metric>
class Counters {
 public:
  using Which = Metric;
  static constexpr std::size_t size = static_cast<std::size_t>(Metric::count_);

  // The owning thread only: a load and a store, no locked instruction.
  void add(Metric metric, std::uint64_t amount = 1) {
    auto& value = values_[static_cast<std::size_t>(metric)];
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void set(Metric metric, std::uint64_t value) {
    values_[static_cast<std::size_t>(metric)].store(value, std::memory_order_relaxed);
  }
  // Any thread.
  std::uint64_t get(Metric metric) const {
    return values_[static_cast<std::size_t>(metric)].load(std::memory_order_relaxed);
  }

 private:
  alignas(128) std::array<std::atomic<std::uint64_t>, size> values_{};
};

class ShardCounters : public Counters<ShardMetric>, public Histograms<ShardHistogram> {};
class StorageCounters : public Counters<StorageMetric>, public Histograms<StorageHistogram> {};

}  // namespace godwit::queues
