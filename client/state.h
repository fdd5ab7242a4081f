// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "client/database.h"
#include "crypto/certificate.h"
#include "crypto/keys.h"
#include "protocol/jid.h"

namespace godwit::client {

// What a device knows of itself between two runs, in SQLite under its home folder: WAL,
// synchronous=FULL, one process at a time. The outbox holds what the gateway has not acknowledged,
// the inbox what the application has not taken.
//
// A message received goes in with the highest id seen of its sender and the mailbox sequence, in
// one transaction: that is what makes "once" exact. Not thread safe.
class State {
 public:
  struct Identity {
    protocol::Jid jid;   // device 0 until registered
    std::string server;  // host:port
    crypto::PrivateKey private_key;
    std::optional<crypto::OperatorPublicKey> operator_key;
    std::optional<crypto::PublicKey> node_key;
  };
  struct Outgoing {
    std::uint64_t id = 0;
    std::string to;
    std::string payload;
    std::optional<std::uint16_t> devices{};  // digest of the list it was encrypted for
  };
  struct Incoming {
    std::string from;
    std::uint64_t id = 0;
    std::uint64_t sequence = 0;  // 0: ephemeral
    std::int64_t time_ms = 0;    // accepted by the gateway, Unix time
    std::string payload;
    bool notice = false;  // said by this device about the sender, not by the sender
  };
  struct Stored {
    std::int64_t row = 0;
    Incoming message;
  };

  // Makes folder (0700) and file (0600) when missing. Errors: io; unavailable when another process
  // has it open; refused when a newer version made it; corrupt when it is no state, also from every
  // other function.
  static Result<std::unique_ptr<State>> open(const std::string& home);
  ~State();

  // Empty before the first save_identity.
  Result<std::optional<Identity>> load_identity();
  Result<void> save_identity(const Identity& identity);

  // Gives each the next id, durably and in order; returns the first id. For the outbox as they are.
  Result<std::uint64_t> append_outbox(const std::string& to, std::span<const std::string> payloads);
  // The same for what is to be encrypted first (client/sealing.h).
  Result<std::uint64_t> append_messages(const std::string& to,
                                        std::span<const std::string> payloads);
  // Inside a transaction: the next `count` ids.
  Result<std::uint64_t> take_ids(std::size_t count);
  // In order of ids, those above `after_id`.
  Result<std::vector<Outgoing>> read_outbox(std::uint64_t after_id, std::size_t limit);
  // Accepted ones: survives the death of this process; not, for a moment, that of the machine,
  // after which they would be sent again under the same ids and recognised. Returns the messages of
  // the application that are settled by it, all of whose rows are gone.
  Result<std::vector<std::uint64_t>> erase_accepted(std::span<const std::uint64_t> ids);
  // A refused one, durably: sent again it might be accepted, after the application was told that it
  // was not. The message that is settled by it; accepted when another device has it.
  struct Settled {
    std::uint64_t message = 0;
    bool accepted = false;
  };
  Result<std::optional<Settled>> erase_refused(std::uint64_t id);
  // Inside a transaction: one way to send this message is done with, `accepted` or not. What it is
  // settled with when there is no other.
  Result<std::optional<Settled>> settle(std::uint64_t message, bool accepted);
  // The application's messages that are neither accepted nor refused.
  Result<std::uint64_t> unsettled();
  Result<std::uint64_t> outbox_size();

  // Stores what was not seen before and the highest sequence; returns how many were new. "Seen" is
  // one number per sending device for what is kept in mailboxes and another for ephemeral messages:
  // those overtake, and must not hide what they overtook.
  //
  // `open` says what the inbox gets for a message, and keeps in the same transaction what it
  // changes; an error of it rolls all back.
  using Opener = std::function<Result<std::vector<Incoming>>(const Incoming& message)>;
  Result<std::size_t> store(std::span<const Incoming> messages, const Opener& open = {});
  // Inside a transaction, or as one.
  Result<void> add_inbox(const Incoming& message);
  Result<std::uint64_t> last_sequence();
  Result<std::vector<Stored>> read_inbox(std::size_t limit);
  // The application has it. Survives the death of this process; not, for a moment, that of the
  // machine, after which the message would be shown again.
  Result<void> erase_inbox(std::int64_t row);

  Database& database() { return database_; }

 private:
  State() = default;
  Result<std::uint64_t> append(const char* insert_sql, const std::string& to,
                               std::span<const std::string> payloads);
  Result<std::optional<Settled>> erase_row(std::uint64_t id, bool accepted);

  Database database_;
  int lock_ = -1;
};

}  // namespace godwit::client
