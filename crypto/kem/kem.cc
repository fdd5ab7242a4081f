// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/kem.h"

#include "crypto/kem/keccak.h"
#include "crypto/kem/keccak_four.h"
#include "crypto/kem/pke.h"
#include "crypto/kem/poly_coding.h"

// Where the two differ: keygen hashes d ‖ k or only d; encapsulation uses its random bytes as they
// are or hashes them first; the secret is K̄ or a hash of K̄ and the ciphertext's hash.

namespace godwit::crypto {
namespace {

constexpr bool third_round(KemSet set) {
  return set == KemSet::kyber_1024;
}

// G(message ‖ H(public key)): the secret K̄, and the coins of the encryption.
struct Expanded {
  explicit Expanded(Seed message, Seed public_key_hash) {
    sha3_512(both.writable(), {message, public_key_hash});
  }
  Seed secret() const { return both.bytes().first<32>(); }
  Seed coins() const { return both.bytes().last<32>(); }

  Secret<64> both;
};

template <KemSet Set>
void encrypt(std::span<std::uint8_t, kem_sizes(Set).ciphertext> out,
             typename Kem<Set>::PublicKeyView key, Seed message, Seed coins) {
  constexpr KemSizes sizes = kem_sizes(Set);
  typename Pke<Set>::Ephemeral ephemeral;
  Pke<Set>::sample_ephemeral(ephemeral, coins);
  Pke<Set>::encrypt_u({.ephemeral = ephemeral,
                       .coins = coins,
                       .matrix_seed = key.template last<32>(),
                       .out = out.template first<sizes.ciphertext_u>()});
  Pke<Set>::encrypt_v({.ephemeral = ephemeral,
                       .coins = coins,
                       .public_vector = key.template first<sizes.vector>(),
                       .message = message,
                       .out = out.template last<sizes.ciphertext_v>()});
}

// SHAKE256(secret ‖ SHA3-256(ciphertext)).
void third_round_secret(Secret<32>& out, Seed secret, Bytes ciphertext) {
  std::array<std::uint8_t, 32> hash;
  sha3_256(hash, {ciphertext});
  shake256(out.writable(), {secret, hash});
}

void copy(std::uint8_t*& out, Bytes bytes) {
  out = std::copy(bytes.begin(), bytes.end(), out);
}

}  // namespace

template <KemSet Set>
auto Kem<Set>::generate(RandomSource& random) -> KeyPair {
  Secret<64> seed;
  random.fill(seed.writable());
  return from_seed(seed);
}

template <KemSet Set>
auto Kem<Set>::from_seed(const Secret<64>& seed) -> KeyPair {
  const Seed d = seed.bytes().first<32>();
  const Seed z = seed.bytes().last<32>();
  const std::uint8_t rank = sizes.rank;
  Secret<64> expanded;  // rho ‖ sigma
  sha3_512(expanded.writable(), {d, third_round(Set) ? Bytes{} : Bytes(&rank, 1)});
  publish(expanded.data(), 32);

  KeyPair pair;
  auto& public_key = pair.public_key;
  const std::span<std::uint8_t, sizes.private_key> private_key = pair.private_key.writable();
  Pke<Set>::generate({.matrix_seed = expanded.bytes().first<32>(),
                      .noise_seed = expanded.bytes().last<32>(),
                      .public_vector = std::span(public_key).template first<sizes.vector>(),
                      .private_vector = private_key.template first<sizes.vector>()});
  std::copy_n(expanded.data(), 32, public_key.data() + sizes.vector);
  publish(public_key.data(), public_key.size());

  std::uint8_t* out = private_key.data() + sizes.vector;
  copy(out, public_key);
  sha3_256(std::span<std::uint8_t, 32>(out, 32), {public_key});
  out += 32;
  copy(out, z);
  return pair;
}

template <KemSet Set>
auto Kem<Set>::encapsulate(PublicKeyView key, RandomSource& random)
    -> std::optional<Encapsulation> {
  Secret<32> bytes;
  random.fill(bytes.writable());
  return encapsulate_with(key, bytes);
}

template <KemSet Set>
auto Kem<Set>::encapsulate_with(PublicKeyView key, const Secret<32>& random)
    -> std::optional<Encapsulation> {
  KeyHash hash;
  sha3_256(hash, {key});
  return encapsulate_hashed(key, hash, random);
}

template <KemSet Set>
auto Kem<Set>::encapsulate(PublicKeyView key, const KeyHash& hash, RandomSource& random)
    -> std::optional<Encapsulation> {
  Secret<32> bytes;
  random.fill(bytes.writable());
  return encapsulate_hashed(key, hash, bytes);
}

template <KemSet Set>
void Kem<Set>::hash_each(std::span<const PublicKey* const> keys, std::span<KeyHash> hashes) {
  GODWIT_CHECK(keys.size() == hashes.size());
  for (; keys.size() > 1; keys = keys.subspan(std::min<std::size_t>(keys.size(), 4))) {
    // A place that is left takes the first key again.
    std::array<KeyHash, 3> spare;
    const auto key = [&](std::size_t i) { return Bytes(*keys[i < keys.size() ? i : 0]); };
    const auto hash = [&](std::size_t i) {
      return std::span(i < keys.size() ? hashes[i] : spare[i - 1]);
    };
    sha3_256_four({hash(0), hash(1), hash(2), hash(3)}, {key(0), key(1), key(2), key(3)});
    hashes = hashes.subspan(std::min<std::size_t>(keys.size(), 4));
  }
  if (!keys.empty()) sha3_256(hashes.front(), {*keys.front()});
}

template <KemSet Set>
auto Kem<Set>::encapsulate_hashed(PublicKeyView key, const KeyHash& hash, const Secret<32>& random)
    -> std::optional<Encapsulation> {
  if (!key_valid(key)) return std::nullopt;
  Secret<32> message = random.copy();
  if constexpr (third_round(Set)) sha3_256(message.writable(), {random.bytes()});
  const Expanded expanded(message.bytes(), hash);

  std::optional<Encapsulation> made(std::in_place);
  encrypt<Set>(made->ciphertext, key, message.bytes(), expanded.coins());
  if constexpr (third_round(Set)) {
    third_round_secret(made->shared_secret, expanded.secret(), made->ciphertext);
  } else {
    made->shared_secret = SharedSecret(expanded.secret());
  }
  return made;
}

template <KemSet Set>
auto Kem<Set>::decapsulate(const PrivateKey& key, CiphertextView ciphertext) -> SharedSecret {
  const PrivateKeyView view = key.bytes();
  Secret<32> message;
  Pke<Set>::decrypt(message.writable(), private_vector(view), ciphertext);
  const Expanded expanded(message.bytes(), public_key_hash(view));
  Secret<sizes.ciphertext> again;
  encrypt<Set>(again.writable(), public_key(view), message.bytes(), expanded.coins());

  const std::uint32_t rejected =
      mask_of_bit(differ(again.data(), ciphertext.data(), ciphertext.size()));
  const auto choose = [&](Secret<32>& out, Seed good, Seed bad) {
    for (std::size_t i = 0; i < out.size; ++i) {
      out.data()[i] = static_cast<std::uint8_t>(good[i] ^ (rejected & (good[i] ^ bad[i])));
    }
  };
  SharedSecret shared_secret;
  if constexpr (third_round(Set)) {
    Secret<32> chosen;
    choose(chosen, expanded.secret(), rejection_seed(view));
    third_round_secret(shared_secret, chosen.bytes(), ciphertext);
  } else {
    Secret<32> rejection;
    shake256(rejection.writable(), {rejection_seed(view), ciphertext});
    choose(shared_secret, expanded.secret(), rejection.bytes());
  }
  return shared_secret;
}

template <KemSet Set>
bool Kem<Set>::key_valid(PublicKeyView key) {
  if constexpr (third_round(Set)) return true;
  for (std::size_t i = 0; i < sizes.rank; ++i) {
    const auto poly = key.subspan(i * poly_bytes).template first<poly_bytes>();
    if (!encoding_reduced(poly)) return false;
  }
  return true;
}

template <KemSet Set>
bool Kem<Set>::private_key_valid(const PrivateKey& key) {
  const PrivateKeyView view = key.bytes();
  std::array<std::uint8_t, 32> hash;
  sha3_256(hash, {public_key(view)});
  return key_valid(public_key(view)) && std::ranges::equal(hash, public_key_hash(view));
}

template <KemSet Set>
auto Kem<Set>::private_vector(PrivateKeyView key) -> std::span<const std::uint8_t, sizes.vector> {
  return key.template first<sizes.vector>();
}

template <KemSet Set>
auto Kem<Set>::public_key(PrivateKeyView key) -> PublicKeyView {
  return key.template subspan<sizes.vector, sizes.public_key>();
}

template <KemSet Set>
auto Kem<Set>::public_key_hash(PrivateKeyView key) -> std::span<const std::uint8_t, 32> {
  return key.template last<64>().template first<32>();
}

template <KemSet Set>
auto Kem<Set>::rejection_seed(PrivateKeyView key) -> std::span<const std::uint8_t, 32> {
  return key.template last<32>();
}

template struct Kem<KemSet::ml_kem_768>;
template struct Kem<KemSet::ml_kem_1024>;
template struct Kem<KemSet::kyber_1024>;

}  // namespace godwit::crypto
