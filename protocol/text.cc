// SPDX-License-Identifier: Apache-2.0
#include "protocol/text.h"

namespace godwit::protocol {
namespace {

// One character and its size; size 0 when the bytes are none (RFC 3629, section 4).
struct Character {
  std::uint32_t code = 0;
  std::size_t size = 0;
};

Character first_character(Bytes text) {
  const std::uint8_t lead = text[0];
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
  if (size == 0 || lead > 0xf4 || text.size() < size) return {};
  std::uint32_t code = lead & (0x7fu >> size);
  for (std::uint8_t byte : text.subspan(1, size - 1)) {
    if ((byte & 0xc0) != 0x80) return {};
    code = code << 6 | (byte & 0x3fu);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < least[size] || code > 0x10ffff || surrogate) return {};
  return {code, size};
}

bool is_control(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

template <typename Accept>
bool every_character(std::string_view text, Accept accept) {
  Bytes rest = as_bytes(text);
  while (!rest.empty()) {
    const Character next = first_character(rest);
    if (next.size == 0 || !accept(next.code)) return false;
    rest = rest.subspan(next.size);
  }
  return true;
}

// Calls four(i) for pairs i to i + 3, the last four perhaps with some that have been; one(i) for
// each where there are fewer.
template <typename Four, typename One>
void for_each_pair(std::size_t pairs, Four four, One one) {
  if (pairs < 4) {
    for (std::size_t i = 0; i < pairs; ++i) one(i);
    return;
  }
  for (std::size_t i = 0; i + 4 < pairs; i += 4) four(i);
  four(pairs - 4);
}

// Halves move together in three steps.
std::uint32_t pack_eight(std::uint64_t digits) {
  std::uint64_t value = digits & eight::of(0x0f);
  value = (value << 4 | value >> 8) & 0x00ff00ff00ff00ff;
  value = (value | value >> 8) & 0x0000ffff0000ffff;
  return static_cast<std::uint32_t>(value | value >> 16);
}

// And apart, into bytes of 0 to 15.
std::uint64_t unpack_eight(std::uint32_t packed) {
  std::uint64_t value = packed;
  value = (value | value << 16) & 0x0000ffff0000ffff;
  value = (value | value << 8) & 0x00ff00ff00ff00ff;
  return (value >> 4 | value << 8) & eight::of(0x0f);
}

}  // namespace

bool is_utf8(std::string_view text) {
  return every_character(text, [](std::uint32_t) { return true; });
}

bool is_printable_utf8(std::string_view text) {
  return every_character(text, [](std::uint32_t code) { return !is_control(code); });
}

void write_packed_digits(ByteWriter& out, std::string_view digits) {
  const MutableBytes target = out.reserve(packed_digits_size(digits.size()));
  if (target.empty()) return;
  const auto half = [&](std::size_t i) { return static_cast<unsigned>(digits[i] - '0'); };
  const std::size_t pairs = digits.size() / 2;
  for_each_pair(
      pairs,
      [&](std::size_t i) {
        const std::uint32_t packed = pack_eight(eight::load(digits.data() + 2 * i));
        std::memcpy(target.data() + i, &packed, sizeof packed);
      },
      [&](std::size_t i) {
        target[i] = static_cast<std::uint8_t>(half(2 * i) << 4 | half(2 * i + 1));
      });
  if (digits.size() % 2 == 1) {
    target[pairs] = static_cast<std::uint8_t>(half(2 * pairs) << 4 | 0xf);
  }
}

bool read_packed_digits(ByteReader& in, std::span<char> digits) {
  const Bytes packed = in.take(packed_digits_size(digits.size()));
  if (!in.ok()) return false;
  const std::size_t pairs = digits.size() / 2;
  bool good = true;
  for_each_pair(
      pairs,
      [&](std::size_t i) {
        std::uint32_t four;
        std::memcpy(&four, packed.data() + i, sizeof four);
        const std::uint64_t values = unpack_eight(four);
        good = good && eight::are_below_ten(values);
        const std::uint64_t characters = values | eight::of('0');
        std::memcpy(digits.data() + 2 * i, &characters, sizeof characters);
      },
      [&](std::size_t i) {
        const unsigned high = packed[i] >> 4;
        const unsigned low = packed[i] & 0xf;
        good = good && high <= 9 && low <= 9;
        digits[2 * i] = static_cast<char>('0' + high);
        digits[2 * i + 1] = static_cast<char>('0' + low);
      });
  if (digits.size() % 2 == 1) {
    const unsigned high = packed[pairs] >> 4;
    good = good && high <= 9 && (packed[pairs] & 0xf) == 0xf;
    digits[2 * pairs] = static_cast<char>('0' + high);
  }
  if (!good) in.fail();
  return good;
}

}  // namespace godwit::protocol
