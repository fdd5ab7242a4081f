// SPDX-License-Identifier: Apache-2.0
#include "client/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace godwit::client {

namespace {

std::string reason() {
  return std::strerror(errno);
}

}  // namespace

State::~State() {
  database_ = {};
  if (lock_ >= 0) ::close(lock_);
}

Result<std::unique_ptr<State>> State::open(const std::string& home) {
  if (::mkdir(home.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(ErrorCode::io, "cannot make the folder " + home + ": " + reason());
  }
  std::unique_ptr<State> state(new State);
  state->lock_ = ::open((home + "/lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (state->lock_ < 0) return fail(ErrorCode::io, "cannot write in " + home + ": " + reason());
  if (::flock(state->lock_, LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::unavailable,
                home + " is in use by another godwit; wait for it, or give another --home");
  }
  if (auto opened = state->database_.open(home + "/state.db"); !opened) {
    return std::unexpected(opened.error());
  }
  return state;
}

Result<std::optional<State::Identity>> State::load_identity() {
  Query query(
      database_,
      "SELECT user, domain, device, server, private_key, operator_key, node_key FROM identity");
  if (!query.row()) {
    if (!query.ended_well()) return database_.error();
    return std::nullopt;
  }
  const auto key = query.key(4);
  // A pin that cannot be read must not become no pin.
  if (!key || !query.is_key_or_null(5) || !query.is_key_or_null(6)) {
    return database_.damaged("a key has another size");
  }
  Identity identity;
  identity.jid.user = query.text(0);
  identity.jid.domain = query.text(1);
  identity.jid.device = static_cast<std::uint16_t>(query.number(2));
  identity.server = query.text(3);
  identity.private_key = crypto::PrivateKey(*key);
  identity.operator_key = query.public_key(5);
  identity.node_key = query.public_key(6);
  return identity;
}

Result<void> State::save_identity(const Identity& identity) {
  if (auto set = database_.set_waiting_for_disk(true); !set) return set;
  Query query(database_, "INSERT OR REPLACE INTO identity VALUES(1,?,?,?,?,?,?,?)");
  query.bind(std::string_view(identity.jid.user)).bind(std::string_view(identity.jid.domain));
  query.bind(std::uint64_t{identity.jid.device}).bind(std::string_view(identity.server));
  query.bind(Bytes(identity.private_key.bytes()));
  identity.operator_key ? query.bind(Bytes(*identity.operator_key)) : query.bind_null();
  identity.node_key ? query.bind(Bytes(*identity.node_key)) : query.bind_null();
  if (!query.done()) return database_.error();
  return {};
}

Result<std::uint64_t> State::take_ids(std::size_t count) {
  const auto next = database_.number("SELECT next_id FROM numbers");
  if (!next) return next;
  Query advance(database_, "UPDATE numbers SET next_id=?");
  if (!advance.bind(*next + count).done()) return database_.error();
  return next;
}

Result<std::uint64_t> State::append(const char* insert_sql, const std::string& to,
                                    std::span<const std::string> payloads) {
  if (auto set = database_.set_waiting_for_disk(true); !set) return std::unexpected(set.error());
  std::uint64_t first = 0;
  const auto done = database_.transact([&]() -> Result<void> {
    const auto next = take_ids(payloads.size());
    if (!next) return std::unexpected(next.error());
    first = *next;
    Query insert(database_, insert_sql);
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      insert.bind(first + i).bind(std::string_view(to)).bind(as_bytes(payloads[i]));
      if (!insert.done()) return database_.error();
      insert.again();
    }
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return first;
}

Result<std::uint64_t> State::append_outbox(const std::string& to,
                                           std::span<const std::string> payloads) {
  return append("INSERT INTO outbox(id, recipient, payload, message) VALUES(?1,?2,?3,?1)", to,
                payloads);
}

Result<std::uint64_t> State::append_messages(const std::string& to,
                                             std::span<const std::string> payloads) {
  return append("INSERT INTO messages(id, recipient, payload, shown_id) VALUES(?1,?2,?3,?1)", to,
                payloads);
}

Result<std::vector<State::Outgoing>> State::read_outbox(std::uint64_t after_id, std::size_t limit) {
  Query query(database_,
              "SELECT id, recipient, payload, devices FROM outbox WHERE id>? ORDER BY id LIMIT ?");
  query.bind(after_id).bind(std::uint64_t{limit});
  std::vector<Outgoing> messages;
  while (query.row()) {
    messages.push_back({.id = query.number(0), .to = query.text(1), .payload = query.text(2)});
    if (!query.is_null(3)) messages.back().devices = static_cast<std::uint16_t>(query.number(3));
  }
  if (!query.ended_well()) return database_.error();
  return messages;
}

// Takes a row out; the message it was the last one of, when it was.
Result<std::optional<State::Settled>> State::erase_row(std::uint64_t id, bool accepted) {
  Query find(database_, "SELECT message, partly FROM outbox WHERE id=?");
  if (!find.bind(id).row()) {
    if (find.ended_well()) return std::nullopt;
    return database_.error();
  }
  const std::uint64_t message = find.number(0);
  const bool partly = find.number(1) != 0;
  Query erase(database_, "DELETE FROM outbox WHERE id=?");
  if (!erase.bind(id).done()) return database_.error();
  if (message == 0) return std::nullopt;
  return settle(message, accepted || partly);
}

Result<std::optional<State::Settled>> State::settle(std::uint64_t message, bool accepted) {
  {
    Query left(database_,
               "SELECT (SELECT count(*) FROM outbox WHERE message=?1) + "
               "(SELECT count(*) FROM repairs WHERE message=?1), "
               "coalesce((SELECT partly FROM messages WHERE id=?1), 0)");
    if (!left.bind(message).row()) return database_.error();
    accepted = accepted || left.number(1) != 0;
    if (left.number(0) == 0) return Settled{.message = message, .accepted = accepted};
  }
  if (!accepted) return std::nullopt;
  for (const char* sql :
       {"UPDATE outbox SET partly=1 WHERE message=?", "UPDATE messages SET partly=1 WHERE id=?"}) {
    Query mark(database_, sql);
    if (!mark.bind(message).done()) return database_.error();
  }
  return std::nullopt;
}

Result<std::vector<std::uint64_t>> State::erase_accepted(std::span<const std::uint64_t> ids) {
  if (auto set = database_.set_waiting_for_disk(false); !set) return std::unexpected(set.error());
  std::vector<std::uint64_t> messages;
  const auto done = database_.transact([&]() -> Result<void> {
    for (const std::uint64_t id : ids) {
      const auto settled = erase_row(id, true);
      if (!settled) return std::unexpected(settled.error());
      if (*settled) messages.push_back((*settled)->message);
    }
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return messages;
}

Result<std::optional<State::Settled>> State::erase_refused(std::uint64_t id) {
  if (auto set = database_.set_waiting_for_disk(true); !set) return std::unexpected(set.error());
  std::optional<Settled> last;
  const auto done = database_.transact([&]() -> Result<void> {
    auto settled = erase_row(id, false);
    if (!settled) return std::unexpected(settled.error());
    last = *settled;
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return last;
}

Result<std::uint64_t> State::unsettled() {
  return database_.number(
      "SELECT (SELECT count(*) FROM messages WHERE sealed=0 AND id=shown_id) + "
      "(SELECT count(*) FROM (SELECT message FROM outbox WHERE message>0 UNION "
      "SELECT message FROM repairs))");
}

Result<std::uint64_t> State::outbox_size() {
  return database_.number("SELECT count(*) FROM outbox");
}

Result<std::size_t> State::store(std::span<const Incoming> messages, const Opener& open) {
  if (auto set = database_.set_waiting_for_disk(true); !set) return std::unexpected(set.error());
  std::size_t fresh = 0;
  const auto done = database_.transact([&]() -> Result<void> {
    Query seen(database_, "SELECT id FROM seen WHERE sender=? AND ephemeral=?");
    Query mark(database_, "INSERT OR REPLACE INTO seen VALUES(?,?,?)");
    std::uint64_t sequence = 0;
    for (const Incoming& message : messages) {
      sequence = std::max(sequence, message.sequence);
      const std::uint64_t ephemeral = message.sequence == 0 ? 1 : 0;
      const bool known = seen.bind(std::string_view(message.from)).bind(ephemeral).row();
      if (!known && !seen.ended_well()) return database_.error();
      const bool repeated = known && seen.number(0) >= message.id;
      seen.again();
      if (repeated) continue;
      auto opened = open ? open(message) : Result<std::vector<Incoming>>({message});
      if (!opened) return std::unexpected(opened.error());
      for (const Incoming& shown : *opened) {
        if (auto added = add_inbox(shown); !added) return added;
      }
      fresh += opened->size();
      mark.bind(std::string_view(message.from)).bind(ephemeral).bind(message.id);
      if (!mark.done()) return database_.error();
      mark.again();
    }
    if (sequence == 0) return {};
    // As the gateway counts, also when it counts lower than before: to name a higher one at login
    // would acknowledge what has not come.
    Query advance(database_, "UPDATE numbers SET last_sequence=?");
    if (!advance.bind(sequence).done()) return database_.error();
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return fresh;
}

Result<void> State::add_inbox(const Incoming& message) {
  Query insert(database_,
               "INSERT INTO inbox(sender, id, time_ms, payload, notice) VALUES(?,?,?,?,?)");
  insert.bind(std::string_view(message.from)).bind(message.id);
  insert.bind(static_cast<std::uint64_t>(message.time_ms)).bind(as_bytes(message.payload));
  if (!insert.bind(std::uint64_t{message.notice}).done()) return database_.error();
  return {};
}

Result<std::uint64_t> State::last_sequence() {
  return database_.number("SELECT last_sequence FROM numbers");
}

Result<std::vector<State::Stored>> State::read_inbox(std::size_t limit) {
  Query query(database_,
              "SELECT row, sender, id, time_ms, payload, notice FROM inbox ORDER BY row LIMIT ?");
  query.bind(std::uint64_t{limit});
  std::vector<Stored> messages;
  while (query.row()) {
    messages.push_back({.row = static_cast<std::int64_t>(query.number(0)),
                        .message = {.from = query.text(1),
                                    .id = query.number(2),
                                    .time_ms = static_cast<std::int64_t>(query.number(3)),
                                    .payload = query.text(4),
                                    .notice = query.number(5) != 0}});
  }
  if (!query.ended_well()) return database_.error();
  return messages;
}

Result<void> State::erase_inbox(std::int64_t row) {
  // Without the wait for the disk, so that the moment in which a crash would show a message twice
  // is short.
  if (auto set = database_.set_waiting_for_disk(false); !set) return set;
  Query query(database_, "DELETE FROM inbox WHERE row=?");
  if (!query.bind(static_cast<std::uint64_t>(row)).done()) return database_.error();
  return {};
}

}  // namespace godwit::client
