// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/pqxdh.h"

#include "crypto/hkdf.h"

namespace godwit::crypto::signal {
namespace {

// Collects F ‖ DH1 ‖ DH2 ‖ DH3 ‖ [DH4] ‖ SS (section 3.3).
class KeyMaterial {
 public:
  KeyMaterial() {
    std::fill_n(bytes_.data(), 32, std::uint8_t{0xff});
    size_ = 32;
  }

  void diffie_hellman(const KeyPair& local, const PublicKey& remote) {
    Secret<32> shared;
    ok_ = crypto::diffie_hellman(shared, local.private_key, remote) && ok_;
    add(shared);
  }

  void add(const Secret<32>& secret) {
    std::ranges::copy(secret.bytes(), bytes_.data() + size_);
    size_ += 32;
  }

  std::optional<Agreement> derive() const {
    if (!ok_) return std::nullopt;
    Secret<96> out;
    hkdf_sha256(out.writable(),
                {.salt = {},
                 .key_material = Bytes(bytes_.bytes()).first(size_),
                 .info = as_bytes("WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024")});
    return Agreement{Secret<32>(out.bytes().subspan<0, 32>()),
                     Secret<32>(out.bytes().subspan<32, 32>()),
                     Secret<32>(out.bytes().subspan<64, 32>())};
  }

 private:
  Secret<6 * 32> bytes_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace

std::optional<Initiation> pqxdh_initiate(const IdentityKeyPair& identity, const KeyPair& base,
                                         const PreKeyBundle& bundle, RandomSource& random) {
  KeyMaterial material;
  material.diffie_hellman(identity, bundle.signed_key);
  material.diffie_hellman(base, bundle.identity_key);
  material.diffie_hellman(base, bundle.signed_key);
  if (bundle.one_time) material.diffie_hellman(base, bundle.one_time->key);
  const auto encapsulated = Kyber1024::encapsulate(bundle.kyber_key, random);
  if (!encapsulated) return std::nullopt;
  material.add(encapsulated->shared_secret);
  auto agreement = material.derive();
  if (!agreement) return std::nullopt;
  return Initiation{std::move(*agreement), encapsulated->ciphertext};
}

std::optional<Agreement> pqxdh_respond(const ResponderKeys& own, const InitiatorKeys& theirs) {
  KeyMaterial material;
  material.diffie_hellman(own.signed_prekey, theirs.identity);
  material.diffie_hellman(own.identity, theirs.base);
  material.diffie_hellman(own.signed_prekey, theirs.base);
  if (own.one_time_prekey != nullptr) {
    material.diffie_hellman(*own.one_time_prekey, theirs.base);
  }
  const Kyber1024::KeyPair kyber = Kyber1024::from_seed(own.kyber_seed);
  material.add(Kyber1024::decapsulate(kyber.private_key, theirs.kyber_ciphertext));
  return material.derive();
}

}  // namespace godwit::crypto::signal
