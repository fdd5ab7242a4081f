// SPDX-License-Identifier: Apache-2.0
#include "protocol/node.h"
#include "protocol/node_layout.h"

namespace godwit::protocol {

using namespace layout;

namespace {

// After a failure there is no byte to set.
void set(MutableBytes byte, std::uint8_t value) {
  if (!byte.empty()) byte[0] = value;
}

}  // namespace

NodeWriter& NodeWriter::open(std::string_view name) {
  GODWIT_CHECK(depth_ > 0 || !started_);
  started_ = true;
  if (depth_ == node_depth_max) {
    ++too_deep_;
    out_.fail();
    return *this;
  }
  if (depth_ > 0) count_child();
  Level& level = levels_[depth_++];
  level = {};
  write_name(out_, name);
  level.shape = out_.reserve(1);
  set(level.shape, content_none);
  return *this;
}

void NodeWriter::count_child() {
  Level& parent = top();
  GODWIT_CHECK(!parent.has_bytes);
  if (parent.children == 0) {
    set(parent.shape,
        static_cast<std::uint8_t>(parent.attributes << attributes_shift | content_children));
    parent.children_count = out_.reserve(1);
  }
  if (++parent.children > node_children_max) out_.fail();
  set(parent.children_count, static_cast<std::uint8_t>(parent.children));
}

void NodeWriter::begin_attribute(std::string_view name) {
  GODWIT_CHECK(depth_ > 0);
  if (too_deep_ > 0) return;
  Level& level = top();
  GODWIT_CHECK(level.children == 0 && !level.has_bytes);
  if (level.attributes == node_attributes_max) out_.fail();
  const std::size_t start = out_.size();
  write_name(out_, name);
  if (!out_.ok()) return;
  const Bytes encoded = out_.written().subspan(start);
  for (const Range& other : std::span(names_).first(level.attributes)) {
    if (std::ranges::equal(out_.written().subspan(other.start, other.size), encoded)) out_.fail();
  }
  names_[level.attributes++] = {start, encoded.size()};
  set(level.shape, static_cast<std::uint8_t>(level.attributes << attributes_shift | content_none));
}

NodeWriter& NodeWriter::attribute(std::string_view name, std::string_view text) {
  begin_attribute(name);
  write_value(out_, text, context_);
  return *this;
}

NodeWriter& NodeWriter::attribute(std::string_view name, std::uint32_t number) {
  begin_attribute(name);
  write_value(out_, number);
  return *this;
}

NodeWriter& NodeWriter::attribute(std::string_view name, const JidView& jid) {
  begin_attribute(name);
  write_value(out_, jid, context_);
  return *this;
}

NodeWriter& NodeWriter::bytes(Bytes bytes) {
  GODWIT_CHECK(depth_ > 0);
  if (too_deep_ > 0 || bytes.empty()) return *this;
  Level& level = top();
  GODWIT_CHECK(level.children == 0 && !level.has_bytes);
  level.has_bytes = true;
  set(level.shape, static_cast<std::uint8_t>(level.attributes << attributes_shift | content_bytes));
  out_.varint(bytes.size());
  out_.bytes(bytes);
  return *this;
}

NodeWriter& NodeWriter::close() {
  GODWIT_CHECK(depth_ > 0);
  if (too_deep_ > 0) {
    --too_deep_;
  } else {
    --depth_;
  }
  return *this;
}

}  // namespace godwit::protocol
