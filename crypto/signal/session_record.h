// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/signal/session_state.h"

// All sessions with one device: the one that is sent with, and those it has taken the place of,
// whose late messages can still be read. This is what a client stores, in the transaction that
// stores the message which changed it. session.h has what is done with it. Thread safety: a value.

namespace godwit::crypto::signal {

class SessionRecord {
 public:
  SessionRecord() = default;
  SessionRecord copy() const;

  // Of the current session; none when there is no current one.
  const SessionState* current() const { return current_ ? &*current_ : nullptr; }
  // Whether there is a session to send with: one that the other side has answered, or that began at
  // most unacknowledged_age_max ago.
  bool can_send(WallTime now) const;
  // Whether the other side spoke of this ratchet key of ours: a request to retry is about the
  // current session only when it names its key (retry.h).
  bool current_ratchet_key_is(const PublicKey& key) const;
  std::size_t archived_count() const { return archived_.size(); }

  // The reset: the current session is kept for reading only, and the next message needs a bundle.
  void archive_current();

  // Current first, then newest first. At most session_record_size_max bytes.
  SecretBytes write() const;
  // corrupt: not what write() has written.
  static Result<SessionRecord> read(Bytes bytes);

 private:
  friend class SessionEdit;

  // Kept as written: most are never looked at again.
  struct Archived {
    PublicKey base_key{};
    SecretBytes state;
  };

  std::optional<SessionState> current_;
  std::vector<Archived> archived_;  // newest first
};

inline constexpr std::size_t session_record_size_max =
    1 + 1 + 4 + 4 + (1 + archived_sessions_max) * (32 + 4 + session_state_size_max);

// How session.h changes a record: each step is all or nothing. Not for callers of session.h.
class SessionEdit {
 public:
  explicit SessionEdit(SessionRecord& record) : record_(record) {}

  std::size_t archived_count() const { return record_.archived_.size(); }
  bool is_current(const PublicKey& base_key) const;
  // None when no archived session has this base key.
  std::optional<std::size_t> find_archived(const PublicKey& base_key) const;
  // None when what is stored is damaged.
  std::optional<SessionState> archived(std::size_t index) const;

  // None when there is no current one.
  SessionState* current() { return record_.current_ ? &*record_.current_ : nullptr; }
  // The current one is archived.
  void begin_session(SessionState state);
  // The archived one leaves its place and becomes current; the current one is archived.
  void promote(std::size_t index, SessionState state);

 private:
  SessionRecord& record_;
};

}  // namespace godwit::crypto::signal
