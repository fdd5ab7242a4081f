// SPDX-License-Identifier: Apache-2.0
#include "protocol/jid.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>

#include "protocol/text.h"

namespace godwit::protocol {
namespace {

// The head byte of an encoded JID: `packed (1 bit) · other domain (1) · user size less one (6)`.
constexpr std::uint8_t packed_bit = 0x80;
constexpr std::uint8_t other_domain_bit = 0x40;
constexpr std::uint8_t user_size_mask = 0x3f;
static_assert(jid_user_size_max == user_size_mask + 1);

constexpr std::array<bool, 256> user_characters() {
  std::array<bool, 256> allowed{};
  for (int c = 'a'; c <= 'z'; ++c) allowed[static_cast<std::size_t>(c)] = true;
  for (int c = '0'; c <= '9'; ++c) allowed[static_cast<std::size_t>(c)] = true;
  for (char c : {'.', '_', '-', '+'}) allowed[static_cast<std::size_t>(c)] = true;
  return allowed;
}
constexpr std::array<bool, 256> is_user_character = user_characters();

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
    return false;
  }
  return std::ranges::all_of(
      label, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-'; });
}

// True when `text` is the one spelling the system's own printing gives this address.
bool is_canonical_address(int family, std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) return false;
  char copy[INET6_ADDRSTRLEN] = {};
  text.copy(copy, text.size());
  std::array<std::uint8_t, 16> address{};
  char printed[INET6_ADDRSTRLEN];
  return ::inet_pton(family, copy, address.data()) == 1 &&
         ::inet_ntop(family, address.data(), printed, sizeof printed) != nullptr && text == printed;
}

struct JidText {
  JidView jid;
  std::string_view fault;  // empty: none
};

JidText parse(std::string_view text) {
  if (text.size() > jid_text_size_max) return {{}, "it is too long"};
  const std::size_t at = text.find('@');
  if (at == text.npos) return {{}, "it has no '@'"};
  const std::size_t slash = text.find('/', at);
  JidView jid{text.substr(0, at),
              text.substr(at + 1, slash == text.npos ? text.npos : slash - at - 1)};
  if (!is_valid_user(jid.user)) {
    return {{}, "the user part must be 1 to 64 characters of a-z 0-9 . _ - +"};
  }
  if (!is_valid_domain(jid.domain)) {
    return {{}, "the domain must be a lower-case host name or an address"};
  }
  if (slash == text.npos) return {jid, {}};
  const std::string_view device = text.substr(slash + 1);
  const char* end = device.data() + device.size();
  const auto [stop, error] = std::from_chars(device.data(), end, jid.device);
  if (error != std::errc{} || stop != end || device.front() == '0') {
    return {{}, "the device must be a number from 1 to 65535"};
  }
  return {jid, {}};
}

std::string_view read_user(ByteReader& in, std::uint8_t head, JidScratch& scratch) {
  const std::size_t size = (head & user_size_mask) + 1u;
  std::string_view user;
  if ((head & packed_bit) != 0) {
    if (read_packed_digits(in, {scratch.user, size})) user = {scratch.user, size};
  } else {
    user = as_text(in.take(size));
    if (!is_valid_user(user) || is_digits(user)) user = {};
  }
  if (user.empty()) in.fail();
  return user;
}

}  // namespace

bool is_valid_user(std::string_view user) {
  if (user.empty() || user.size() > jid_user_size_max) return false;
  return std::ranges::all_of(
      user, [](char c) { return is_user_character[static_cast<std::uint8_t>(c)]; });
}

bool is_valid_domain(std::string_view domain) {
  if (domain.empty() || domain.size() > jid_domain_size_max) return false;
  if (domain.front() == '[') {
    return domain.back() == ']' &&
           is_canonical_address(AF_INET6, domain.substr(1, domain.size() - 2));
  }
  std::string_view rest = domain;
  for (;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (!is_label(label)) return false;
    // No top level is all digits, so this is an address or nothing.
    if (dot == rest.npos) return !is_digits(label) || is_canonical_address(AF_INET, domain);
    rest.remove_prefix(dot + 1);
  }
}

Result<Jid> parse_jid(std::string_view text) {
  const JidText parsed = parse(text);
  if (parsed.fault.empty()) return Jid(parsed.jid);
  return fail(ErrorCode::invalid, "not an address of the form user@domain or user@domain/device: " +
                                      std::string(parsed.fault));
}

std::optional<JidView> split_jid(std::string_view text) {
  const JidText parsed = parse(text);
  return parsed.fault.empty() ? std::optional(parsed.jid) : std::nullopt;
}

std::string to_text(const JidView& jid) {
  std::string text;
  text.reserve(jid.user.size() + jid.domain.size() + 7);
  text.append(jid.user).append("@").append(jid.domain);
  if (jid.device != 0) text.append("/").append(std::to_string(jid.device));
  return text;
}

void write_jid(ByteWriter& out, const JidView& jid, std::string_view own_domain) {
  const bool own = is_same_domain(jid.domain, own_domain);
  // Digits are user characters: a telephone number is looked at once.
  const bool packed = is_digits(jid.user);
  const bool valid = packed ? jid.user.size() <= jid_user_size_max : is_valid_user(jid.user);
  if (!valid || (own ? own_domain.empty() : !is_valid_domain(jid.domain))) {
    out.fail();
    return;
  }
  out.u8(static_cast<std::uint8_t>((packed ? packed_bit : 0) | (own ? 0 : other_domain_bit) |
                                   (jid.user.size() - 1)));
  if (packed) {
    write_packed_digits(out, jid.user);
  } else {
    out.bytes(as_bytes(jid.user));
  }
  if (!own) {
    out.u8(static_cast<std::uint8_t>(jid.domain.size()));
    out.bytes(as_bytes(jid.domain));
  }
  out.varint(jid.device);
}

JidView read_jid(ByteReader& in, std::string_view own_domain, JidScratch& scratch) {
  const std::uint8_t head = in.u8();
  JidView jid;
  jid.user = read_user(in, head, scratch);
  if ((head & other_domain_bit) != 0) {
    jid.domain = as_text(in.take(in.u8()));
    if (jid.domain == own_domain || !is_valid_domain(jid.domain)) in.fail();
  } else {
    jid.domain = own_domain;
    if (own_domain.empty()) in.fail();
  }
  const std::uint64_t device = in.varint();
  if (device > device_max) in.fail();
  jid.device = static_cast<std::uint16_t>(device);
  return in.ok() ? jid : JidView{};
}

}  // namespace godwit::protocol
