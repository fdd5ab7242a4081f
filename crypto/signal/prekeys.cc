// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/prekeys.h"

#include "crypto/signal/key_encoding.h"
#include "crypto/xeddsa.h"

namespace godwit::crypto::signal {
namespace {

// The first byte says which record it is and the second its version.
enum class RecordKind : std::uint8_t { one_time = 1, signed_once = 2, kyber = 3 };
constexpr std::uint8_t record_version = 2;

StateWriter begin(RecordKind kind, std::uint32_t id) {
  StateWriter out;
  out.u8(static_cast<std::uint8_t>(kind));
  out.u8(record_version);
  out.u32(id);
  return out;
}

std::uint32_t take_head(ByteReader& in, RecordKind kind) {
  if (in.u8() != static_cast<std::uint8_t>(kind)) in.fail();
  if (in.u8() != record_version) in.fail();
  return in.u32();
}

std::uint64_t milliseconds(WallTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

WallTime take_time(ByteReader& in) {
  return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(in.u64())));
}

bool complete(const ByteReader& in) {
  return in.ok() && in.at_end();
}

std::unexpected<Error> corrupt() {
  return fail(ErrorCode::corrupt, "a stored prekey is damaged or of an unknown version");
}

}  // namespace

SecretBytes PreKeyRecord::write() const {
  StateWriter out = begin(RecordKind::one_time, id);
  write_key_pair(out, pair);
  return out.take();
}

Result<PreKeyRecord> PreKeyRecord::read(Bytes bytes) {
  ByteReader in(bytes);
  const std::uint32_t id = take_head(in, RecordKind::one_time);
  KeyPair pair = take_key_pair(in);
  if (!complete(in)) return corrupt();
  return PreKeyRecord{id, std::move(pair)};
}

SignedPreKeyRecord SignedPreKeyRecord::generate(std::uint32_t id, const IdentityKeyPair& identity,
                                                WallTime now, RandomSource& random) {
  SignedPreKeyRecord record{id, now, KeyPair::generate(random), {}};
  record.signature =
      xeddsa_sign(identity.private_key, encode_public_key(record.pair.public_key), random);
  return record;
}

SecretBytes SignedPreKeyRecord::write() const {
  StateWriter out = begin(RecordKind::signed_once, id);
  out.u64(milliseconds(created_at));
  write_key_pair(out, pair);
  out.bytes(signature);
  return out.take();
}

Result<SignedPreKeyRecord> SignedPreKeyRecord::read(Bytes bytes) {
  ByteReader in(bytes);
  SignedPreKeyRecord record;
  record.id = take_head(in, RecordKind::signed_once);
  record.created_at = take_time(in);
  record.pair = take_key_pair(in);
  record.signature = take_array<64>(in);
  if (!complete(in)) return corrupt();
  return record;
}

KyberPreKeyRecord KyberPreKeyRecord::generate(const Options& options,
                                              const IdentityKeyPair& identity,
                                              RandomSource& random) {
  KyberPreKeyRecord record;
  record.id = options.id;
  record.created_at = options.now;
  record.last_resort = options.last_resort;
  random.fill(record.seed.writable());
  record.public_key = Kyber1024::from_seed(record.seed).public_key;
  record.signature = xeddsa_sign(identity.private_key, encode_kyber_key(record.public_key), random);
  return record;
}

SecretBytes KyberPreKeyRecord::write() const {
  StateWriter out = begin(RecordKind::kyber, id);
  out.u64(milliseconds(created_at));
  out.present(last_resort);
  out.bytes(seed.bytes());
  out.bytes(public_key);
  out.bytes(signature);
  return out.take();
}

Result<KyberPreKeyRecord> KyberPreKeyRecord::read(Bytes bytes) {
  ByteReader in(bytes);
  KyberPreKeyRecord record;
  record.id = take_head(in, RecordKind::kyber);
  record.created_at = take_time(in);
  record.last_resort = take_present(in);
  record.seed = take_secret<64>(in);
  record.public_key = take_array<Kyber1024::sizes.public_key>(in);
  record.signature = take_array<64>(in);
  if (!complete(in)) return corrupt();
  return record;
}

Result<void> PreKeyBundle::verify() const {
  if (!xeddsa_verify(identity_key, encode_public_key(signed_key), signed_signature)) {
    return fail(ErrorCode::refused, "the signed prekey is not signed by the identity");
  }
  if (!xeddsa_verify(identity_key, encode_kyber_key(kyber_key), kyber_signature)) {
    return fail(ErrorCode::refused, "the post-quantum prekey is not signed by the identity");
  }
  return {};
}

}  // namespace godwit::crypto::signal
