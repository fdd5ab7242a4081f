// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "client/explain.h"
#include "client/sealing.h"
#include "crypto/signal/key_encoding.h"
#include "crypto/signal/session.h"

// What Sealing says to the key directory, and what it makes of the answers.

namespace godwit::client {

namespace signal = crypto::signal;
using protocol::Condition;

namespace {

template <typename Write>
std::vector<std::uint8_t> node_of(Write&& write) {
  std::vector<std::uint8_t> node(protocol::iq_node_size_max);
  ByteWriter out(node);
  GODWIT_CHECK(write(out));
  node.resize(out.size());
  return node;
}

template <std::size_t Size>
bool copy(std::array<std::uint8_t, Size>& to, Bytes from) {
  if (from.size() != Size) return false;
  std::ranges::copy(from, to.begin());
  return true;
}

// None when a key is of another kind.
std::optional<signal::PreKeyBundle> bundle_of(const protocol::DirectoryBundle& given,
                                              std::uint16_t device) {
  signal::PreKeyBundle bundle{.registration_id = given.registration, .device_id = device};
  const auto identity = signal::decode_public_key(given.identity);
  const auto signed_key = signal::decode_public_key(given.signed_key.key);
  const auto kem = signal::decode_kyber_key(given.kem.key);
  if (!identity || !signed_key || !kem) return std::nullopt;
  bundle.identity_key = *identity;
  bundle.signed_id = given.signed_key.id;
  bundle.signed_key = *signed_key;
  bundle.kyber_id = given.kem.id;
  bundle.kyber_key = *kem;
  if (!copy(bundle.signed_signature, given.signed_key.signature)) return std::nullopt;
  if (!copy(bundle.kyber_signature, given.kem.signature)) return std::nullopt;
  if (given.one_time) {
    const auto key = signal::decode_public_key(given.one_time->key);
    if (!key) return std::nullopt;
    bundle.one_time = {.id = given.one_time->id, .key = *key};
  }
  return bundle;
}

}  // namespace

std::string Sealing::account_of(const std::string& user) const {
  return protocol::to_text({.user = user, .domain = jid_.domain});
}

std::string Sealing::name(const std::string& user, std::uint16_t device) const {
  return protocol::to_text({.user = user, .domain = jid_.domain, .device = device});
}

void Sealing::ask(Asked asked, bool set, std::vector<std::uint8_t> node) {
  work_.questions.push_back({.id = ++last_question_, .set = set, .node = std::move(node)});
  asked_.emplace(last_question_, std::move(asked));
}

void Sealing::ask_devices(const std::string& user) {
  if (asked_.size() >= questions_max) return;  // the next answer makes room, and a new pass
  if (std::exchange(accounts_[user].list_asked, true)) return;
  ask({.kind = Kind::devices, .user = user}, false, node_of([&](ByteWriter& out) {
        return protocol::write_devices_question(out, user, {jid_.domain});
      }));
}

void Sealing::ask_bundle(const std::string& user, std::uint16_t device) {
  if (asked_.size() >= questions_max) return;
  if (!accounts_[user].bundles_asked.insert(device).second) return;
  ask({.kind = Kind::bundle, .user = user, .device = device}, false, node_of([&](ByteWriter& out) {
        return protocol::write_bundle_question(
            out, {.user = user, .domain = jid_.domain, .device = device}, {jid_.domain});
      }));
}

Result<void> Sealing::on_session(Now now) {
  wall_ = now.wall;
  const auto identity = state_.load_identity();
  if (!identity) return std::unexpected(identity.error());
  GODWIT_CHECK(identity->has_value());
  jid_ = (*identity)->jid;
  if (auto set = state_.database().set_waiting_for_disk(true); !set) return set;
  auto own = vault_.own(random_);
  if (!own) return std::unexpected(own.error());
  own_ = std::move(*own);
  asked_.clear();
  accounts_.clear();
  work_.questions.clear();
  counted_ = count_asked_ = false;
  count_retry_at_ = {};
  uploads_open_ = 0;
  dirty_ = true;
  for (const auto& [user, done] : looking_up_) ask_devices(user);
  return {};
}

void Sealing::look_up(const std::string& user, LookedUp done) {
  looking_up_[user] = std::move(done);
  if (own_) ask_devices(user);
}

Result<void> Sealing::on_answer(std::uint64_t id, std::optional<Condition> condition, Bytes node,
                                Now now) {
  const auto found = asked_.find(id);
  if (found == asked_.end()) return {};
  Asked asked = std::move(found->second);
  asked_.erase(found);
  dirty_ = true;
  if (asked.kind == Kind::devices) accounts_[asked.user].list_asked = false;
  if (asked.kind == Kind::bundle) accounts_[asked.user].bundles_asked.erase(asked.device);
  if (asked.kind == Kind::upload) --uploads_open_;
  if (condition) return on_refused_question(asked, *condition, now);
  switch (asked.kind) {
    case Kind::count:
      return on_count(node, now);
    case Kind::upload:
      // Not durable at once: at worst it is uploaded again.
      if (auto set = state_.database().set_waiting_for_disk(false); !set) return set;
      return state_.database().transact([&] { return vault_.mark_uploaded(asked.keys); });
    case Kind::devices:
      return on_devices(asked.user, node, now);
    case Kind::bundle:
      return on_bundle(asked, node, now);
  }
  return {};
}

Result<void> Sealing::on_refused_question(const Asked& asked, Condition condition, Now now) {
  if (asked.kind == Kind::count || asked.kind == Kind::upload) {
    counted_ = count_asked_ = false;
    count_retry_at_ = now.instant + std::chrono::minutes(1);
    return {};
  }
  accounts_[asked.user].named.clear();
  const bool for_good = condition == Condition::item_not_found ||
                        condition == Condition::service_unavailable ||
                        condition == Condition::bad_request;
  if (asked.kind == Kind::devices && for_good) {
    const std::string why = explain(Refused{.condition = condition});
    if (const auto looking = looking_up_.extract(asked.user)) looking.mapped()(why);
    return transact([&]() -> Result<void> {
      if (auto dropped = drop_waiting(asked.user, why); !dropped) return dropped;
      return drop_repairs(asked.user, why);
    });
  }
  accounts_[asked.user].retry_at = now.instant + retry_period;
  // The device is gone, or its account has blocked us: the list tells.
  return vault_.forget_devices(account_of(asked.user));
}

// Not to be sent at all: the account is gone or does not want it.
Result<void> Sealing::drop_waiting(const std::string& user, const std::string& why) {
  std::vector<Pending> found;
  {
    Query query(state_.database(), "SELECT id, recipient, shown_id FROM messages WHERE sealed=0");
    while (query.row()) {
      Pending message{query.number(0), query.text(1), query.number(2)};
      const auto to = protocol::parse_jid(message.recipient);
      if (to && to->user == user && to->domain == jid_.domain) found.push_back(message);
    }
    if (!query.ended_well()) return state_.database().error();
  }
  for (const Pending& message : found) {
    if (auto refused = refuse(message, why); !refused) return std::unexpected(refused.error());
  }
  return {};
}

Result<void> Sealing::on_count(Bytes node, Now now) {
  count_asked_ = false;
  const auto count = protocol::read_count(node, {jid_.domain});
  if (!count) {
    count_retry_at_ = now.instant + retry_period;
    return {};
  }
  std::vector<KeyUpload::Batch> batches;
  const auto planned = transact([&]() -> Result<void> {
    auto made = upload_.plan(*count, *own_, jid_.domain, now, random_);
    if (!made) return std::unexpected(made.error());
    batches = std::move(*made);
    return {};
  });
  if (!planned) return planned;
  counted_ = true;
  for (KeyUpload::Batch& batch : batches) {
    ++uploads_open_;
    ask({.kind = Kind::upload, .keys = std::move(batch.keys)}, true, std::move(batch.node));
  }
  return {};
}

Result<void> Sealing::on_devices(const std::string& user, Bytes node, Now now) {
  const auto given = protocol::read_devices(node, {jid_.domain});
  Vault::DeviceList list{.fetched = now.wall};
  bool good = given.has_value();
  for (std::size_t i = 0; good && i < given->size(); ++i) {
    const auto identity = signal::decode_public_key((*given)[i].identity);
    good = identity.has_value();
    if (good) list.devices.push_back({(*given)[i].device, (*given)[i].registration, *identity});
  }
  if (!good) {
    accounts_[user].retry_at = now.instant + retry_period;
    return {};
  }
  const auto stored = transact([&]() -> Result<void> {
    for (const Vault::ListedDevice& device : list.devices) {
      const std::string peer = name(user, device.device);
      if (peer == protocol::to_text(jid_)) continue;
      if (auto noted = note_identity(peer, device.identity, now); !noted) return noted;
    }
    if (auto saved = vault_.save_devices(account_of(user), list); !saved) return saved;
    return cover(user, tags_of(list.devices));
  });
  if (!stored) return stored;
  accounts_[user].named.clear();
  accounts_[user].covered = tags_of(list.devices);
  if (const auto looking = looking_up_.extract(user)) looking.mapped()("");
  return {};
}

// The identity that a device shows now. Another one than before is told of, and what there was of a
// session with the former is for reading only.
Result<void> Sealing::note_identity(const std::string& peer, const crypto::PublicKey& identity,
                                    Now now) {
  const auto known = vault_.peer(peer);
  if (!known) return std::unexpected(known.error());
  if (*known && (*known)->identity == identity) return {};
  if (!*known) return vault_.save_peer(peer, {.identity = identity});
  const bool was_verified = (*known)->trust != Vault::Trust::unverified;
  const Vault::Trust trust = was_verified ? Vault::Trust::broken : Vault::Trust::unverified;
  if (auto saved = vault_.save_peer(peer, {identity, trust}); !saved) return saved;
  // A list that is older than this would have sessions opened with the former again and again.
  if (const auto jid = protocol::parse_jid(peer)) {
    const std::string account = protocol::to_text({.user = jid->user, .domain = jid->domain});
    if (auto forgotten = vault_.forget_devices(account); !forgotten) return forgotten;
  }
  auto record = vault_.session(peer);
  if (!record) return std::unexpected(record.error());
  if (record->current() != nullptr && record->current()->remote_identity != identity) {
    record->archive_current();
    if (auto saved = vault_.save_session(peer, *record); !saved) return saved;
  }
  work_.inbox_grew = true;
  return state_.add_inbox(
      {.from = peer,
       .time_ms = now.wall.time_since_epoch().count(),
       .payload = std::string("the safety number has changed: a new installation, or somebody in "
                              "between") +
                  (was_verified ? "; it was verified, so nothing is sent until it is again" : ""),
       .notice = true});
}

Result<void> Sealing::on_bundle(const Asked& asked, Bytes node, Now now) {
  const auto given = protocol::read_bundle(node, {jid_.domain});
  const auto bundle = given ? bundle_of(*given, asked.device) : std::nullopt;
  const std::string peer = name(asked.user, asked.device);
  bool opened = false;
  const bool is_named = accounts_[asked.user].named.contains(asked.device);
  const auto done = transact([&]() -> Result<void> {
    if (!bundle) return {};
    if (is_named) {
      const auto added = add_named(asked, bundle->identity_key, bundle->registration_id, now);
      if (!added) return std::unexpected(added.error());
      if (!*added) return {};
    }
    const auto known = vault_.peer(peer);
    if (!known) return std::unexpected(known.error());
    auto record = vault_.session(peer);
    if (!record) return std::unexpected(record.error());
    const signal::ProtocolAddress local{account_of(jid_.user), jid_.device};
    const signal::ProtocolAddress remote{account_of(asked.user), asked.device};
    signal::SessionContext context{.identity = own_->identity,
                                   .registration_id = own_->registration,
                                   .local = local,
                                   .remote = remote,
                                   .now = now.wall};
    if (*known) context.known_identity = (*known)->identity;
    opened = signal::open_session(*record, *bundle, context, random_).has_value();
    return opened ? vault_.save_session(peer, *record) : Result<void>{};
  });
  if (!done) return done;
  if (opened) {
    accounts_[asked.user].named.erase(asked.device);
    return {};
  }
  accounts_[asked.user].named.clear();
  // Another identity than the list had, or keys that do not hold together: the list anew.
  accounts_[asked.user].retry_at = now.instant + retry_period;
  return vault_.forget_devices(account_of(asked.user));
}

Result<void> Sealing::on_notice(Bytes node, Now) {
  const auto notice = protocol::read_key_notice(node, {jid_.domain});
  if (!notice) return {};  // of a later version
  dirty_ = true;
  if (notice->kind == protocol::KeyNoticeKind::keys_low) {
    counted_ = false;
    return {};
  }
  return vault_.forget_devices(account_of(notice->user));
}

Result<void> Sealing::on_device_gone(const std::string& recipient) {
  const auto to = protocol::parse_jid(recipient);
  if (!to) return {};
  dirty_ = true;
  return vault_.forget_devices(account_of(to->user));
}

}  // namespace godwit::client
