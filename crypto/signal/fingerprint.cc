// SPDX-License-Identifier: Apache-2.0
// libcrypto's SHA-512, because there are thousands of them: see crypto/hash.cc.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/signal/fingerprint.h"

#include <openssl/sha.h>

#include <algorithm>
#include <optional>

#include "crypto/signal/key_encoding.h"
#include "crypto/signal/protobuf.h"

namespace godwit::crypto::signal {
namespace {

constexpr std::array<std::uint8_t, 2> hash_version{0, 0};
constexpr std::uint32_t scannable_version = 2;
constexpr std::size_t scannable_size_max = 256;

using Sha512 = std::array<std::uint8_t, SHA512_DIGEST_LENGTH>;

Sha512 sha_512(std::initializer_list<Bytes> parts) {
  SHA512_CTX state;
  bool ok = SHA512_Init(&state) == 1;
  for (Bytes part : parts) ok = SHA512_Update(&state, part.data(), part.size()) == 1 && ok;
  Sha512 digest;
  ok = SHA512_Final(digest.data(), &state) == 1 && ok;
  GODWIT_CHECK(ok);
  return digest;
}

std::array<std::uint8_t, 32> half_of(const FingerprintParty& party) {
  const EncodedPublicKey key = encode_public_key(party.identity);
  Sha512 digest = sha_512({hash_version, key, party.identifier, key});
  for (unsigned i = 1; i < fingerprint_iterations; ++i) digest = sha_512({digest, key});
  std::array<std::uint8_t, 32> half;
  std::copy_n(digest.begin(), half.size(), half.begin());
  return half;
}

// Six groups of five digits, each from five bytes.
std::string digits_of(Bytes half) {
  std::string text;
  ByteReader reader(half);
  for (int group = 0; group < 6; ++group) {
    std::uint64_t number = 0;
    for (std::uint8_t byte : reader.take(5)) number = number << 8 | byte;
    const std::string digits = std::to_string(number % 100'000);
    text.append(5 - digits.size(), '0').append(digits);
  }
  return text;
}

std::vector<std::uint8_t> logical(Bytes half) {
  std::vector<std::uint8_t> out;
  ProtobufWriter(out).bytes(1, half);
  return out;
}

std::optional<Bytes> logical_content(const std::optional<Bytes>& message) {
  if (!message) return std::nullopt;
  ProtobufFields<1> fields(*message);
  const auto content = fields.bytes(1);
  return fields.ok() ? content : std::nullopt;
}

}  // namespace

Fingerprint Fingerprint::make(const FingerprintParty& local, const FingerprintParty& remote) {
  Fingerprint made;
  made.local_ = half_of(local);
  made.remote_ = half_of(remote);
  return made;
}

std::string Fingerprint::digits() const {
  const std::string local = digits_of(local_);
  const std::string remote = digits_of(remote_);
  return local < remote ? local + remote : remote + local;
}

std::vector<std::uint8_t> Fingerprint::scannable() const {
  std::vector<std::uint8_t> out;
  ProtobufWriter writer(out);
  writer.number(1, scannable_version);
  writer.bytes(2, logical(local_));
  writer.bytes(3, logical(remote_));
  return out;
}

Result<bool> Fingerprint::matches(Bytes scanned) const {
  const auto malformed = [] {
    return fail(ErrorCode::malformed, "what was scanned is no safety number");
  };
  if (scanned.size() > scannable_size_max) return malformed();
  ProtobufFields<3> fields(scanned);
  const auto version = fields.u32(1);
  const auto theirs = logical_content(fields.bytes(2));
  const auto ours = logical_content(fields.bytes(3));
  if (!fields.ok() || !version || !theirs || !ours) return malformed();
  if (*version != scannable_version) {
    return fail(ErrorCode::refused, "the safety number is of a version that is not known here");
  }
  return std::ranges::equal(*theirs, remote_) && std::ranges::equal(*ours, local_);
}

}  // namespace godwit::crypto::signal
