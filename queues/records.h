// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/big_endian.h"
#include "base/bytes.h"
#include "queues/buffer.h"

// What travels in the buffers of commands. Each has an encode into a buffer of the sender's pool
// (empty when the pool is exhausted) and a decode that yields views into the buffer or values; both
// ends are this program, so a record that does not decode is a broken invariant.

namespace godwit::queues {

using PublicKeyBytes = std::array<std::uint8_t, 32>;

// In front of the body of every message on its way to a home, in a mailbox, in the store. 8 bytes,
// the user, then the body (protocol::write_message_body).
struct Envelope {
  std::uint16_t to_device = 0;  // 0: every device of the account
  std::uint8_t message_type = 0;
  bool ephemeral = false;
  std::string_view to_user;
  Bytes body;
};
inline constexpr std::size_t envelope_head_size = 8;
// REQUIRES: a head.
inline std::size_t envelope_user_size(Bytes buffer) {
  return load_u32(buffer.data() + 4);
}
std::size_t envelope_size(std::size_t user_size, std::size_t body_size);
// Writes head and user; the caller writes the body behind, at the returned offset.
std::size_t write_envelope(MutableBytes out, std::uint16_t to_device, std::uint8_t message_type,
                           bool ephemeral, std::string_view to_user);
// Whether it is one: what comes from a disk may be anything.
inline bool is_envelope(Bytes buffer) {
  return buffer.size() >= envelope_head_size &&
         envelope_user_size(buffer) <= buffer.size() - envelope_head_size;
}
// REQUIRES: it is one. Every message's is read three times, so this is here and reads no byte
// alone.
inline Envelope read_envelope(Bytes buffer) {
  GODWIT_CHECK(is_envelope(buffer));
  const std::uint8_t* head = buffer.data();
  const Bytes rest = buffer.subspan(envelope_head_size);
  const std::size_t user_size = envelope_user_size(buffer);
  return {.to_device = static_cast<std::uint16_t>(head[0] << 8 | head[1]),
          .message_type = head[2],
          .ephemeral = head[3] != 0,
          .to_user = as_text(rest.first(user_size)),
          .body = rest.subspan(user_size)};
}

struct AttachRequest {
  std::string_view user;
  std::string_view client;
  std::uint16_t device = 0;
  std::uint32_t window = 0;
  std::uint64_t last_sequence = 0;
  PublicKeyBytes key{};
};
Buffer encode(BufferPool& pool, const AttachRequest& request);
AttachRequest decode_attach_request(Bytes bytes);

struct RegisterRequest {
  std::string_view user;
  std::string_view invite;
  std::string_view client;
  PublicKeyBytes key{};
};
Buffer encode(BufferPool& pool, const RegisterRequest& request);
RegisterRequest decode_register_request(Bytes bytes);

// An iq addressed to the server that control answers (XEP-0191 blocking).
struct ServerIq {
  std::string_view user;
  std::uint8_t type = 0;  // protocol::IqType
  std::uint64_t id = 0;
  Bytes node;  // one binary XML element
};
Buffer encode(BufferPool& pool, const ServerIq& iq);
ServerIq decode_server_iq(Bytes bytes);

enum class AccountStatus : std::uint8_t { active = 1, suspended = 2 };

// What a home needs to know of an account. `blocks` are keyed hashes of blocked users' user parts.
struct AccountRecord {
  struct Device {
    std::uint16_t id = 0;
    std::uint32_t tag = 0;  // of its identity (crypto/signal/device_tag.h); 0: no keys published
    PublicKeyBytes key{};
    friend bool operator==(const Device&, const Device&) = default;
  };
  std::uint64_t account_id = 0;  // never used again, also not after removal
  AccountStatus status = AccountStatus::active;
  bool tags_known = true;  // false: the key directory could not say
  std::string user;
  std::vector<Device> devices;
  std::vector<std::uint64_t> blocks;
  friend bool operator==(const AccountRecord&, const AccountRecord&) = default;
};
Buffer encode(BufferPool& pool, const AccountRecord& record);
AccountRecord decode_account_record(Bytes bytes);

// Rows of admin queries.
struct SessionRow {
  std::string user;
  std::uint16_t device = 0;
  std::string client;
  std::string address;
  std::uint64_t connected_ms = 0;    // age
  std::uint32_t unacknowledged = 0;  // stanzas taken from it and not yet settled
  friend bool operator==(const SessionRow&, const SessionRow&) = default;
};
Buffer encode(BufferPool& pool, const SessionRow& row);
SessionRow decode_session_row(Bytes bytes);

struct QueueRow {
  std::string user;
  std::uint16_t device = 0;
  bool connected = false;
  std::uint64_t in_memory = 0;
  std::uint64_t in_store = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const QueueRow&, const QueueRow&) = default;
};
Buffer encode(BufferPool& pool, const QueueRow& row);
QueueRow decode_queue_row(Bytes bytes);

}  // namespace godwit::queues
