// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/xml.h"

#include <algorithm>
#include <charconv>

namespace godwit::bench {

namespace {

constexpr std::string_view space = " \t\r\n";
constexpr std::string_view cdata_start = "<![CDATA[";
constexpr std::string_view cdata_end = "]]>";

std::unexpected<Error> malformed(std::string what) {
  return fail(ErrorCode::malformed, std::move(what));
}

bool append_utf8(std::string& out, std::uint32_t code) {
  if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
  const auto push = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xc0 | code >> 6);
    push(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    push(0xe0 | code >> 12);
    push(0x80 | (code >> 6 & 0x3f));
    push(0x80 | (code & 0x3f));
  } else {
    push(0xf0 | code >> 18);
    push(0x80 | (code >> 12 & 0x3f));
    push(0x80 | (code >> 6 & 0x3f));
    push(0x80 | (code & 0x3f));
  }
  return true;
}

// What is between '&' and ';'.
bool append_reference(std::string& out, std::string_view name) {
  constexpr std::pair<std::string_view, char> named[] = {
      {"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"apos", '\''}, {"quot", '"'}};
  for (const auto& [known, character] : named) {
    if (name == known) {
      out.push_back(character);
      return true;
    }
  }
  if (!name.starts_with('#')) return false;
  name.remove_prefix(1);
  const bool hex = name.starts_with('x');
  if (hex) name.remove_prefix(1);
  std::uint32_t code = 0;
  const auto [stop, error] =
      std::from_chars(name.data(), name.data() + name.size(), code, hex ? 16 : 10);
  return error == std::errc{} && stop == name.data() + name.size() && append_utf8(out, code);
}

// The '>' that ends the tag, outside quotes.
std::size_t tag_end(std::string_view bytes) {
  char quote = 0;
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '>') {
      return i;
    }
  }
  return std::string_view::npos;
}

bool is_name(std::string_view name) {
  return !name.empty() && name.find_first_of("<>&'\"=/!?") == std::string_view::npos;
}

// One ` name="value"`; the rest of the tag stays in `rest`.
Result<void> read_attribute(std::string_view& rest, XmlElement& element) {
  const std::size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return malformed("an attribute without a value");
  std::string_view name = rest.substr(0, equals);
  name = name.substr(0, name.find_last_not_of(space) + 1);
  rest.remove_prefix(equals + 1);
  rest.remove_prefix(std::min(rest.find_first_not_of(space), rest.size()));
  if (!is_name(name) || name.find_first_of(space) != std::string_view::npos || rest.empty() ||
      (rest[0] != '"' && rest[0] != '\'')) {
    return malformed("a bad attribute");
  }
  const std::size_t end = rest.find(rest[0], 1);
  if (end == std::string_view::npos) return malformed("an attribute that does not end");
  const std::string_view raw = rest.substr(1, end - 1);
  if (raw.find('<') != std::string_view::npos) return malformed("a '<' in an attribute");
  auto value = xml_unescape(raw);
  if (!value) return std::unexpected(value.error());
  for (const auto& [known, unused] : element.attributes) {
    if (known == name) return malformed("an attribute that comes twice");
  }
  element.attributes.emplace_back(name, std::move(*value));
  rest.remove_prefix(end + 1);
  return {};
}

Result<XmlToken> read_tag(std::string_view bytes) {
  const std::size_t end = tag_end(bytes);
  if (end == std::string_view::npos) return XmlToken{};
  XmlToken token{.kind = XmlToken::Kind::open, .size = end + 1};
  std::string_view inner = bytes.substr(1, end - 1);
  if (inner.starts_with('/')) {
    token.kind = XmlToken::Kind::close;
    inner.remove_prefix(1);
  } else if (inner.ends_with('/')) {
    token.kind = XmlToken::Kind::whole;
    inner.remove_suffix(1);
  }
  const std::size_t name_end = std::min(inner.find_first_of(space), inner.size());
  token.element.name = inner.substr(0, name_end);
  if (!is_name(token.element.name)) return malformed("a tag without a name");
  inner.remove_prefix(name_end);
  for (;;) {
    const std::size_t start = inner.find_first_not_of(space);
    if (start == std::string_view::npos) return token;
    if (token.kind == XmlToken::Kind::close) return malformed("an end tag with attributes");
    if (start == 0) return malformed("attributes that touch");
    inner.remove_prefix(start);
    if (auto done = read_attribute(inner, token.element); !done) {
      return std::unexpected(done.error());
    }
  }
}

Result<XmlToken> read_declaration(std::string_view bytes) {
  const std::size_t end = bytes.find("?>");
  if (end == std::string_view::npos) return XmlToken{};
  if (!bytes.starts_with("<?xml ")) return malformed("a processing instruction");
  return XmlToken{.kind = XmlToken::Kind::declaration, .size = end + 2};
}

Result<XmlToken> read_cdata(std::string_view bytes) {
  const std::string_view start = bytes.substr(0, cdata_start.size());
  if (!cdata_start.starts_with(start)) return malformed("a comment or a document type");
  const std::size_t end = bytes.find(cdata_end);
  if (end == std::string_view::npos) return XmlToken{};
  XmlToken token{.kind = XmlToken::Kind::text, .size = end + cdata_end.size()};
  token.element.text = bytes.substr(cdata_start.size(), end - cdata_start.size());
  return token;
}

}  // namespace

std::string_view XmlElement::attribute(std::string_view attribute_name) const {
  for (const auto& [name_here, value] : attributes) {
    if (name_here == attribute_name) return value;
  }
  return {};
}

const XmlElement* XmlElement::child(std::string_view child_name) const {
  for (const XmlElement& each : children) {
    if (each.name == child_name) return &each;
  }
  return nullptr;
}

Result<std::string> xml_unescape(std::string_view raw) {
  std::string text;
  text.reserve(raw.size());
  while (!raw.empty()) {
    const std::size_t start = std::min(raw.find('&'), raw.size());
    text.append(raw.substr(0, start));
    raw.remove_prefix(start);
    if (raw.empty()) break;
    const std::size_t end = raw.find(';');
    if (end == std::string_view::npos || !append_reference(text, raw.substr(1, end - 1))) {
      return malformed("an entity that XMPP does not have");
    }
    raw.remove_prefix(end + 1);
  }
  return text;
}

std::string xml_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out.append("&lt;");
        break;
      case '>':
        out.append("&gt;");
        break;
      case '&':
        out.append("&amp;");
        break;
      case '\'':
        out.append("&apos;");
        break;
      case '"':
        out.append("&quot;");
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

Result<XmlToken> read_xml_token(std::string_view bytes) {
  if (bytes.empty()) return XmlToken{};
  if (bytes[0] != '<') {
    const std::size_t end = bytes.find('<');
    if (end == std::string_view::npos) return XmlToken{};
    auto text = xml_unescape(bytes.substr(0, end));
    if (!text) return std::unexpected(text.error());
    XmlToken token{.kind = XmlToken::Kind::text, .size = end};
    token.element.text = std::move(*text);
    return token;
  }
  if (bytes.size() < 2) return XmlToken{};
  if (bytes[1] == '?') return read_declaration(bytes);
  if (bytes[1] == '!') return read_cdata(bytes);
  return read_tag(bytes);
}

Result<XmlStream::Step> XmlStream::next(std::string_view bytes) {
  auto token = read_xml_token(bytes);
  if (!token) return std::unexpected(token.error());
  const std::size_t size = token->size;
  if (size == 0) return Step{};
  const auto event = take(std::move(*token));
  if (!event) return std::unexpected(event.error());
  return Step{size, *event};
}

Result<XmlStream::Event> XmlStream::take(XmlToken token) {
  using Kind = XmlToken::Kind;
  XmlElement& element = token.element;
  switch (token.kind) {
    case Kind::declaration:
      if (begun_) return malformed("a declaration in the middle");
      begun_ = true;
      return Event::nothing;
    case Kind::text:
      if (!open_.empty()) {
        open_.back().text.append(element.text);
      } else if (element.text.find_first_not_of(space) != std::string::npos) {
        return malformed("text between elements");
      }
      return Event::nothing;
    case Kind::open:
      begun_ = true;
      if (root_.empty()) {
        root_ = element.name;
        done_ = std::move(element);
        return Event::opened;
      }
      if (open_.size() == depth_max) return malformed("elements too deep in each other");
      open_.push_back(std::move(element));
      return Event::nothing;
    case Kind::whole:
      if (root_.empty()) return malformed("a stream that is over at once");
      return complete(std::move(element));
    case Kind::close:
      break;
  }
  if (open_.empty()) {
    if (root_.empty() || element.name != root_) return malformed("an end without a start");
    return Event::closed;
  }
  if (element.name != open_.back().name) return malformed("an end of another element");
  XmlElement last = std::move(open_.back());
  open_.pop_back();
  return complete(std::move(last));
}

XmlStream::Event XmlStream::complete(XmlElement element) {
  if (!open_.empty()) {
    open_.back().children.push_back(std::move(element));
    return Event::nothing;
  }
  done_ = std::move(element);
  return Event::element;
}

void XmlStream::restart() {
  open_.clear();
  root_.clear();
  begun_ = false;
}

}  // namespace godwit::bench
