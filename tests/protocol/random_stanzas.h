// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "protocol/stanza.h"

// Random values within the limits of the protocol, for tests that write and read back. Everything
// is drawn from the given source, so a seed repeats a run.

namespace godwit::protocol::testing {

inline constexpr std::string_view own_domain = "example.org";
inline constexpr Context context{own_domain};

// Small numbers as often as large ones.
inline std::uint64_t random_number(RandomSource& random) {
  return random.next_u64() >> random.below(64);
}

inline std::string random_text(RandomSource& random, std::string_view alphabet,
                               std::size_t size_min, std::size_t size_max) {
  std::string text(size_min + random.below(size_max - size_min + 1), ' ');
  for (char& c : text) c = alphabet[random.below(alphabet.size())];
  return text;
}

inline Jid random_jid(RandomSource& random) {
  Jid jid;
  const bool digits = random.below(2) == 0;
  jid.user = random_text(random, digits ? "0123456789" : "abcxyz0189._-+", 1, jid_user_size_max);
  jid.domain = random.below(2) == 0 ? std::string(own_domain)
                                    : random_text(random, "abc019", 1, 63) + ".net";
  jid.device = static_cast<std::uint16_t>(random.below(2) == 0 ? random.below(4)
                                                               : random.below(device_max + 1u));
  return jid;
}

inline std::vector<std::uint8_t> random_bytes(RandomSource& random, std::size_t size_max) {
  std::vector<std::uint8_t> bytes(random.below(size_max + 1));
  random.fill(bytes);
  return bytes;
}

// Reads what a writer holds as the one stanza it must be.
inline RawStanza only_stanza(const ByteWriter& out) {
  Bytes rest = out.written();
  GODWIT_CHECK(!rest.empty());
  const Parsed<RawStanza> stanza = next_stanza(rest);
  GODWIT_CHECK(stanza && rest.empty());
  return *stanza;
}

}  // namespace godwit::protocol::testing
