// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/connection_name.h"
#include "queues/buffer.h"

// What shards say to each other and to control: one 64-byte descriptor a command, with at most one
// buffer, whose reference moves with it. A receiver adopts the buffer or drops it; it never leaks
// one.
//
// `Front` is the shard that owns a connection, `home` the shard that owns an account. A command's
// comment lists the fields it uses; the others are zero.

namespace godwit::queues {

enum class CommandKind : std::uint8_t {
  none = 0,

  // Front to home.
  message,  // session, number, confirmed, account, sender, sender_device, id, buffer = Envelope +
            // body; detail = 1: sequence = the digest of the devices it is for
  relay,    // presence and iq between accounts: as message; detail = protocol::StanzaType
  attach,   // session, account, number = time of the login (monotonic, ms, wraps), buffer =
            // AttachRequest
  detach,   // session, mailbox
  acknowledge,  // session, mailbox, sequence
  window,       // session, mailbox, number = window

  // Home to front.
  deliver,   // session, sequence, number = delay in seconds, detail = Envelope flags, sender = when
             // it was accepted (monotonic, ns; 0 not to be measured), buffer = Envelope + body
  relayed,   // session, buffer = one encoded stanza
  settled,   // session, number
  refused,   // session, number, id, detail = protocol::Condition, device = protocol::StanzaType
  device_list,  // session, number, buffer = one encoded stanza; detail = 1: that settles it
  attached,  // session, account, mailbox, sequence = base, sender = backlog
  attach_refused,  // session, detail = protocol::StreamCondition
  backlog_end,     // session
  kick,            // session, detail = protocol::StreamCondition, number = retry after, ms

  // Home to control.
  account_lookup,  // account, id = lookup token, buffer = user
  // Control to home.
  account_found,    // account, id = lookup token, buffer = AccountRecord
  account_missing,  // account, id = lookup token, detail = protocol::Condition when control could
                    // not look
  account_changed,  // account, buffer = AccountRecord; sent unasked, ignored where the account is
                    // not loaded
  account_removed,  // account, id = account id, buffer = user; mailboxes are purged, sessions
                    // kicked

  // Front to control.
  register_,  // session, buffer = RegisterRequest
  server_iq,  // session, number, id, account, sender_device, buffer = ServerIq
  // Control to front.
  registered,        // session, device
  register_refused,  // session, detail = protocol::Condition, buffer = a sentence
  server_iq_reply,   // session, number, buffer = one encoded stanza (iq result or error)

  // Control to every shard, and back.
  admin_query,  // id = query, detail = AdminQuery, buffer = argument or none
  admin_row,    // id = query, buffer = one row
  admin_end,    // id = query, number = sessions closed or messages purged
  settings,     // buffer = dataplane::AddressRules of the whole gateway
  drain,        // number = spread of reconnects, ms
};

enum class AdminQuery : std::uint8_t {
  sessions,  // argument: JID text or none; rows: every session of this shard, or the account's
  queues,    // the same; rows: the deepest mailboxes of this home, or all of the account's
  kick,      // argument: JID text
  purge,     // argument: JID text; drops what waits for that device
};

// Names a mailbox within one home; stale names are recognised.
struct MailboxName {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;  // 0 names nothing
  friend bool operator==(const MailboxName&, const MailboxName&) = default;
};

struct Command {
  CommandKind kind = CommandKind::none;
  std::uint8_t detail = 0;
  std::uint16_t device = 0;
  std::uint32_t number = 0;
  ConnectionName session{};
  std::uint64_t account = 0;  // keyed hash of the recipient's (or the session's own) user part
  std::uint64_t sequence = 0;
  std::uint64_t id = 0;      // or a mailbox's name, see below
  std::uint64_t sender = 0;  // keyed hash of the sender's user part
  std::uint16_t sender_device = 0;
  std::uint16_t reserved = 0;
  std::uint32_t confirmed = 0;  // highest refused stanza number the sender's client knows of
  BufferBlock* buffer = nullptr;

  // Commands between a session and its mailbox carry the mailbox's name in place of an id.
  MailboxName mailbox() const {
    return {static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(id >> 32)};
  }
  void set_mailbox(MailboxName name) {
    id = static_cast<std::uint64_t>(name.generation) << 32 | name.index;
  }

  Buffer take_buffer() { return Buffer::adopt(std::exchange(buffer, nullptr)); }
};
static_assert(sizeof(Command) == 64 && std::is_trivially_copyable_v<Command>);

}  // namespace godwit::queues
