// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "client/explain.h"
#include "client/sealing.h"
#include "crypto/signal/device_tag.h"
#include "crypto/signal/key_encoding.h"

// What Sealing does when an account's devices are others than a message was encrypted for: its list
// is put right with the bundles of what differs, and what is not settled goes to those devices too,
// once, before anything later (docs/decisions/0012-device-lists.md).

namespace godwit::client {

namespace signal = crypto::signal;

// Takes note of all before the row can be settled: from then on the message is this side's alone.
Result<void> Sealing::on_device_list(std::uint64_t id, const std::string& recipient,
                                     const protocol::DeviceList& list, Now now) {
  const auto to = protocol::parse_jid(recipient);
  if (!to || to->domain != jid_.domain) return {};
  const Tags tags(list.list().begin(), list.list().end());
  Account& account = accounts_[to->user];
  const bool is_news = account.covered != tags;
  if (!is_news && !list.gone) return {};
  auto named = account.named;
  const auto noted = transact([&]() -> Result<void> {
    if (list.gone) {
      Query nowhere(state_.database(), "UPDATE sent SET done=2 WHERE id=?");
      if (!nowhere.bind(id).done()) return state_.database().error();
    }
    if (!is_news) return {};
    if (auto changed = change_list(to->user, tags, named, now); !changed) return changed;
    return cover(to->user, tags);
  });
  if (!noted) return noted;
  account.named = std::move(named);
  account.covered = tags;
  dirty_ = true;
  return {};
}

// What the list has too many goes; `named` are the devices whose bundles it lacks. It counts as old
// until they are there, so that it is fetched as a whole when this is forgotten in between.
Result<void> Sealing::change_list(const std::string& user, const Tags& tags,
                                  std::map<std::uint16_t, std::uint32_t>& named, Now now) {
  named.clear();
  const auto known = vault_.devices(account_of(user));
  if (!known) return std::unexpected(known.error());
  if (!*known) return {};  // it is to be fetched
  Vault::DeviceList list{.fetched = now.wall};
  const Tags known_tags = tags_of((*known)->devices);
  for (const protocol::DeviceTag& device : tags) {
    const auto found = std::ranges::find(known_tags, device);
    if (found != known_tags.end()) {
      list.devices.push_back(
          (*known)->devices[static_cast<std::size_t>(found - known_tags.begin())]);
      continue;
    }
    if (user == jid_.user && device.device == jid_.device) {  // no session with oneself
      named.clear();
      return vault_.forget_devices(account_of(user));
    }
    named.emplace(device.device, device.tag);
  }
  if (!named.empty()) list.fetched = {};
  return vault_.save_devices(account_of(user), list);
}

// Each message to the account that is not settled goes to these devices, those that it has not gone
// to under this tag.
Result<void> Sealing::cover(const std::string& user, const Tags& tags) {
  const std::string account = account_of(user);
  std::vector<std::uint64_t> open;
  {
    Query query(state_.database(),
                "SELECT id FROM messages WHERE sealed=1 AND id=shown_id AND recipient=?1 AND "
                "(EXISTS(SELECT 1 FROM outbox WHERE message=messages.id) OR "
                "EXISTS(SELECT 1 FROM repairs WHERE message=messages.id)) ORDER BY id");
    query.bind(std::string_view(account));
    while (query.row()) open.push_back(query.number(0));
    if (!query.ended_well()) return state_.database().error();
  }
  for (const std::uint64_t message : open) {
    for (const protocol::DeviceTag& device : tags) {
      if (user == jid_.user && device.device == jid_.device) continue;
      const std::string peer = name(user, device.device);
      const auto went = went_to(message, peer, device.tag);
      if (!went) return std::unexpected(went.error());
      if (*went) continue;
      // Who cannot read what went to a former identity shall not get it twice.
      Query former(state_.database(),
                   "UPDATE sent SET done=2 WHERE message=? AND peer=? AND done=0");
      if (!former.bind(message).bind(std::string_view(peer)).done()) {
        return state_.database().error();
      }
      Query add(state_.database(), "INSERT OR IGNORE INTO repairs VALUES(?,?)");
      if (!add.bind(message).bind(std::string_view(peer)).done()) return state_.database().error();
    }
  }
  return {};
}

// Or was asked for again by it, which is answered in whatever session there is then.
Result<bool> Sealing::went_to(std::uint64_t message, const std::string& peer, std::uint32_t tag) {
  Query query(state_.database(),
              "SELECT 1 FROM sent WHERE message=? AND peer=? AND "
              "(done=1 OR (done=0 AND (tag=0 OR tag=?)))");
  if (query.bind(message).bind(std::string_view(peer)).bind(std::uint64_t{tag}).row()) return true;
  if (!query.ended_well()) return state_.database().error();
  return false;
}

// In on_bundle's transaction. False when it is not the device that was named.
Result<bool> Sealing::add_named(const Asked& asked, const crypto::PublicKey& identity,
                                std::uint32_t registration, Now now) {
  const auto& named = accounts_[asked.user].named;
  const auto encoded = signal::encode_public_key(identity);
  if (named.at(asked.device) != signal::device_tag(asked.device, encoded)) return false;
  auto list = vault_.devices(account_of(asked.user));
  if (!list) return std::unexpected(list.error());
  if (!*list) return false;  // forgotten meanwhile: the whole of it
  // Takes the list away when the identity is another one.
  if (auto noted = note_identity(name(asked.user, asked.device), identity, now); !noted) {
    return std::unexpected(noted.error());
  }
  (*list)->devices.push_back(
      {.device = asked.device, .registration = registration, .identity = identity});
  if (named.size() == 1) (*list)->fetched = now.wall;
  if (auto saved = vault_.save_devices(account_of(asked.user), **list); !saved) {
    return std::unexpected(saved.error());
  }
  return true;
}

// In the order of the messages. False when the rest is for the next turn.
Result<bool> Sealing::seal_repairs(Now now, std::size_t& sealed) {
  std::vector<Repair> repairs;
  {
    Query query(state_.database(), "SELECT message, peer FROM repairs ORDER BY message, peer");
    while (query.row()) repairs.push_back({query.number(0), query.text(1)});
    if (!query.ended_well()) return state_.database().error();
  }
  for (const Repair& repair : repairs) {
    if (sealed == batch_max) {
      dirty_ = true;
      return false;
    }
    const auto outcome = seal_repair(repair, now);
    if (!outcome) return std::unexpected(outcome.error());
    if (*outcome == Outcome::sealed) ++sealed;
  }
  return true;
}

Result<Sealing::Outcome> Sealing::seal_repair(const Repair& repair, Now now) {
  const auto to = protocol::parse_jid(repair.peer);
  if (!to) return state_.database().damaged("a message has no address");
  const auto list = list_for(to->user, now);
  if (!list) return std::unexpected(list.error());
  if (!*list) return Outcome::waits;
  const auto device = std::ranges::find(**list, to->device, &Vault::ListedDevice::device);
  if (device == (*list)->end()) {
    return give_up(repair, explain(Refused{.condition = protocol::Condition::item_not_found}));
  }
  const Targets targets{
      .user = to->user, .devices = {*device}, .digest = protocol::digest_of(tags_of(**list))};
  const auto why = distrusted(to->user, targets.devices);
  if (!why) return std::unexpected(why.error());
  if (!why->empty()) return give_up(repair, *why);
  const Pending message{.id = repair.message, .recipient = repair.peer, .shown_id = repair.message};
  const auto sealed = encrypt_for(message, targets, now);
  if (!sealed) return std::unexpected(sealed.error());
  if (!*sealed) return Outcome::waits;
  Query done(state_.database(), "DELETE FROM repairs WHERE message=? AND peer=?");
  if (!done.bind(repair.message).bind(std::string_view(repair.peer)).done()) {
    return state_.database().error();
  }
  return Outcome::sealed;
}

Result<Sealing::Outcome> Sealing::give_up(const Repair& repair, const std::string& why) {
  Query drop(state_.database(), "DELETE FROM repairs WHERE message=? AND peer=?");
  if (!drop.bind(repair.message).bind(std::string_view(repair.peer)).done()) {
    return state_.database().error();
  }
  const auto settled = state_.settle(repair.message, false);
  if (!settled) return std::unexpected(settled.error());
  if (*settled && (*settled)->accepted) {
    work_.accepted.push_back(repair.message);
  } else if (*settled) {
    work_.unsendable.push_back({repair.message, why});
  }
  return Outcome::refused;
}

// The account is gone or does not want it.
Result<void> Sealing::drop_repairs(const std::string& user, const std::string& why) {
  std::vector<Repair> repairs;
  {
    Query query(state_.database(), "SELECT message, peer FROM repairs");
    while (query.row()) {
      const auto to = protocol::parse_jid(query.text(1));
      if (to && to->user == user) repairs.push_back({query.number(0), query.text(1)});
    }
    if (!query.ended_well()) return state_.database().error();
  }
  for (const Repair& repair : repairs) {
    if (auto given_up = give_up(repair, why); !given_up) return std::unexpected(given_up.error());
  }
  return {};
}

}  // namespace godwit::client
