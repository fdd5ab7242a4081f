// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "protocol/jid.h"
#include "protocol/limits.h"

// The stanzas of a session and their encoding; docs/protocol.md is the same page for people.
//
// A frame's plaintext is a run of stanzas, each `type (1) · length (varint) · content`. Reading
// yields views into the input and allocates nothing; writing goes into a ByteWriter and fails as a
// whole when it does not fit. Pure functions, thread safe. Every structure has exactly one valid
// encoding, so reading and writing back gives the same bytes.
//
// Numbers. A client's stanzas that want an answer (message, iq, presence) are counted from 1 in
// each session: the *stanza number*, never sent, known to both ends by counting. The gateway's
// acknowledgement names the highest number up to which all are settled (XEP-0198's h). A delivered
// message has a *sequence* in its mailbox; on the wire it is relative to the base given at login,
// and left out when it is one more than the message before.

namespace godwit::protocol {

enum class StanzaType : std::uint8_t {
  message = 0x01,
  presence = 0x02,
  iq = 0x03,
  error = 0x04,          // gateway: one stanza of yours was refused
  ack = 0x05,            // both: cumulative
  device_list = 0x06,    // gateway: a message of yours was for another list of devices
  login = 0x08,          // client: first stanza of a session
  register_ = 0x09,      // client: before login
  registered = 0x0a,     // gateway
  session_ready = 0x0b,  // gateway: login accepted
  backlog_end = 0x0c,    // gateway: what waited while you were away has been sent
  window = 0x0d,         // client: grants a new delivery window
  stream_error = 0x0e,   // gateway: why the connection closes now
  ping = 0x0f,           // both
  pong = 0x10,           // both
  bye = 0x11,            // client: closes on purpose
};

enum class ParseError : std::uint8_t {
  truncated,     // ends inside a structure
  unknown_type,  // a stanza type this version does not have
  malformed,     // a value outside its range, a non-canonical form, trailing bytes
  too_large,     // over a limit of limits.h
};
std::string_view to_text(ParseError error);

// RFC 6120, 8.3.3, those the gateway uses, and two of Godwit's own at the end.
enum class Condition : std::uint8_t {
  bad_request = 1,
  conflict = 2,
  feature_not_implemented = 3,
  forbidden = 4,
  internal_server_error = 5,
  item_not_found = 6,
  jid_malformed = 7,
  not_acceptable = 8,
  not_allowed = 9,
  not_authorized = 10,
  policy_violation = 11,
  recipient_unavailable = 12,
  remote_server_not_found = 13,
  resource_constraint = 14,
  service_unavailable = 15,
  // The stanza before this one to the same account was refused and the client had not yet said that
  // it knows. Nothing is wrong with this one: send it again, same id, after confirming.
  follows_refused = 16,
};
std::string_view to_text(Condition condition);  // RFC 6120 spelling, "item-not-found"

// RFC 6120, 4.9.3, those the gateway uses.
enum class StreamCondition : std::uint8_t {
  bad_format = 1,
  conflict = 2,  // another connection of the same device took over
  connection_timeout = 3,
  host_unknown = 4,
  not_authorized = 5,
  policy_violation = 6,
  resource_constraint = 7,
  system_shutdown = 8,
  internal_server_error = 9,
  unsupported_version = 10,
  account_suspended = 11,  // Godwit's own
  account_removed = 12,    // Godwit's own
};
std::string_view to_text(StreamCondition condition);

// One device of an account that has published keys, and which identity it has (crypto/signal/
// device_tag.h).
struct DeviceTag {
  std::uint16_t device = 0;
  std::uint32_t tag = 0;
  friend bool operator==(const DeviceTag&, const DeviceTag&) = default;
};
// Of a list, in whatever order. Tags are hashes, so with a device missing, too many or changed it
// is another one but once in 65 536 times. Two bytes, because every message pays for it.
constexpr std::uint16_t digest_of(std::span<const DeviceTag> list) {
  std::uint32_t digest = 0;
  for (const DeviceTag& device : list) digest ^= device.tag;
  return static_cast<std::uint16_t>(digest ^ digest >> 16);
}

// RFC 6121, 5.2.2. Error is a stanza of its own here.
enum class MessageType : std::uint8_t { normal = 0, chat = 1, groupchat = 2, headline = 3 };

struct Message {
  MessageType type = MessageType::chat;
  std::uint64_t id = 0;        // of the sending device, increasing; > 0
  JidView peer;                // to (from a client) or from (from the gateway)
  bool ephemeral = false;      // XEP-0334 no-store: dropped when not deliverable now, never stored
  std::uint64_t sequence = 0;  // gateway only: relative to the base; 0 = one more than the last
  std::uint32_t delay_s = 0;   // gateway only, XEP-0203: seconds since acceptance; 0 = none
  // Client only: digest_of the recipient's list that this was encrypted for.
  std::optional<std::uint16_t> device_digest{};
  Bytes payload;  // opaque, ≤ payload_size_max
};

// RFC 6121, 4.7.1, and the availability itself.
enum class PresenceType : std::uint8_t { available = 0, unavailable = 1, error = 2 };
enum class PresenceShow : std::uint8_t { none = 0, chat = 1, away = 2, xa = 3, dnd = 4 };

// Directed presence only (RFC 6121, 4.6), to whoever is connected; never stored.
struct Presence {
  PresenceType type = PresenceType::available;
  PresenceShow show = PresenceShow::none;
  JidView peer;  // empty: to or from the server itself
  Bytes status;  // opaque, ≤ presence_status_size_max
};

enum class IqType : std::uint8_t { get = 0, set = 1, result = 2, error = 3 };

struct Iq {
  IqType type = IqType::get;
  std::uint64_t id = 0;
  JidView peer;  // empty: the server
  // One binary XML element (protocol/node.h), or empty; ≤ iq_node_size_max, checked on read.
  Bytes node;
};

struct StanzaError {
  StanzaType kind = StanzaType::message;  // message, presence or iq
  std::uint64_t id = 0;                   // of the refused stanza; 0 for presence
  std::uint32_t number = 0;               // its stanza number; confirmed by Ack::refusal
  Condition condition = Condition::bad_request;
  std::string_view text;  // for people, ≤ error_text_size_max
};

// The recipient's devices are others than the message's digest says: all of them, by rising number.
// Comes before the acknowledgement that covers the message, which is kept all the same.
struct DeviceList {
  std::uint32_t number = 0;  // the message's stanza number
  bool gone = false;         // it was for a device that is no more, and is dropped
  std::size_t count = 0;
  std::array<DeviceTag, devices_per_account_max> devices{};
  std::span<const DeviceTag> list() const { return std::span(devices).first(count); }
};

struct Ack {
  // From a client: the highest sequence (relative to the base) it has stored, 0 for none yet.
  // From the gateway: the stanza number up to which all is settled.
  std::uint64_t upto = 0;
  // From a client only: the highest refused stanza number it knows of; 0 for none.
  std::uint32_t refusal = 0;
};

struct Login {
  JidView jid;                      // with device
  std::uint64_t last_sequence = 0;  // absolute; the highest it has stored, 0 for none
  std::uint32_t window = delivery_window_default;  // 1 … delivery_window_max
  std::string_view client;                         // name and version, for the session table
};

struct Register {
  JidView jid;  // device 0
  std::string_view invite;
  std::string_view client;
};

struct Registered {
  std::uint16_t device = 0;
};

struct SessionReady {
  std::uint64_t sequence_base = 0;   // sequences on this connection are relative to this
  std::uint64_t backlog = 0;         // messages waiting, at this moment
  std::uint64_t server_time_ms = 0;  // Unix time
};

struct Window {
  std::uint32_t window = 0;  // 1 … delivery_window_max
};

struct StreamError {
  StreamCondition condition = StreamCondition::internal_server_error;
  std::uint32_t retry_after_ms = 0;  // 0: the client's own back-off
  std::string_view text;
};

struct Ping {
  std::uint64_t token = 0;
};

// One stanza cut out of a frame, its content not yet read.
struct RawStanza {
  StanzaType type{};
  Bytes content;
};

template <typename T>
using Parsed = std::expected<T, ParseError>;

// Cuts the next stanza off `frame`, which must not be empty. Checks type and length against
// limits.h.
Parsed<RawStanza> next_stanza(Bytes& frame);

struct Context {
  std::string_view own_domain;
};

// Each checks that the whole content was used. Views point into the content, into `scratch` or into
// `context`. A client reads what the gateway writes with the same functions; a field marked
// "gateway only" is refused unless `from_gateway`.
enum class Side : std::uint8_t { from_client, from_gateway };
Parsed<Message> read_message(Bytes content, Context context, Side side, JidScratch& scratch);
Parsed<Presence> read_presence(Bytes content, Context context, JidScratch& scratch);
Parsed<Iq> read_iq(Bytes content, Context context, JidScratch& scratch);
Parsed<StanzaError> read_error(Bytes content);
Parsed<DeviceList> read_device_list(Bytes content);
Parsed<Ack> read_ack(Bytes content);
Parsed<Login> read_login(Bytes content, JidScratch& scratch);        // domain always written out
Parsed<Register> read_register(Bytes content, JidScratch& scratch);  // domain always written out
Parsed<Registered> read_registered(Bytes content);
Parsed<SessionReady> read_session_ready(Bytes content);
Parsed<Window> read_window(Bytes content);
Parsed<StreamError> read_stream_error(Bytes content);
Parsed<Ping> read_ping(Bytes content);  // and pong

// Each writes type, length and content; false and the writer as it was when it does not fit or a
// value is outside its range.
bool write(ByteWriter& out, const Message& message, Context context);
bool write(ByteWriter& out, const Presence& presence, Context context);
bool write(ByteWriter& out, const Iq& iq, Context context);
bool write(ByteWriter& out, const StanzaError& error);
bool write(ByteWriter& out, const DeviceList& list);
bool write(ByteWriter& out, const Ack& ack);
bool write(ByteWriter& out, const Login& login);
bool write(ByteWriter& out, const Register& request);
bool write(ByteWriter& out, const Registered& reply);
bool write(ByteWriter& out, const SessionReady& ready);
bool write(ByteWriter& out, const Window& window);
bool write(ByteWriter& out, const StreamError& error);
bool write_ping(ByteWriter& out, const Ping& ping);
bool write_pong(ByteWriter& out, const Ping& ping);
bool write_empty(ByteWriter& out, StanzaType type);  // backlog_end, bye

// The part of a message that is the same for every recipient, written once by the sender's front,
// kept in the mailbox and the store, and copied into each delivery: id, sender, payload. Its head
// is followed by: flags, [sequence], [delay], then these bytes, so a delivery is one short head and
// one copy.
bool write_message_body(ByteWriter& out, const Message& message, Context context);
struct DeliveryHead {
  MessageType type = MessageType::chat;
  bool ephemeral = false;
  std::uint64_t sequence = 0;  // 0: left out
  std::uint32_t delay_s = 0;
};
bool write_delivery(ByteWriter& out, const DeliveryHead& head, Bytes body);
std::size_t delivery_size_max(std::size_t body_size);

}  // namespace godwit::protocol
