// SPDX-License-Identifier: Apache-2.0
#include "client/sealing.h"

#include <algorithm>
#include <utility>

#include "client/envelope.h"
#include "client/explain.h"
#include "crypto/signal/session.h"

namespace godwit::client {

namespace signal = crypto::signal;
using protocol::Condition;

std::unique_ptr<Sealer> seal_with_signal(State& state, RandomSource& random) {
  return std::make_unique<Sealing>(state, random);
}

std::size_t Sealing::payload_size_max() const {
  return text_size_max;
}

Result<std::uint64_t> Sealing::put(const protocol::Jid& to, std::span<const std::string> payloads) {
  dirty_ = true;
  return state_.append_messages(protocol::to_text(to), payloads);
}

Instant Sealing::deadline() const {
  if (!own_) return never;
  if (dirty_ || !work_.questions.empty()) return Instant{};
  Instant next = upload_.next_count_at();
  if (!counted_ && !count_asked_) next = std::min(next, count_retry_at_);
  for (const auto& [user, account] : accounts_) {
    if (account.retry_at != Instant{}) next = std::min(next, account.retry_at);
  }
  return next;
}

Result<Work> Sealing::work(Now now) {
  wall_ = now.wall;
  const bool count_due =
      counted_ ? now.instant >= upload_.next_count_at() : now.instant >= count_retry_at_;
  if (count_due && !count_asked_ && uploads_open_ == 0) {
    count_asked_ = true;
    std::vector<std::uint8_t> node(64);
    ByteWriter out(node);
    GODWIT_CHECK(protocol::write_count_question(out, {jid_.domain}));
    node.resize(out.size());
    ask({.kind = Kind::count}, false, std::move(node));
  }
  for (auto& [user, account] : accounts_) {
    if (account.retry_at == Instant{} || now.instant < account.retry_at) continue;
    account.retry_at = {};
    dirty_ = true;
  }
  for (const auto& [user, done] : looking_up_) {
    if (accounts_[user].retry_at == Instant{}) ask_devices(user);
  }
  if (std::exchange(dirty_, false)) {
    if (auto sealed = transact([&] { return seal_waiting(now); }); !sealed) {
      return std::unexpected(sealed.error());
    }
  }
  return std::exchange(work_, {});
}

Result<void> Sealing::seal_waiting(Now now) {
  for (auto& [user, account] : accounts_) account.waiting = false;
  constexpr std::size_t page = 256;
  std::uint64_t after = 0;
  std::size_t sealed = 0;
  for (;;) {
    std::vector<Pending> waiting;
    {
      Query query(state_.database(),
                  "SELECT id, recipient, shown_id FROM messages WHERE sealed=0 AND id>? "
                  "ORDER BY id LIMIT ?");
      query.bind(after).bind(std::uint64_t{page});
      while (query.row()) waiting.push_back({query.number(0), query.text(1), query.number(2)});
      if (!query.ended_well()) return state_.database().error();
    }
    for (const Pending& message : waiting) {
      if (sealed == batch_max) {
        dirty_ = true;  // the rest in the next turn
        return prune();
      }
      const auto outcome = seal(message, now);
      if (!outcome) return std::unexpected(outcome.error());
      if (*outcome == Outcome::sealed) ++sealed;
      after = message.id;
    }
    if (waiting.size() < page) return sealed > 0 ? prune() : Result<void>{};
  }
}

Result<Sealing::Outcome> Sealing::seal(const Pending& message, Now now) {
  const auto to = protocol::parse_jid(message.recipient);
  if (!to) return state_.database().damaged("a message has no address");
  if (to->domain != jid_.domain) {
    return refuse(message, explain(Refused{.condition = Condition::remote_server_not_found}));
  }
  Account& account = accounts_[to->user];
  if (account.waiting) return Outcome::waits;
  account.waiting = true;  // unless it is sealed or refused below
  if (account.retry_at != Instant{}) return Outcome::waits;
  const auto list = vault_.devices(account_of(to->user));
  if (!list) return std::unexpected(list.error());
  if (!*list || now.wall - (*list)->fetched >= list_age_max) {
    ask_devices(to->user);
    return Outcome::waits;
  }
  Listed targets = (*list)->devices;
  std::erase_if(targets, [&](const Vault::ListedDevice& device) {
    const bool is_own = to->user == jid_.user && device.device == jid_.device;
    return is_own || (to->device != 0 && device.device != to->device);
  });
  account.waiting = false;
  if (targets.empty()) {
    return refuse(message, to->user == jid_.user ? "there is no other device of this account"
                           : to->device != 0
                               ? explain(Refused{.condition = Condition::item_not_found})
                               : "no device of " + account_of(to->user) + " has published keys");
  }
  for (const Vault::ListedDevice& device : targets) {
    const std::string peer = name(to->user, device.device);
    const auto known = vault_.peer(peer);
    if (!known) return std::unexpected(known.error());
    if (*known && (*known)->trust == Vault::Trust::broken) {
      return refuse(message, "the safety number with " + peer +
                                 " has changed since it was verified; compare it again (godwit "
                                 "verify " +
                                 account_of(to->user) + ")");
    }
  }
  const auto ready = all_have_sessions(to->user, targets, now);
  if (!ready) return std::unexpected(ready.error());
  account.waiting = !*ready;
  if (!*ready) return Outcome::waits;
  if (auto done = encrypt_for(message, to->user, targets, now); !done) {
    return std::unexpected(done.error());
  }
  return account.waiting ? Outcome::waits : Outcome::sealed;
}

Result<Sealing::Outcome> Sealing::refuse(const Pending& message, const std::string& why) {
  Query erase(state_.database(), "DELETE FROM messages WHERE id=?");
  if (!erase.bind(message.id).done()) return state_.database().error();
  if (message.id == message.shown_id) work_.unsendable.push_back({message.id, why});
  return Outcome::refused;
}

// Asks for the bundles that are missing.
Result<bool> Sealing::all_have_sessions(const std::string& user, const Listed& targets, Now now) {
  bool all = true;
  for (const Vault::ListedDevice& device : targets) {
    const auto record = vault_.session(name(user, device.device));
    if (!record) return std::unexpected(record.error());
    if (record->can_send(now.wall) && record->current()->remote_identity == device.identity) {
      continue;
    }
    ask_bundle(user, device.device);
    all = false;
  }
  return all;
}

Result<void> Sealing::encrypt_for(const Pending& message, const std::string& user,
                                  const Listed& targets, Now now) {
  std::string text;
  {
    Query query(state_.database(), "SELECT payload FROM messages WHERE id=?");
    if (!query.bind(message.id).row()) return state_.database().error();
    text = query.text(0);
  }
  const signal::SecretBytes plain =
      write_envelope({.id = message.shown_id, .bytes = as_bytes(text)});
  struct Sealed {
    std::string peer;
    signal::SessionRecord record;
    std::vector<std::uint8_t> payload;
  };
  std::vector<Sealed> all;
  for (const Vault::ListedDevice& device : targets) {
    Sealed sealed{.peer = name(user, device.device)};
    auto record = vault_.session(sealed.peer);
    if (!record) return std::unexpected(record.error());
    const signal::ProtocolAddress local{account_of(jid_.user), jid_.device};
    const signal::ProtocolAddress remote{account_of(user), device.device};
    const auto written = signal::encrypt(*record, plain,
                                         {.identity = own_->identity,
                                          .registration_id = own_->registration,
                                          .local = local,
                                          .remote = remote,
                                          .known_identity = device.identity,
                                          .now = now.wall},
                                         random_);
    if (!written) {  // used up: another session first
      record->archive_current();
      if (auto saved = vault_.save_session(sealed.peer, *record); !saved) return saved;
      ask_bundle(user, device.device);
      accounts_[user].waiting = true;
      return {};
    }
    sealed.record = std::move(*record);
    sealed.payload = write_payload(*written);
    all.push_back(std::move(sealed));
  }
  const bool shown = message.id == message.shown_id;  // to the application, as accepted or refused
  for (const Sealed& sealed : all) {
    if (auto saved = vault_.save_session(sealed.peer, sealed.record); !saved) return saved;
    if (auto queued = queue_row(sealed.peer, sealed.payload, shown ? message.id : 0); !queued) {
      return queued;
    }
    Query remember(state_.database(),
                   "INSERT INTO sent VALUES((SELECT max(id) FROM outbox), ?, ?)");
    if (!remember.bind(message.id).bind(std::string_view(sealed.peer)).done()) {
      return state_.database().error();
    }
  }
  Query mark(state_.database(), "UPDATE messages SET sealed=1 WHERE id=?");
  if (!mark.bind(message.id).done()) return state_.database().error();
  return {};
}

Result<void> Sealing::queue_row(const std::string& recipient, Bytes payload,
                                std::uint64_t message) {
  const auto id = state_.take_ids(1);
  if (!id) return std::unexpected(id.error());
  Query insert(state_.database(),
               "INSERT INTO outbox(id, recipient, payload, message) VALUES(?,?,?,?)");
  insert.bind(*id).bind(std::string_view(recipient)).bind(payload).bind(message);
  if (!insert.done()) return state_.database().error();
  work_.outbox_grew = true;
  return {};
}

Result<void> Sealing::prune() {
  Query old(state_.database(),
            "DELETE FROM sent WHERE id<=(SELECT id FROM sent ORDER BY id DESC LIMIT 1 OFFSET ?)");
  if (!old.bind(std::uint64_t{sent_kept}).done()) return state_.database().error();
  return state_.database().run(
      "DELETE FROM messages WHERE sealed=1 AND id NOT IN (SELECT message FROM sent)");
}

}  // namespace godwit::client
