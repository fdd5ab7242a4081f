// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/address.h"

#include <string_view>

#include "base/bytes.h"

namespace godwit::crypto::signal {
namespace {

constexpr std::string_view phone_number_prefix = "PNI:";
constexpr std::size_t uuid_text_size = 36;

bool dash_belongs(std::size_t index) {
  return index == 8 || index == 13 || index == 18 || index == 23;
}

// 8-4-4-4-12 digits (RFC 9562, section 4).
std::optional<std::vector<std::uint8_t>> uuid_bytes(std::string_view text) {
  if (text.size() != uuid_text_size) return std::nullopt;
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (dash_belongs(i) != (text[i] == '-')) return std::nullopt;
    if (text[i] != '-') digits.push_back(text[i]);
  }
  return from_hex(digits);
}

bool append(std::vector<std::uint8_t>& out, const ProtocolAddress& address) {
  std::string_view name = address.name;
  const bool phone_number = name.starts_with(phone_number_prefix);
  if (phone_number) name.remove_prefix(phone_number_prefix.size());
  const auto uuid = uuid_bytes(name);
  if (!uuid || address.device_id > 255) return false;
  out.push_back(phone_number ? 1 : 0);
  out.insert(out.end(), uuid->begin(), uuid->end());
  out.push_back(static_cast<std::uint8_t>(address.device_id));
  return true;
}

}  // namespace

std::optional<std::vector<std::uint8_t>> encode_addresses(const AddressPair& addresses) {
  std::vector<std::uint8_t> out;
  if (!append(out, addresses.sender) || !append(out, addresses.receiver)) return std::nullopt;
  return out;
}

}  // namespace godwit::crypto::signal
