// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "protocol/jid.h"

// Addresses: as text, where each has one spelling, and on the wire, where each has one encoding,
// with a domain of its own and without.

namespace {

using namespace godwit;
using namespace godwit::protocol;

void check_text(std::string_view text) {
  const auto view = split_jid(text);
  const auto jid = parse_jid(text);
  GODWIT_CHECK(view.has_value() == jid.has_value());
  if (!jid) {
    GODWIT_CHECK(!jid.error().message.empty());
    return;
  }
  GODWIT_CHECK(*view == JidView(*jid) && to_text(*jid) == text);
  std::array<std::uint8_t, jid_encoded_size_max> bytes;
  for (const std::string_view own : {std::string_view{}, std::string_view("example.org")}) {
    ByteWriter out(bytes);
    write_jid(out, *jid, own);
    GODWIT_CHECK(out.ok());
    ByteReader in(out.written());
    JidScratch scratch;
    GODWIT_CHECK(read_jid(in, own, scratch) == JidView(*jid) && in.ok() && in.at_end());
  }
}

void check_encoded(Bytes input, std::string_view own) {
  ByteReader in(input);
  JidScratch scratch;
  const JidView jid = read_jid(in, own, scratch);
  if (!in.ok()) {
    GODWIT_CHECK(jid.empty());
    return;
  }
  std::array<std::uint8_t, jid_encoded_size_max> bytes;
  ByteWriter out(bytes);
  write_jid(out, jid, own);
  GODWIT_CHECK(out.ok());
  GODWIT_CHECK(std::ranges::equal(out.written(), input.first(input.size() - in.remaining())));
  GODWIT_CHECK(split_jid(to_text(jid)) == jid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  check_text(as_text(input));
  check_encoded(input, {});
  check_encoded(input, "example.org");
  return 0;
}
