// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

// Numbers a thread publishes about itself: written by one thread, read by any, relaxed. The names
// are those of the metrics page, without the prefix "godwit_".

namespace godwit::queues {

enum class MetricKind : std::uint8_t { counter, gauge };

struct MetricInfo {
  std::string_view name;
  MetricKind kind;
  std::string_view help;
};

enum class ShardMetric : std::size_t {
  turns,
  idle_sleeps,
  connections_accepted,
  connections_open,
  connections_refused,
  handshakes_completed,
  handshakes_failed,
  handshakes_timed_out,
  logins_accepted,
  logins_refused,
  registrations_requested,
  sessions,
  sessions_replaced,
  frames_received,
  frames_sent,
  bytes_received,
  bytes_sent,
  frames_malformed,
  messages_received,
  messages_delivered,
  messages_settled,
  messages_refused,
  messages_duplicate,
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
  count_
};

inline constexpr std::array<MetricInfo, static_cast<std::size_t>(ShardMetric::count_)>
    shard_metrics{{
        {"turns_total", MetricKind::counter, "Turns of the shard's loop."},
        {"idle_sleeps_total", MetricKind::counter, "Turns that ended in sleep."},
        {"connections_accepted_total", MetricKind::counter, "Connections accepted."},
        {"connections_open", MetricKind::gauge, "Connections open, in any state."},
        {"connections_refused_total", MetricKind::counter,
         "Connections closed at once because a limit was reached."},
        {"handshakes_completed_total", MetricKind::counter, "Noise handshakes completed."},
        {"handshakes_failed_total", MetricKind::counter, "Noise handshakes that failed."},
        {"handshakes_timed_out_total", MetricKind::counter,
         "Connections closed before they had logged in, for time."},
        {"logins_accepted_total", MetricKind::counter, "Sessions begun."},
        {"logins_refused_total", MetricKind::counter, "Logins refused."},
        {"registrations_requested_total", MetricKind::counter, "Registrations passed to control."},
        {"sessions", MetricKind::gauge, "Sessions now."},
        {"sessions_replaced_total", MetricKind::counter,
         "Sessions ended because the device connected again."},
        {"frames_received_total", MetricKind::counter, "Frames received and opened."},
        {"frames_sent_total", MetricKind::counter, "Frames sealed and sent."},
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
        {"messages_refused_total", MetricKind::counter,
         "Stanzas refused with an error by this home."},
        {"messages_duplicate_total", MetricKind::counter, "Messages this home had seen before."},
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
    }};

enum class StorageMetric : std::size_t {
  commits,
  commit_failures,
  messages_stored,
  erase_requests,
  messages_cancelled,
  messages_loaded,
  messages_expired,
  batch_messages_last,
  commit_microseconds_last,
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
        {"storage_batch_messages", MetricKind::gauge, "Messages in the last group commit."},
        {"storage_commit_microseconds", MetricKind::gauge, "Duration of the last group commit."},
        {"storage_failing", MetricKind::gauge, "1 while the last commit failed."},
    }};

template <typename Metric>
class Counters {
 public:
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

using ShardCounters = Counters<ShardMetric>;
using StorageCounters = Counters<StorageMetric>;

}  // namespace godwit::queues
