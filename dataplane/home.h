// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/compact_text.h"
#include "base/compact_vector.h"
#include "dataplane/refusals.h"
#include "dataplane/settings.h"
#include "protocol/stanza.h"
#include "queues/counters.h"
#include "queues/hash_index.h"
#include "queues/mailbox.h"
#include "queues/mesh.h"
#include "queues/records.h"
#include "queues/store.h"
#include "queues/tick_wheel.h"

// The home of some accounts: their mailboxes, what has been seen before, who is connected where.
// Commands in, commands and store requests out; no I/O and no clock of its own.
//
// The acknowledgement rule is kept here and nowhere else: settle() is called for a message when the
// last of its entries is acknowledged by its device or reported committed, and refuse() when it
// cannot be kept. Everything a home posts to one front stays in order.
//
// Thread safety: the owning shard's thread only.

namespace godwit::dataplane {

class Home {
 public:
  struct Options {
    std::uint16_t shard = 0;
    std::uint16_t control = 0;  // control's place in the mesh
    const Settings& settings;
    queues::BufferPool& pool;
    queues::CommandPort& port;
    // One a storage thread; store file f belongs to storage[f % size].
    std::vector<queues::Outbox<queues::StoreRequest>*> storage;
    queues::ShardCounters& counters;
    // Sequences of this start begin above every one of earlier starts: start epoch << 24.
    std::uint64_t sequence_base = 0;
    Instant start{};
  };

  explicit Home(const Options& options);
  ~Home();

  // Takes the command's buffer.
  void handle(const queues::Command& command, Now now);
  void handle(queues::StoreReply reply, Now now);
  // Fires what is due; returns how much.
  std::size_t expire(Now now);
  Instant next_deadline() const { return wheel_.next_deadline(); }
  void publish_gauges();
  // Answers an operator's question that has no more rows.
  void end_query(std::uint64_t query, std::uint32_t affected);
  // Nothing accepted here is only in memory.
  bool quiet() const { return unsafe_ == 0; }

 private:
  struct Seen {
    std::uint64_t sender = 0;
    std::uint64_t id = 0;
    std::uint16_t device = 0;
  };
  enum class Load : std::uint8_t { record, store, ready };
  struct Account {
    std::uint64_t hash = 0;
    std::uint64_t account_id = 0;
    CompactText user;
    CompactVector<std::uint64_t> blocks;
    CompactVector<Seen> seen;
    std::unique_ptr<std::deque<queues::Command>> parked;
    std::uint32_t generation = 0;
    std::uint32_t first_mailbox = 0;  // one a device, linked by Mailbox::sibling
    std::uint16_t sessions = 0;
    Load load = Load::record;
    queues::AccountStatus status = queues::AccountStatus::active;
    // Storage could not say what it holds. Devices may connect; messages to them are refused,
    // because nothing may be delivered before what is stored. When to ask again is in retries_.
    bool store_unknown = false;
    bool tags_known = false;  // what the mailboxes say of identities is the key directory's word
    bool refreshed = false;   // the record was asked for again because a device was unknown
  };
  static_assert(sizeof(Account) <= 72, "an idle account pays this");
  // Until what found no room is tried again.
  static constexpr Duration room_retry = std::chrono::milliseconds(20);
  // By how much a login may be overtaken by a later one of the same device, on another ring.
  static constexpr std::uint32_t login_overtaking_max_ms = 60'000;
  struct Timer {
    queues::MailboxName mailbox{};
  };

  // home_accounts.cc: loading, parking, coming and going.
  void route(const queues::Command& command, std::string_view user, Now now);
  void park(std::uint32_t index, const queues::Command& command);
  bool start_lookup(std::uint32_t index);
  std::uint32_t load_account(std::uint64_t hash, std::string_view user);
  std::uint32_t account_by_token(std::uint64_t token);
  std::uint64_t token_of(std::uint32_t index) const;
  void on_account_found(queues::Command command, Now now);
  void on_account_missing(queues::Command command, Now now);
  void on_account_changed(queues::Command command, Now now);
  void on_account_removed(queues::Command command, Now now);
  void on_summary(const queues::StoreReply& reply, Now now);
  void apply_record(std::uint32_t index, const queues::AccountRecord& record);
  bool request_summary(std::uint32_t index);
  void store_not_known(std::uint32_t index, Now now);
  void keep_account(std::uint32_t index, Now now);
  void ask_storage_again(std::uint32_t index, Now now);
  void become_ready(std::uint32_t index, Now now);
  void fail_loading(std::uint32_t index, protocol::Condition condition,
                    protocol::StreamCondition stream_condition);
  void forget_account(std::uint32_t index);
  void drop_device(std::uint32_t mailbox);
  void destroy_mailbox(std::uint32_t index);
  void evict_idle();
  bool is_idle(const Account& account);
  void attach(std::uint32_t index, queues::Command command, Now now);
  void detach(queues::MailboxName name, ConnectionName session, Now now);
  void refuse_attach(const queues::Command& command, protocol::StreamCondition condition);
  void turn_away(const queues::Command& command, protocol::Condition condition,
                 protocol::StreamCondition stream_condition);
  void kick(queues::Mailbox& mailbox, protocol::StreamCondition condition);
  queues::MailboxSet::Siblings devices_of(const Account& account) const {
    return mailboxes_.siblings(account.first_mailbox);
  }
  // The mailbox of this device, 0 when there is none.
  std::uint32_t find_device(const Account& account, std::uint16_t id) const;
  std::uint32_t find_account(std::uint64_t hash) const {
    return index_.find(hash, [&](std::uint32_t i) { return accounts_[i].hash == hash; });
  }

  // home_messages.cc: the acknowledgement rule.
  void accept(std::uint32_t index, const queues::Command& command, Now now);
  bool check_limits(const Account& account, std::uint16_t device, std::size_t bytes);
  void answer_duplicate(const Account& account, const queues::Command& command);
  Seen* find_seen(Account& account, std::uint64_t sender, std::uint16_t device);
  void remember_seen(Account& account, Seen* seen, const queues::Command& command);
  void acknowledge(queues::Mailbox& mailbox, std::uint64_t upto);
  void drop_acknowledged(queues::Mailbox& mailbox, std::uint32_t entry);
  void make_safe(const queues::MailboxEntry& entry);
  // Of an entry that was accepted here, from then until this turn.
  void record_age(queues::ShardHistogram histogram, const queues::MailboxEntry& entry);
  void settle(ConnectionName session, std::uint32_t number);
  void refuse(const queues::Command& command, protocol::Condition condition);
  void refuse_entry(queues::Mailbox& mailbox, std::uint32_t entry, protocol::Condition condition);
  void relay(std::uint32_t index, const queues::Command& command);
  void drop_ephemeral(std::uint32_t index, const queues::Command& command);

  // home_devices.cc
  protocol::DeviceList devices_with_keys(const Account& account) const;
  bool is_for_others(const Account& account, const queues::Command& command) const;
  queues::Buffer write_devices(const Account& account, const queues::Command& command, bool gone);
  void tell_of_devices(const Account& account, const queues::Command& command);
  bool drop_for_gone(const Account& account, const queues::Command& command);

  // home_delivery.cc
  void pump(queues::MailboxName name, queues::Mailbox& mailbox, Now now);
  bool deliver(queues::Mailbox& mailbox, std::uint32_t entry, Now now);
  void end_backlog(queues::Mailbox& mailbox);
  bool request_load(queues::MailboxName name, queues::Mailbox& mailbox);

  // home_storage.cc
  std::uint32_t first_fresh(const queues::Mailbox& mailbox);
  void persist(queues::MailboxName name, queues::Mailbox& mailbox, Now now, bool all);
  bool post_put(queues::MailboxName name, queues::Mailbox& mailbox, std::uint32_t entry, Now now);
  void schedule(queues::MailboxName name, queues::Mailbox& mailbox, Instant due);
  void on_timer(queues::MailboxName name, Now now);
  void on_committed(const queues::StoreReply& reply, Now now);
  void on_failed(const queues::StoreReply& reply, Now now);
  void on_loaded(queues::StoreReply reply, Now now);
  void on_load_end(const queues::StoreReply& reply, Now now);
  void recount_stored(queues::Mailbox& mailbox);
  void erase_acknowledged(queues::MailboxName name, queues::Mailbox& mailbox, Now now);
  void refuse_from(queues::Mailbox& mailbox, std::uint32_t entry);
  void file_answered(std::uint32_t file);
  bool resume(std::uint32_t file);
  void drop_stored(queues::Mailbox& mailbox, std::uint32_t entry);
  bool post_store(std::uint64_t account_hash, queues::StoreRequest request);

  // home_admin.cc
  void on_admin_query(queues::Command command, Now now);
  void list_queues(std::uint64_t query);
  void list_queues_of(std::uint64_t query, std::string_view user);
  void post_queue(std::uint64_t query, const queues::Mailbox& mailbox);
  void purge(std::uint32_t index, queues::Command command);

  Account& account_of(const queues::Mailbox& mailbox) { return accounts_[mailbox.account]; }
  bool to_front(const queues::Command& command) {
    return port_.post(command.session.shard, command);
  }

  const Options options_;
  const Settings& settings_;
  queues::CommandPort& port_;
  queues::ShardCounters& counters_;
  queues::MailboxSet mailboxes_;
  queues::Slab<Account, 1024> accounts_;  // 18 pages of memory at a time, as front.h explains
  queues::HashIndex index_;
  // When storage is asked again, by index, of the accounts that say store_unknown.
  std::unordered_map<std::uint32_t, Instant> retries_;
  queues::TickWheel<Timer> wheel_;
  Refusals refusals_;
  // After a put failed, none is posted to its file until all that were posted are answered; then
  // storage is told to go on. So nothing later of a mailbox is stored behind what failed.
  struct File {
    std::uint32_t outstanding = 0;
    bool failing = false;
  };
  std::array<File, queues::store_file_count> files_{};
  std::uint64_t sequence_floor_;
  std::uint32_t next_generation_ = 1;
  std::uint32_t evict_hand_ = 1;
  std::size_t parked_ = 0;
  std::size_t unsafe_ = 0;
  Instant now_{};  // of this turn, for what is measured alone
};

}  // namespace godwit::dataplane
