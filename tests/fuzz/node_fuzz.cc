// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "tests/protocol/rewrite.h"

// A binary XML element: refused, or read, written back the same and read to the same text, also by
// a reader that skips.

namespace {

using namespace godwit;
using namespace godwit::protocol;

constexpr Context own{"example.org"};

// Skips every second element it can; what follows must come as if it had been read.
bool survives_skipping(Bytes input) {
  NodeReader reader(input, own);
  for (std::size_t elements = 0;;) {
    NodeEvent event = reader.next();
    GODWIT_CHECK(reader.depth() <= node_depth_max);
    if (event == NodeEvent::element && ++elements % 2 == 0) event = reader.skip();
    if (event == NodeEvent::error) {
      GODWIT_CHECK(reader.next() == NodeEvent::error);
      return false;
    }
    if (event == NodeEvent::end) return reader.next() == NodeEvent::end;
    if (event == NodeEvent::attribute) {
      GODWIT_CHECK(reader.value().equals(reader.value().to_string()));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  std::vector<std::uint8_t> bytes(size);
  ByteWriter out(bytes);
  const bool read = testing::rewrite_node(out, input, own).has_value();
  GODWIT_CHECK(!read || std::ranges::equal(out.written(), input));
  GODWIT_CHECK(check_node(input, own).has_value() == read);
  GODWIT_CHECK(survives_skipping(input) == read);
  return 0;
}
