// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

// The XML that XMPP allows (RFC 6120 section 11): elements, attributes, text, CDATA, the five named
// entities and character references. Comments, processing instructions and declarations of a
// document type are errors. Names keep their prefixes; namespaces are not resolved. Not thread
// safe.

namespace godwit::bench {

struct XmlElement {
  std::string name;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::vector<XmlElement> children;
  std::string text;  // of this element, without that of its children

  // The attribute's value; empty without one.
  std::string_view attribute(std::string_view attribute_name) const;
  // The first child of this name; nullptr without one.
  const XmlElement* child(std::string_view child_name) const;
};

// A token and how many bytes it took; 0: not whole yet, the rest has no meaning then.
struct XmlToken {
  enum class Kind : std::uint8_t { open, close, whole, text, declaration };
  Kind kind = Kind::text;
  std::size_t size = 0;
  XmlElement element;  // open, whole: name and attributes; close: name; text: decoded text
};
// Text ends at the next '<': without one it is not whole.
Result<XmlToken> read_xml_token(std::string_view bytes);

// Text with its entities and character references replaced.
Result<std::string> xml_unescape(std::string_view raw);
// Fit for text and for attributes in single or double quotes.
std::string xml_escape(std::string_view text);

// The elements of a stream: those right below its root, each handed out when it is whole.
class XmlStream {
 public:
  static constexpr std::size_t depth_max = 16;

  enum class Event : std::uint8_t { nothing, opened, element, closed };
  // Takes the next token: `event` says what it completed, whose element() is then set.
  struct Step {
    std::size_t size = 0;  // 0: the token is not whole
    Event event = Event::nothing;
  };
  Result<Step> next(std::string_view bytes);
  // opened: the root, with its attributes; element: the whole of it.
  const XmlElement& element() const { return done_; }
  // A new root follows (RFC 6120 section 4.3.3).
  void restart();

 private:
  Result<Event> take(XmlToken token);
  Event complete(XmlElement element);

  std::vector<XmlElement> open_;  // below the root
  XmlElement done_;
  std::string root_;  // its name once it is open
  bool begun_ = false;
};

}  // namespace godwit::bench
