// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/compact_text.h"
#include "base/connection_name.h"
#include "base/token_bucket.h"
#include "crypto/aead.h"
#include "crypto/keys.h"
#include "dataplane/server_handshake.h"
#include "dataplane/settled_window.h"
#include "queues/buffer.h"
#include "queues/command.h"

namespace godwit::dataplane {

enum class SessionState : std::uint8_t {
  closed,       // the slot is free
  preamble,     // nothing understood yet
  handshake,    // Noise under way
  connected,    // keys agreed; login or register is due
  registering,  // waiting for control
  attaching,    // waiting for the home
  ready,        // a session
  closing,      // nothing more is read; what is queued leaves
};

// What only a connection that has not logged in needs.
struct SessionStart {
  static constexpr std::uint32_t none = UINT32_MAX;

  std::unique_ptr<ServerHandshake> handshake;
  crypto::PublicKey remote_static{};
  std::string client;
  Instant since{};
  std::uint32_t older = none;  // slots, in the front's list of those that have not logged in
  std::uint32_t newer = none;
  bool deferred = false;  // its handshake message waits for a later turn, in `partial`
};

// One connection of a front. Idle, it owns no buffer: 10 million of these must fit in memory, so a
// member here is paid for that often.
struct Session {
  ConnectionName name{};
  crypto::TransportKey send;
  crypto::TransportKey receive;
  std::uint64_t account = 0;  // keyed hash of the user part
  std::uint64_t mailbox = 0;  // packed queues::MailboxName
  std::uint64_t sequence_base = 0;
  std::uint64_t last_sent = 0;  // relative sequence of the last delivery sent
  CompactText user;             // a phone number costs no allocation
  SettledWindow settled;
  TokenBucket rate;
  queues::Buffer partial;  // the start of a frame whose rest has not come
  std::unique_ptr<SessionStart> start;
  std::uint32_t acknowledged = 0;  // last stanza number acknowledged to the client
  std::uint32_t confirmed = 0;     // highest refusal the client knows of
  std::uint32_t pending_head = 0;  // output not yet sealed, in the front's nodes
  std::uint32_t pending_tail = 0;
  std::uint32_t connected_s = 0;  // Unix time
  std::uint32_t address = 0;      // its place in the front's address limits
  std::uint16_t device = 0;
  std::uint16_t client_name = 0;  // in the front's table of client names
  std::uint16_t replies = 0;      // pending output that no window bounds
  SessionState state = SessionState::closed;
  bool dirty : 1 = false;        // in the front's list of sessions to flush
  bool ack_due : 1 = false;      // in the front's queue of late acknowledgements
  bool blocked : 1 = false;      // the stream took no more; on_writable comes
  bool watched : 1 = false;      // ... and the front looks whether it does
  bool unblocked : 1 = false;    // ... and it did meanwhile
  bool paced : 1 = false;        // sent too fast: not read, in the front's wheel
  bool close_after : 1 = false;  // close once the pending output has left
};
static_assert(sizeof(Session) <= 216, "an idle connection pays this");

}  // namespace godwit::dataplane
