// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificate.h"

#include <algorithm>
#include <utility>

namespace godwit::crypto {
namespace {

constexpr std::uint8_t certificate_version = 1;
// So that a signature over a certificate can never be one over something else.
constexpr std::string_view label = "Godwit node certificate 1";

void write_signed_part(ByteWriter& out, const Certificate& certificate) {
  out.u8(certificate_version);
  out.bytes(certificate.operator_key);
  out.bytes(certificate.node_key);
  out.u64(static_cast<std::uint64_t>(certificate.not_before.time_since_epoch().count()));
  out.u64(static_cast<std::uint64_t>(certificate.not_after.time_since_epoch().count()));
  out.u8(static_cast<std::uint8_t>(certificate.name.size()));
  out.bytes(as_bytes(certificate.name));
}

std::vector<std::uint8_t> signed_bytes(const Certificate& certificate) {
  std::vector<std::uint8_t> bytes(label.size() + certificate_size_max);
  ByteWriter out(bytes);
  out.bytes(as_bytes(label));
  write_signed_part(out, certificate);
  GODWIT_CHECK(out.ok());
  bytes.resize(out.size());
  return bytes;
}

// No control characters and no spaces: names end up in sentences on terminals and in logs.
bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= certificate_name_size_max &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

WallTime wall_time(std::uint64_t milliseconds) {
  return WallTime{std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds))};
}

}  // namespace

OperatorKey OperatorKey::generate(RandomSource& random) {
  Secret<32> seed;
  random.fill(seed.writable());
  return from_seed(seed.bytes());
}

OperatorKey OperatorKey::from_seed(std::span<const std::uint8_t, 32> seed) {
  OperatorKey key{Secret<32>(seed), {}};
  key.public_key = signing_public_key(key.seed);
  return key;
}

Certificate sign_certificate(const OperatorKey& key, const PublicKey& node_key, std::string name,
                             WallTime not_before, WallTime not_after) {
  GODWIT_CHECK(is_name(name) && not_before >= WallTime{} && not_after >= WallTime{});
  Certificate certificate{.operator_key = key.public_key,
                          .node_key = node_key,
                          .not_before = not_before,
                          .not_after = not_after,
                          .name = std::move(name)};
  certificate.signature = sign(key.seed, signed_bytes(certificate));
  return certificate;
}

std::vector<std::uint8_t> encode(const Certificate& certificate) {
  std::vector<std::uint8_t> bytes(certificate_size_max);
  ByteWriter out(bytes);
  write_signed_part(out, certificate);
  out.bytes(certificate.signature);
  GODWIT_CHECK(out.ok());
  bytes.resize(out.size());
  return bytes;
}

Result<Certificate> decode_certificate(Bytes bytes) {
  ByteReader in(bytes);
  Certificate certificate;
  const std::uint8_t version = in.u8();
  std::ranges::copy(in.take(32), certificate.operator_key.begin());
  std::ranges::copy(in.take(32), certificate.node_key.begin());
  certificate.not_before = wall_time(in.u64());
  certificate.not_after = wall_time(in.u64());
  certificate.name = std::string(as_text(in.take(in.u8())));
  std::ranges::copy(in.take(64), certificate.signature.begin());
  const bool whole = in.ok() && in.at_end() && version == certificate_version &&
                     is_name(certificate.name) && certificate.not_before >= WallTime{} &&
                     certificate.not_after >= WallTime{};
  if (!whole) return fail(ErrorCode::malformed, "the server's certificate is malformed");
  return certificate;
}

Result<void> verify(const Certificate& certificate, const CertificateExpectation& expectation) {
  if (expectation.operator_key != nullptr &&
      certificate.operator_key != *expectation.operator_key) {
    return fail(ErrorCode::refused,
                "the server's certificate is from another operator than the pinned one; "
                "check --operator-key and the address");
  }
  if (!verify_signature(certificate.operator_key, signed_bytes(certificate),
                        certificate.signature)) {
    return fail(ErrorCode::refused, "the server's certificate has a wrong signature");
  }
  if (expectation.node_key != nullptr && certificate.node_key != *expectation.node_key) {
    return fail(ErrorCode::refused,
                "the server's certificate is for another key than the server has");
  }
  if (certificate.name != expectation.name) {
    return fail(ErrorCode::refused, "the server's certificate is for " + certificate.name +
                                        ", not for " + std::string(expectation.name));
  }
  if (expectation.now < certificate.not_before) {
    return fail(ErrorCode::unavailable,
                "the server's certificate is not valid yet; check both clocks");
  }
  if (expectation.now >= certificate.not_after) {
    return fail(ErrorCode::expired,
                "the server's certificate has expired; its operator must renew it");
  }
  return {};
}

}  // namespace godwit::crypto
