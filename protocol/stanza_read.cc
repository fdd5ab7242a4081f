// SPDX-License-Identifier: Apache-2.0
#include "protocol/stanza.h"

#include "protocol/node.h"
#include "protocol/stanza_layout.h"
#include "protocol/text.h"

namespace godwit::protocol {
namespace {

using namespace layout;

bool is_known(std::uint8_t type) {
  return (type >= 0x01 && type <= 0x06) || (type >= 0x08 && type <= 0x11);
}

bool has_no_content(StanzaType type) {
  return type == StanzaType::backlog_end || type == StanzaType::bye;
}

std::unexpected<ParseError> malformed() {
  return std::unexpected(ParseError::malformed);
}

bool ends_inside_number(Bytes bytes) {
  return bytes.size() < varint_size_max &&
         std::ranges::all_of(bytes, [](std::uint8_t byte) { return (byte & 0x80) != 0; });
}

template <typename T>
Parsed<T> finish(const ByteReader& in, const T& value) {
  if (!in.ok() || !in.at_end()) return malformed();
  return value;
}

std::uint32_t read_u32_varint(ByteReader& in) {
  const std::uint64_t value = in.varint();
  if (value > UINT32_MAX) in.fail();
  return static_cast<std::uint32_t>(value);
}

// A number that is written only when it is not 0, so 0 has one form.
std::uint64_t read_present_varint(ByteReader& in) {
  const std::uint64_t value = in.varint();
  if (value == 0) in.fail();
  return value;
}

std::string_view read_text(ByteReader& in, std::size_t size_max) {
  const std::string_view text = as_text(in.take_rest());
  if (text.size() > size_max || !is_printable_utf8(text)) in.fail();
  return text;
}

std::string_view read_ascii(ByteReader& in, std::size_t size, std::size_t size_max) {
  const std::string_view text = as_text(in.take(size));
  if (size > size_max || !is_printable_ascii(text)) in.fail();
  return text;
}

}  // namespace

Parsed<RawStanza> next_stanza(Bytes& frame) {
  GODWIT_CHECK(!frame.empty());
  if (!is_known(frame[0])) return std::unexpected(ParseError::unknown_type);
  const StanzaType type{frame[0]};
  ByteReader in(frame.subspan(1));
  const std::uint64_t size = in.varint();
  if (!in.ok()) {
    return std::unexpected(ends_inside_number(frame.subspan(1)) ? ParseError::truncated
                                                                : ParseError::malformed);
  }
  if (size > content_size_max(type)) return std::unexpected(ParseError::too_large);
  if (size > in.remaining()) return std::unexpected(ParseError::truncated);
  if (size != 0 && has_no_content(type)) return malformed();
  const RawStanza stanza{type, in.take(size)};
  frame = in.take_rest();
  return stanza;
}

Parsed<Message> read_message(Bytes content, Context context, Side side, JidScratch& scratch) {
  ByteReader in(content);
  const std::uint8_t flags = in.u8();
  const bool numbered = (flags & message_has_sequence) != 0;
  const bool delayed = (flags & message_has_delay) != 0;
  if ((flags & ~message_known) != 0) return malformed();
  const bool has_digest = (flags & message_has_digest) != 0;
  if ((numbered || delayed) && side == Side::from_client) return malformed();
  if (has_digest && side == Side::from_gateway) return malformed();
  Message message;
  message.type = MessageType{static_cast<std::uint8_t>(flags & message_type_mask)};
  message.ephemeral = (flags & message_ephemeral) != 0;
  if (numbered) message.sequence = read_present_varint(in);
  if (delayed) {
    message.delay_s = read_u32_varint(in);
    if (message.delay_s == 0) in.fail();
  }
  if (has_digest) message.device_digest = in.u16();
  message.id = read_present_varint(in);
  message.peer = read_jid(in, context.own_domain, scratch);
  if (!in.ok()) return malformed();
  message.payload = in.take_rest();
  if (message.payload.size() > payload_size_max) return std::unexpected(ParseError::too_large);
  return message;
}

Parsed<Presence> read_presence(Bytes content, Context context, JidScratch& scratch) {
  ByteReader in(content);
  const std::uint8_t flags = in.u8();
  if ((flags & ~presence_known) != 0) return malformed();
  Presence presence;
  presence.type = PresenceType{static_cast<std::uint8_t>(flags & presence_type_mask)};
  presence.show =
      PresenceShow{static_cast<std::uint8_t>(flags >> presence_show_shift & presence_show_mask)};
  if (!in_range(presence.type, presence.show)) return malformed();
  if ((flags & presence_has_peer) != 0) presence.peer = read_jid(in, context.own_domain, scratch);
  if (in.remaining() > presence_status_size_max) return std::unexpected(ParseError::too_large);
  presence.status = in.take_rest();
  return finish(in, presence);
}

Parsed<Iq> read_iq(Bytes content, Context context, JidScratch& scratch) {
  ByteReader in(content);
  const std::uint8_t flags = in.u8();
  if ((flags & ~iq_known) != 0) return malformed();
  Iq iq;
  iq.type = IqType{static_cast<std::uint8_t>(flags & iq_type_mask)};
  iq.id = read_present_varint(in);
  if ((flags & iq_has_peer) != 0) iq.peer = read_jid(in, context.own_domain, scratch);
  if (in.remaining() > iq_node_size_max) return std::unexpected(ParseError::too_large);
  iq.node = in.take_rest();
  if (!iq.node.empty()) {
    const Parsed<void> node = check_node(iq.node, context);
    if (!node) return std::unexpected(node.error());
  }
  return finish(in, iq);
}

Parsed<StanzaError> read_error(Bytes content) {
  ByteReader in(content);
  StanzaError error;
  error.kind = StanzaType{in.u8()};
  error.condition = Condition{in.u8()};
  error.id = in.varint();
  error.number = read_u32_varint(in);
  error.text = read_text(in, error_text_size_max);
  if (!in_range(error.kind, error.id) || !in_range(error.condition) || error.number == 0) {
    return malformed();
  }
  return finish(in, error);
}

Parsed<DeviceList> read_device_list(Bytes content) {
  ByteReader in(content);
  DeviceList list;
  const std::uint8_t flags = in.u8();
  list.gone = (flags & device_list_gone) != 0;
  list.number = read_u32_varint(in);
  if ((flags & ~device_list_known) != 0 || list.number == 0) return malformed();
  std::uint64_t last = 0;
  while (in.ok() && !in.at_end()) {
    if (list.count == list.devices.size()) return std::unexpected(ParseError::too_large);
    const std::uint64_t device = in.varint();
    if (device <= last || device > device_max) return malformed();
    last = device;
    list.devices[list.count++] = {static_cast<std::uint16_t>(device), in.u32()};
  }
  return finish(in, list);
}

Parsed<Ack> read_ack(Bytes content) {
  ByteReader in(content);
  Ack ack;
  ack.upto = in.varint();
  if (in.ok() && !in.at_end()) {
    ack.refusal = read_u32_varint(in);
    if (ack.refusal == 0) return malformed();
  }
  return finish(in, ack);
}

Parsed<Login> read_login(Bytes content, JidScratch& scratch) {
  ByteReader in(content);
  Login login;
  login.jid = read_jid(in, {}, scratch);
  login.last_sequence = in.varint();
  login.window = read_u32_varint(in);
  login.client = read_ascii(in, in.remaining(), client_version_size_max);
  if (login.jid.device == 0 || !in_range(login.window)) return malformed();
  return finish(in, login);
}

Parsed<Register> read_register(Bytes content, JidScratch& scratch) {
  ByteReader in(content);
  Register request;
  request.jid = read_jid(in, {}, scratch);
  request.invite = read_ascii(in, in.u8(), invite_size_max);
  request.client = read_ascii(in, in.remaining(), client_version_size_max);
  if (request.jid.device != 0) return malformed();
  return finish(in, request);
}

Parsed<Registered> read_registered(Bytes content) {
  ByteReader in(content);
  const std::uint64_t device = read_present_varint(in);
  if (device > device_max) return malformed();
  return finish(in, Registered{static_cast<std::uint16_t>(device)});
}

Parsed<SessionReady> read_session_ready(Bytes content) {
  ByteReader in(content);
  SessionReady ready;
  ready.sequence_base = in.varint();
  ready.backlog = in.varint();
  ready.server_time_ms = in.varint();
  return finish(in, ready);
}

Parsed<Window> read_window(Bytes content) {
  ByteReader in(content);
  const Window window{read_u32_varint(in)};
  if (!in_range(window.window)) return malformed();
  return finish(in, window);
}

Parsed<StreamError> read_stream_error(Bytes content) {
  ByteReader in(content);
  StreamError error;
  error.condition = StreamCondition{in.u8()};
  error.retry_after_ms = read_u32_varint(in);
  error.text = read_text(in, error_text_size_max);
  if (!in_range(error.condition)) return malformed();
  return finish(in, error);
}

Parsed<Ping> read_ping(Bytes content) {
  ByteReader in(content);
  return finish(in, Ping{in.varint()});
}

}  // namespace godwit::protocol
