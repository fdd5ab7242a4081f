// SPDX-License-Identifier: Apache-2.0
#include "protocol/node.h"
#include "protocol/node_layout.h"

namespace godwit::protocol {

using namespace layout;

NodeEvent NodeReader::next() {
  if (failed_) return NodeEvent::error;
  closed_ = false;
  if (attributes_left_ > 0) return attribute();
  if (content_due_) return content();
  if (depth_ > 0) {
    if (children_left_[depth_ - 1] == 0) return close();
    --children_left_[depth_ - 1];
    return open();
  }
  if (!started_) return open();
  return in_.at_end() ? NodeEvent::end : fail(ParseError::malformed);
}

NodeEvent NodeReader::skip() {
  const std::size_t depth = depth_;
  GODWIT_CHECK(depth > 0 || failed_);
  for (;;) {
    const NodeEvent event = next();
    if (event == NodeEvent::error) return event;
    if (event == NodeEvent::close && depth_ < depth) return event;
  }
}

NodeEvent NodeReader::open() {
  started_ = true;
  if (depth_ == node_depth_max) return fail(ParseError::too_large);
  name_ = read_name(in_);
  const std::uint8_t shape = in_.u8();
  content_kind_ = shape & content_mask;
  attributes_left_ = shape >> attributes_shift;
  attributes_read_ = 0;
  content_due_ = true;
  if (!in_.ok() || content_kind_ > content_bytes) return fail(ParseError::malformed);
  if (attributes_left_ > node_attributes_max) return fail(ParseError::too_large);
  children_left_[depth_++] = 0;
  return NodeEvent::element;
}

NodeEvent NodeReader::attribute() {
  name_ = read_name(in_);
  value_ = read_value(in_, context_, scratch_);
  const auto names = std::span(attribute_names_).first(attributes_read_);
  if (!in_.ok() || std::ranges::find(names, name_) != names.end()) {
    return fail(ParseError::malformed);
  }
  attribute_names_[attributes_read_++] = name_;
  --attributes_left_;
  return NodeEvent::attribute;
}

NodeEvent NodeReader::content() {
  content_due_ = false;
  if (content_kind_ == content_none) return close();
  if (content_kind_ == content_bytes) {
    bytes_ = in_.take(in_.varint());
    return bytes_.empty() ? fail(ParseError::malformed) : NodeEvent::bytes;
  }
  const std::uint8_t children = in_.u8();
  if (children == 0) return fail(ParseError::malformed);
  children_left_[depth_ - 1] = static_cast<std::uint8_t>(children - 1);
  return open();
}

NodeEvent NodeReader::close() {
  --depth_;
  closed_ = true;
  return NodeEvent::close;
}

NodeEvent NodeReader::fail(ParseError error) {
  failed_ = true;
  error_ = error;
  return NodeEvent::error;
}

Parsed<void> check_node(Bytes element, Context context) {
  NodeReader reader(element, context);
  for (;;) {
    const NodeEvent event = reader.next();
    if (event == NodeEvent::end) return {};
    if (event == NodeEvent::error) return std::unexpected(reader.error());
  }
}

}  // namespace godwit::protocol
