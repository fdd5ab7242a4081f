// SPDX-License-Identifier: Apache-2.0
#include "client/load/identities.h"

#include <array>
#include <charconv>

#include "base/result.h"
#include "crypto/hkdf.h"

namespace godwit::client::load {

namespace {

constexpr std::uint64_t prefixes = 90'000;
constexpr std::uint64_t prefix_first = 10'000;
constexpr std::size_t user_size = 12;

void derive(MutableBytes out, std::uint64_t seed, std::string_view what, std::uint32_t number) {
  std::array<std::uint8_t, 8> key;
  ByteWriter(key).u64(seed);
  std::array<std::uint8_t, 32> info;
  ByteWriter writer(info);
  writer.bytes(as_bytes(what));
  writer.u32(number);
  GODWIT_CHECK(writer.ok());
  crypto::hkdf_sha256(
      out, {.salt = as_bytes("godwit-load"), .key_material = key, .info = writer.written()});
}

}  // namespace

Identities::Identities(std::uint64_t seed) : seed_(seed) {
  std::array<std::uint8_t, 8> bytes;
  derive(bytes, seed, "users", 0);
  first_user_ = (prefix_first + ByteReader(bytes).u64() % prefixes) * accounts_max;
}

std::string Identities::user(std::uint32_t number) const {
  GODWIT_CHECK(number < accounts_max);
  return std::to_string(first_user_ + number);
}

crypto::KeyPair Identities::key_pair(std::uint32_t number) const {
  GODWIT_CHECK(number < accounts_max);
  crypto::Secret<32> key;
  derive(key.writable(), seed_, "key", number);
  return crypto::KeyPair::from_private(key.bytes());
}

std::optional<std::uint32_t> Identities::number_of(std::string_view user) const {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), value);
  const bool whole = error == std::errc{} && end == user.data() + user.size();
  if (!whole || user.size() != user_size || value < first_user_ ||
      value - first_user_ >= accounts_max) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(value - first_user_);
}

}  // namespace godwit::client::load
