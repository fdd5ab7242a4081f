// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "client/envelope.h"
#include "client/sealing.h"
#include "crypto/signal/retry.h"
#include "crypto/signal/session.h"

// What Sealing makes of messages that come. Nothing that is not encrypted reaches the inbox: what
// cannot be read is told of, and asked for again.

namespace godwit::client {

namespace signal = crypto::signal;

Result<std::size_t> Sealing::store(std::span<const State::Incoming> messages) {
  return state_.store(messages, [this](const State::Incoming& message) { return open(message); });
}

Result<std::vector<State::Incoming>> Sealing::open(const State::Incoming& message) {
  GODWIT_CHECK(own_.has_value());
  const auto ciphertext = read_payload(as_bytes(message.payload));
  const auto from = protocol::parse_jid(message.from);
  if (!ciphertext || !from || from->device == 0) return unreadable(message, nullptr);
  if (ciphertext->kind != signal::MessageKind::plaintext) return read(message, *ciphertext);
  if (auto done = resend(message, ciphertext->bytes); !done) return std::unexpected(done.error());
  return std::vector<State::Incoming>{};
}

Result<std::vector<State::Incoming>> Sealing::read(const State::Incoming& message,
                                                   const signal::CiphertextMessage& ciphertext) {
  const auto from = protocol::parse_jid(message.from);
  const auto known = vault_.peer(message.from);
  if (!known) return std::unexpected(known.error());
  auto record = vault_.session(message.from);
  if (!record) return std::unexpected(record.error());
  const signal::ProtocolAddress local{account_of(jid_.user), jid_.device};
  const signal::ProtocolAddress remote{
      protocol::to_text({.user = from->user, .domain = from->domain}), from->device};
  signal::SessionContext context{.identity = own_->identity,
                                 .registration_id = own_->registration,
                                 .local = local,
                                 .remote = remote,
                                 .now = wall_};
  signal::SecretBytes plain;
  std::vector<State::Incoming> shown;
  if (ciphertext.kind == signal::MessageKind::prekey) {
    // Any identity: a new installation's first message is read, and told of.
    auto read = signal::decrypt_prekey(*record, ciphertext.bytes, vault_, context, random_);
    if (!read) {
      return read.error().code == ErrorCode::exists ? shown : unreadable(message, &ciphertext);
    }
    plain = std::move(read->plaintext);
    if (auto saved = vault_.save_session(message.from, *record); !saved) {
      return std::unexpected(saved.error());
    }
    if (read->used) {
      if (auto settled = vault_.settle(*read->used); !settled) {
        return std::unexpected(settled.error());
      }
      const auto noted =
          note_identity(message.from, record->current()->remote_identity, {.wall = wall_});
      if (!noted) return std::unexpected(noted.error());
    }
  } else {
    if (*known) context.known_identity = (*known)->identity;
    auto read = signal::decrypt(*record, ciphertext.bytes, context, random_);
    if (!read) {
      return read.error().code == ErrorCode::exists ? shown : unreadable(message, &ciphertext);
    }
    plain = std::move(*read);
    if (auto saved = vault_.save_session(message.from, *record); !saved) {
      return std::unexpected(saved.error());
    }
  }
  const auto envelope = read_envelope(plain);
  if (!envelope) return unreadable(message, nullptr);
  shown.push_back(message);
  shown.back().id = envelope->id;
  shown.back().payload = std::string(as_text(envelope->bytes));
  return shown;
}

// `ciphertext` when it is worth asking for again.
Result<std::vector<State::Incoming>> Sealing::unreadable(
    const State::Incoming& message, const signal::CiphertextMessage* ciphertext) {
  const auto from = protocol::parse_jid(message.from);
  if (ciphertext != nullptr && from) {
    // Our messages have no time of sending that both sides know; their ids name them as well.
    const auto request =
        signal::RetryRequest::about({.message = *ciphertext,
                                     .sent_at = WallTime(std::chrono::milliseconds(message.id)),
                                     .sender_device_id = from->device});
    if (request) {
      const auto payload =
          write_payload({.kind = signal::MessageKind::plaintext, .bytes = request->encode()});
      if (auto queued = queue_row(message.from, payload, 0); !queued) {
        return std::unexpected(queued.error());
      }
    }
  }
  State::Incoming notice = message;
  notice.payload = "a message that could not be decrypted";
  notice.notice = true;
  return std::vector<State::Incoming>{std::move(notice)};
}

// The other device could not read one of ours. Named by the id it went under to that device, so a
// request is carried out once, and nobody gets what was sent to another.
Result<void> Sealing::resend(const State::Incoming& message, Bytes bytes) {
  const auto request = signal::RetryRequest::parse(bytes);
  if (!request || request->device_id != jid_.device) return {};
  const auto id = static_cast<std::uint64_t>(request->sent_at.time_since_epoch().count());
  std::uint64_t original = 0;
  {
    Query find(state_.database(),
               "SELECT message FROM sent JOIN messages ON messages.id=message "
               "WHERE sent.id=? AND peer=? AND tries<? AND done=0");
    if (!find.bind(id).bind(std::string_view(message.from)).bind(tries_max).row()) {
      return find.ended_well() ? Result<void>{} : state_.database().error();
    }
    original = find.number(0);
  }
  auto record = vault_.session(message.from);
  if (!record) return std::unexpected(record.error());
  if (request->ratchet_key && record->current_ratchet_key_is(*request->ratchet_key)) {
    record->archive_current();
    if (auto saved = vault_.save_session(message.from, *record); !saved) return saved;
  }
  const auto next = state_.take_ids(1);
  if (!next) return std::unexpected(next.error());
  Query again(state_.database(),
              "INSERT INTO messages(id, recipient, payload, shown_id, tries) "
              "SELECT ?, ?, payload, shown_id, tries+1 FROM messages WHERE id=?");
  again.bind(*next).bind(std::string_view(message.from)).bind(original);
  if (!again.done()) return state_.database().error();
  Query done(state_.database(), "UPDATE sent SET done=1 WHERE id=?");
  if (!done.bind(id).done()) return state_.database().error();
  dirty_ = true;
  return {};
}

}  // namespace godwit::client
