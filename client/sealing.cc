// SPDX-License-Identifier: Apache-2.0
#include "client/sealing.h"

#include <algorithm>
#include <utility>

#include "client/envelope.h"
#include "client/explain.h"
#include "crypto/signal/device_tag.h"
#include "crypto/signal/key_encoding.h"
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
  // First what is to be behind nothing: what waits was written after it.
  const auto repaired = seal_repairs(now, sealed);
  if (!repaired) return std::unexpected(repaired.error());
  if (!*repaired) return {};
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
        // Each looks at all that is kept, so with very much waiting not every time.
        return ++batches_ % 16 == 0 ? prune() : Result<void>{};
      }
      const auto outcome = seal(message, now);
      if (!outcome) return std::unexpected(outcome.error());
      if (*outcome == Outcome::sealed) ++sealed;
      after = message.id;
    }
    if (waiting.size() < page) return sealed > 0 ? prune() : Result<void>{};
  }
}

Result<std::optional<Sealing::Listed>> Sealing::list_for(const std::string& user, Now now) {
  Account& account = accounts_[user];
  if (std::exchange(account.waiting, true) || account.retry_at != Instant{}) return std::nullopt;
  auto list = vault_.devices(account_of(user));
  if (!list) return std::unexpected(list.error());
  if (!*list) account.named.clear();  // forgotten since: the whole of it
  for (const auto& [device, tag] : account.named) ask_bundle(user, device);
  if (!account.named.empty()) return std::nullopt;
  if (!*list || now.wall - (*list)->fetched >= list_age_max) {
    ask_devices(user);
    return std::nullopt;
  }
  account.waiting = false;
  return std::move((*list)->devices);
}

// Why nothing is to be encrypted for these, or nothing.
Result<std::string> Sealing::distrusted(const std::string& user, const Listed& targets) {
  for (const Vault::ListedDevice& device : targets) {
    const std::string peer = name(user, device.device);
    const auto known = vault_.peer(peer);
    if (!known) return std::unexpected(known.error());
    if (*known && (*known)->trust == Vault::Trust::broken) {
      return "the safety number with " + peer +
             " has changed since it was verified; compare it again (godwit verify " +
             account_of(user) + ")";
    }
  }
  return std::string();
}

Result<Sealing::Outcome> Sealing::seal(const Pending& message, Now now) {
  const auto to = protocol::parse_jid(message.recipient);
  if (!to) return state_.database().damaged("a message has no address");
  if (to->domain != jid_.domain) {
    return refuse(message, explain(Refused{.condition = Condition::remote_server_not_found}));
  }
  const auto list = list_for(to->user, now);
  if (!list) return std::unexpected(list.error());
  if (!*list) return Outcome::waits;
  Targets targets{
      .user = to->user, .devices = **list, .digest = protocol::digest_of(tags_of(**list))};
  std::erase_if(targets.devices, [&](const Vault::ListedDevice& device) {
    const bool is_own = to->user == jid_.user && device.device == jid_.device;
    return is_own || (to->device != 0 && device.device != to->device);
  });
  if (targets.devices.empty()) {
    return refuse(message, to->user == jid_.user ? "there is no other device of this account"
                           : to->device != 0
                               ? explain(Refused{.condition = Condition::item_not_found})
                               : "no device of " + account_of(to->user) + " has published keys");
  }
  const auto why = distrusted(to->user, targets.devices);
  if (!why) return std::unexpected(why.error());
  if (!why->empty()) return refuse(message, *why);
  const auto sealed = encrypt_for(message, targets, now);
  if (!sealed) return std::unexpected(sealed.error());
  if (!*sealed) return Outcome::waits;
  Query mark(state_.database(), "UPDATE messages SET sealed=1 WHERE id=?");
  if (!mark.bind(message.id).done()) return state_.database().error();
  return Outcome::sealed;
}

Result<Sealing::Outcome> Sealing::refuse(const Pending& message, const std::string& why) {
  Query erase(state_.database(), "DELETE FROM messages WHERE id=?");
  if (!erase.bind(message.id).done()) return state_.database().error();
  if (message.id == message.shown_id) work_.unsendable.push_back({message.id, why});
  return Outcome::refused;
}

Sealing::Tags Sealing::tags_of(const Listed& list) {
  Tags tags;
  for (const Vault::ListedDevice& device : list) {
    tags.push_back({device.device,
                    signal::device_tag(device.device, signal::encode_public_key(device.identity))});
  }
  return tags;
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

// For all of them, or for none, and what is behind waits.
Result<bool> Sealing::encrypt_for(const Pending& message, const Targets& targets, Now now) {
  const std::string& user = targets.user;
  const auto ready = all_have_sessions(user, targets.devices, now);
  if (!ready) return std::unexpected(ready.error());
  if (!*ready) {
    accounts_[user].waiting = true;
    return false;
  }
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
    std::uint32_t tag = 0;
    signal::SessionRecord record;
    std::vector<std::uint8_t> payload;
  };
  std::vector<Sealed> all;
  for (const protocol::DeviceTag& tag : tags_of(targets.devices)) {
    const Vault::ListedDevice& device = targets.devices[all.size()];
    Sealed sealed{.peer = name(user, device.device), .tag = tag.tag};
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
      if (auto saved = vault_.save_session(sealed.peer, *record); !saved) {
        return std::unexpected(saved.error());
      }
      ask_bundle(user, device.device);
      accounts_[user].waiting = true;
      return false;
    }
    sealed.record = std::move(*record);
    sealed.payload = write_payload(*written);
    all.push_back(std::move(sealed));
  }
  const bool shown = message.id == message.shown_id;  // to the application, as accepted or refused
  for (const Sealed& sealed : all) {
    auto stored = vault_.save_session(sealed.peer, sealed.record);
    if (stored) {
      stored = queue_row(sealed.peer, sealed.payload, shown ? message.id : 0, targets.digest);
    }
    if (!stored) return std::unexpected(stored.error());
    Query remember(state_.database(),
                   "INSERT INTO sent(id, message, peer, tag) "
                   "VALUES((SELECT max(id) FROM outbox), ?, ?, ?)");
    remember.bind(message.id).bind(std::string_view(sealed.peer));
    if (!remember.bind(std::uint64_t{sealed.tag}).done()) return state_.database().error();
  }
  return true;
}

// What another device has taken of the message counts for this row too.
Result<void> Sealing::queue_row(const std::string& recipient, Bytes payload, std::uint64_t message,
                                std::optional<std::uint16_t> devices) {
  const auto id = state_.take_ids(1);
  if (!id) return std::unexpected(id.error());
  Query insert(state_.database(),
               "INSERT INTO outbox(id, recipient, payload, message, devices, partly) VALUES(?1, "
               "?2, ?3, ?4, ?5, coalesce((SELECT partly FROM messages WHERE id=?4), 0))");
  insert.bind(*id).bind(std::string_view(recipient)).bind(payload).bind(message);
  devices ? insert.bind(std::uint64_t{*devices}) : insert.bind_null();
  if (!insert.done()) return state_.database().error();
  work_.outbox_grew = true;
  return {};
}

// The texts of what is not settled are kept, however many: devices that are named may have to get
// them too.
Result<void> Sealing::prune() {
  Query old(state_.database(),
            "DELETE FROM sent WHERE id<=(SELECT id FROM sent ORDER BY id DESC LIMIT 1 OFFSET ?) "
            "AND NOT EXISTS(SELECT 1 FROM outbox WHERE outbox.message=sent.message) "
            "AND NOT EXISTS(SELECT 1 FROM repairs WHERE repairs.message=sent.message)");
  if (!old.bind(std::uint64_t{sent_kept}).done()) return state_.database().error();
  return state_.database().run(
      "DELETE FROM messages WHERE sealed=1 AND NOT EXISTS(SELECT 1 FROM sent WHERE "
      "sent.message=messages.id) AND NOT EXISTS(SELECT 1 FROM repairs WHERE "
      "repairs.message=messages.id)");
}

}  // namespace godwit::client
