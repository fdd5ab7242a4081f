// SPDX-License-Identifier: Apache-2.0
#include "control/node_keys.h"

#include <algorithm>
#include <charconv>

#include "control/files.h"

namespace godwit::control {
namespace {

struct Paths {
  explicit Paths(const std::string& directory)
      : operator_key(directory + "/operator.key"),
        operator_public(directory + "/operator.pub"),
        node_key(directory + "/node.key"),
        certificate(directory + "/certificate"),
        hash_key(directory + "/hash.key"),
        epoch(directory + "/epoch") {}
  std::string operator_key, operator_public, node_key, certificate, hash_key, epoch;
};

// The secret in the file; made and stored when missing and `may_make`.
template <std::size_t Size>
Result<crypto::Secret<Size>> load_or_make(const std::string& path, bool may_make,
                                          RandomSource& random) {
  crypto::Secret<Size> secret;
  Result<void> read = read_file_exactly(path, secret.writable());
  if (read) return secret;
  if (read.error().code != ErrorCode::not_found) return std::unexpected(read.error());
  if (!may_make) {
    return fail(ErrorCode::corrupt,
                path + " is missing; this gateway has run before, so put it back from a backup");
  }
  random.fill(secret.writable());
  if (Result<void> written = write_file_durably(path, secret.bytes()); !written) {
    return std::unexpected(written.error());
  }
  return secret;
}

Result<std::optional<std::uint32_t>> read_epoch(const std::string& path) {
  const Result<std::string> text = read_file(path, 32);
  if (!text) {
    if (text.error().code == ErrorCode::not_found) return std::optional<std::uint32_t>{};
    return std::unexpected(text.error());
  }
  std::uint32_t epoch = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), epoch);
  if (error != std::errc{} || std::string_view(end, text->data() + text->size()) != "\n") {
    return fail(ErrorCode::corrupt,
                path + " does not hold a number; write the Unix time of now into it");
  }
  return std::optional(epoch);
}

Result<std::uint32_t> advance_epoch(const std::string& path, std::optional<std::uint32_t> previous,
                                    WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  std::uint64_t epoch = static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 1));
  if (previous) epoch = std::max<std::uint64_t>(epoch, std::uint64_t{*previous} + 1);
  if (epoch > UINT32_MAX)
    return fail(ErrorCode::limit, path + " cannot count further; is the clock right?");
  const std::string text = std::to_string(epoch) + "\n";
  Result<void> written = write_file_durably(path, as_bytes(text));
  // A full disk must not keep a gateway from starting: what waits on it can be fetched.
  if (!written && written.error().code == ErrorCode::full && previous) {
    if (overwrite_file(path, as_bytes(text))) written = {};
  }
  if (!written) return std::unexpected(written.error());
  return static_cast<std::uint32_t>(epoch);
}

// Why the stored certificate cannot be used as it is; empty when it can.
std::string certificate_fault(const crypto::Certificate& certificate, const NodeKeys& keys,
                              std::string_view domain, WallTime now) {
  const crypto::CertificateExpectation expected{
      .operator_key = keys.operator_key ? &keys.operator_public_key : nullptr,
      .node_key = &keys.node_key.public_key,
      .name = domain,
      .now = now};
  const Result<void> verified = crypto::verify(certificate, expected);
  return verified ? "" : verified.error().message;
}

Result<void> use_certificate(NodeKeys& keys, crypto::Certificate certificate) {
  keys.certificate_bytes = crypto::encode(certificate);
  keys.operator_public_key = certificate.operator_key;
  keys.certificate = std::move(certificate);
  return {};
}

Result<void> sign_anew(NodeKeys& keys, const Paths& paths, const std::string& domain,
                       WallTime now) {
  crypto::Certificate certificate = crypto::sign_certificate(
      *keys.operator_key, keys.node_key.public_key, domain, now,
      now + std::chrono::duration_cast<WallTime::duration>(certificate_validity));
  if (Result<void> written = write_file_durably(paths.certificate, crypto::encode(certificate));
      !written) {
    return written;
  }
  return use_certificate(keys, std::move(certificate));
}

Result<void> load_certificate(NodeKeys& keys, const Paths& paths, const std::string& domain,
                              WallTime now) {
  std::string fault = "there is none";
  if (const Result<std::string> bytes =
          read_file(paths.certificate, crypto::certificate_size_max)) {
    Result<crypto::Certificate> certificate = crypto::decode_certificate(as_bytes(*bytes));
    fault = certificate ? certificate_fault(*certificate, keys, domain, now)
                        : certificate.error().message;
    const bool ends_soon = certificate && certificate->not_after < now + certificate_renewal;
    if (fault.empty() && !(ends_soon && keys.operator_key)) {
      if (ends_soon) {
        const auto days =
            std::chrono::floor<std::chrono::days>(certificate->not_after - now).count();
        keys.warnings.push_back("the certificate ends in " + std::to_string(days) +
                                " days; put the operator key in " + paths.operator_key +
                                " and restart to sign a new one");
      }
      return use_certificate(keys, std::move(*certificate));
    }
  } else if (bytes.error().code != ErrorCode::not_found) {
    return std::unexpected(bytes.error());
  }
  if (keys.operator_key) return sign_anew(keys, paths, domain, now);
  return fail(ErrorCode::refused, "no usable certificate in " + paths.certificate + " (" + fault +
                                      "); put the operator key in " + paths.operator_key +
                                      " to sign one");
}

Result<void> load_operator_key(NodeKeys& keys, const Paths& paths, RandomSource& random) {
  // A certificate without its operator's key is a deployment that keeps the key offline.
  const bool kept_elsewhere =
      !file_exists(paths.operator_key) &&
      (file_exists(paths.certificate) || file_exists(paths.operator_public));
  if (kept_elsewhere) return {};
  Result<crypto::Secret<32>> seed = load_or_make<32>(paths.operator_key, keys.first_start, random);
  if (!seed) return std::unexpected(seed.error());
  keys.operator_key = crypto::OperatorKey::from_seed(seed->bytes());
  keys.operator_public_key = keys.operator_key->public_key;
  const std::string text = to_hex(keys.operator_public_key) + "\n";
  const Result<std::string> stored = read_file(paths.operator_public, 256);
  if (stored && *stored == text) return {};
  return write_file_durably(paths.operator_public, as_bytes(text));
}

}  // namespace

Result<NodeKeys> load_node_keys(const NodeKeysOptions& options, RandomSource& random,
                                WallTime now) {
  if (Result<void> made = make_directories(options.directory); !made)
    return std::unexpected(made.error());
  const Paths paths(options.directory);
  const Result<std::optional<std::uint32_t>> previous = read_epoch(paths.epoch);
  if (!previous) return std::unexpected(previous.error());

  NodeKeys keys;
  keys.first_start = !previous->has_value();
  Result<crypto::Secret<16>> hash_key = load_or_make<16>(paths.hash_key, keys.first_start, random);
  if (!hash_key) return std::unexpected(hash_key.error());
  keys.hash_key = crypto::HashKey{std::move(*hash_key)};
  Result<crypto::Secret<32>> node_key = load_or_make<32>(paths.node_key, keys.first_start, random);
  if (!node_key) return std::unexpected(node_key.error());
  keys.node_key = crypto::KeyPair::from_private(node_key->bytes());
  if (Result<void> loaded = load_operator_key(keys, paths, random); !loaded)
    return std::unexpected(loaded.error());
  if (Result<void> loaded = load_certificate(keys, paths, options.domain, now); !loaded) {
    return std::unexpected(loaded.error());
  }
  const Result<std::uint32_t> epoch = advance_epoch(paths.epoch, *previous, now);
  if (!epoch) return std::unexpected(epoch.error());
  keys.start_epoch = *epoch;
  return keys;
}

}  // namespace godwit::control
