// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"
#include "protocol/node_value.h"
#include "protocol/stanza.h"

// Binary XML elements, as iq carries them: a pull reader and a writer.
//
//   element     name · shape (1) · attributes · content
//   shape       content kind (2 low bits: 0 none, 1 children, 2 bytes) · number of attributes × 4
//   attribute   name · value
//   children    how many (1, from 1 to 255) · the elements
//   bytes       size varint (1 or more) · the bytes, opaque
//
// An element has children or bytes, never both; attribute names differ; order is kept. Depth and
// counts are bounded by limits.h. Neither side allocates. Not thread safe; values.

namespace godwit::protocol {

enum class NodeEvent : std::uint8_t {
  element,    // name()
  attribute,  // name(), value()
  bytes,      // bytes()
  close,      // of the element opened last and not yet closed
  end,        // the whole was read and right; stays
  error,      // error(); stays
};

// Views it yields are valid until the next call; those of names and bytes as long as the input.
class NodeReader {
 public:
  NodeReader(Bytes element, Context context) : in_(element), context_(context) {}

  // For each element: element, its attributes, then bytes or the children, then close.
  NodeEvent next();
  // After element or any of its attributes: goes to its close, which it returns, or error.
  NodeEvent skip();

  std::string_view name() const { return name_; }
  const NodeValue& value() const { return value_; }
  Bytes bytes() const { return bytes_; }
  // Of the element being read; the root is 1. Still the element's own at its close.
  std::size_t depth() const { return depth_ + (closed_ ? 1 : 0); }
  ParseError error() const { return error_; }

 private:
  NodeEvent open();
  NodeEvent attribute();
  NodeEvent content();
  NodeEvent close();
  NodeEvent fail(ParseError error);

  ByteReader in_;
  Context context_;
  std::array<std::uint8_t, node_depth_max> children_left_{};
  std::array<std::string_view, node_attributes_max> attribute_names_{};
  std::size_t depth_ = 0;
  std::size_t attributes_left_ = 0;
  std::size_t attributes_read_ = 0;
  std::uint8_t content_kind_ = 0;
  bool started_ = false;
  bool content_due_ = false;
  bool closed_ = false;
  bool failed_ = false;
  ParseError error_ = ParseError::malformed;
  std::string_view name_;
  NodeValue value_;
  Bytes bytes_;
  NodeScratch scratch_;
};

// Everything right, to the last byte? The error else.
Parsed<void> check_node(Bytes element, Context context);

// Writes one element with what is in it. Calls go as in XML: open, attributes, then bytes or
// children, close. A value out of range, a name given twice, a limit passed or no room fails the
// ByteWriter, once and for all; calls in a wrong order are a broken invariant.
class NodeWriter {
 public:
  NodeWriter(ByteWriter& out, Context context) : out_(out), context_(context) {}

  NodeWriter& open(std::string_view name);
  NodeWriter& attribute(std::string_view name, std::string_view text);
  NodeWriter& attribute(std::string_view name, std::uint32_t number);
  NodeWriter& attribute(std::string_view name, const JidView& jid);
  NodeWriter& bytes(Bytes bytes);  // none at all: nothing is written
  NodeWriter& close();

  // Every element closed, and all of it fitted.
  bool ok() const { return out_.ok() && started_ && depth_ == 0; }
  std::size_t depth() const { return depth_; }

 private:
  struct Level {
    MutableBytes shape;           // one byte of the output, or none after a failure
    MutableBytes children_count;  // the same
    std::size_t attributes = 0;
    std::size_t children = 0;
    bool has_bytes = false;
  };
  struct Range {
    std::size_t start = 0;
    std::size_t size = 0;
  };
  Level& top() { return levels_[depth_ - 1]; }
  void begin_attribute(std::string_view name);
  void count_child();

  ByteWriter& out_;
  Context context_;
  std::array<Level, node_depth_max> levels_{};
  std::array<Range, node_attributes_max> names_{};  // encoded, of the element opened last
  std::size_t depth_ = 0;
  std::size_t too_deep_ = 0;  // elements open beyond the limit; the writer has failed
  bool started_ = false;
};

}  // namespace godwit::protocol
