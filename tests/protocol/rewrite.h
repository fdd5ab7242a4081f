// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "protocol/node.h"
#include "protocol/stanza.h"

// Reads a structure and writes what was read, for the rule that each has exactly one encoding. What
// was read and cannot be written is a broken invariant.

namespace godwit::protocol::testing {

namespace detail {

template <typename T, typename... Arguments>
Parsed<void> rewritten(ByteWriter& out, const Parsed<T>& read, Arguments... arguments) {
  if (!read) return std::unexpected(read.error());
  GODWIT_CHECK(write(out, *read, arguments...));
  return {};
}

}  // namespace detail

inline Parsed<void> rewrite(ByteWriter& out, const RawStanza& stanza, Context own, Side side) {
  using detail::rewritten;
  JidScratch scratch;
  const Bytes content = stanza.content;
  switch (stanza.type) {
    case StanzaType::message:
      return rewritten(out, read_message(content, own, side, scratch), own);
    case StanzaType::presence:
      return rewritten(out, read_presence(content, own, scratch), own);
    case StanzaType::iq:
      return rewritten(out, read_iq(content, own, scratch), own);
    case StanzaType::error:
      return rewritten(out, read_error(content));
    case StanzaType::device_list:
      return rewritten(out, read_device_list(content));
    case StanzaType::ack:
      return rewritten(out, read_ack(content));
    case StanzaType::login:
      return rewritten(out, read_login(content, scratch));
    case StanzaType::register_:
      return rewritten(out, read_register(content, scratch));
    case StanzaType::registered:
      return rewritten(out, read_registered(content));
    case StanzaType::session_ready:
      return rewritten(out, read_session_ready(content));
    case StanzaType::window:
      return rewritten(out, read_window(content));
    case StanzaType::stream_error:
      return rewritten(out, read_stream_error(content));
    case StanzaType::ping:
    case StanzaType::pong: {
      const Parsed<Ping> ping = read_ping(content);
      if (!ping) return std::unexpected(ping.error());
      GODWIT_CHECK(stanza.type == StanzaType::ping ? write_ping(out, *ping)
                                                   : write_pong(out, *ping));
      return {};
    }
    case StanzaType::backlog_end:
    case StanzaType::bye:
      GODWIT_CHECK(content.empty() && write_empty(out, stanza.type));
      return {};
  }
  broken_invariant("next_stanza let an unknown type through", __FILE__, __LINE__);
}

inline Parsed<void> rewrite_node(ByteWriter& out, Bytes element, Context own) {
  NodeReader reader(element, own);
  NodeWriter writer(out, own);
  for (;;) {
    switch (reader.next()) {
      case NodeEvent::element:
        writer.open(reader.name());
        break;
      case NodeEvent::attribute: {
        const NodeValue& value = reader.value();
        if (value.kind == ValueKind::text) writer.attribute(reader.name(), value.text);
        if (value.kind == ValueKind::number) writer.attribute(reader.name(), value.number);
        if (value.kind == ValueKind::jid) writer.attribute(reader.name(), value.jid);
        break;
      }
      case NodeEvent::bytes:
        writer.bytes(reader.bytes());
        break;
      case NodeEvent::close:
        writer.close();
        break;
      case NodeEvent::end:
        GODWIT_CHECK(writer.ok());
        return {};
      case NodeEvent::error:
        return std::unexpected(reader.error());
    }
  }
}

}  // namespace godwit::protocol::testing
