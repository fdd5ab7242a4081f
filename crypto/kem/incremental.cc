// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/incremental.h"

#include "crypto/kem/keccak.h"
#include "crypto/kem/pke.h"

namespace godwit::crypto {

template <KemSet Set>
auto IncrementalKem<Set>::header(typename Whole::PublicKeyView key) -> Header {
  Header header;
  const std::span<std::uint8_t, header_size> out(header);
  std::ranges::copy(key.template last<32>(), out.begin());
  sha3_256(out.template last<32>(), {key});
  return header;
}

template <KemSet Set>
auto IncrementalKem<Set>::vector(typename Whole::PublicKeyView key) -> Vector {
  Vector vector;
  std::ranges::copy(key.template first<sizes.vector>(), vector.begin());
  return vector;
}

template <KemSet Set>
auto IncrementalKem<Set>::begin_encapsulation(HeaderView header, RandomSource& random) -> Begun {
  Secret<32> bytes;
  random.fill(bytes.writable());
  return begin_encapsulation_with(header, bytes);
}

template <KemSet Set>
auto IncrementalKem<Set>::begin_encapsulation_with(HeaderView header, const Secret<32>& random)
    -> Begun {
  Secret<64> expanded;  // the shared secret, then the coins
  sha3_512(expanded.writable(), {random.bytes(), header.template last<32>()});
  const Seed coins = expanded.bytes().last<32>();
  Begun begun;
  typename Pke<Set>::Ephemeral ephemeral;
  Pke<Set>::sample_ephemeral(ephemeral, coins);
  Pke<Set>::encrypt_u({.ephemeral = ephemeral,
                       .coins = coins,
                       .matrix_seed = header.template first<32>(),
                       .out = begun.ciphertext_u});
  std::ranges::copy(random.bytes(), begun.state.data());
  std::ranges::copy(coins, begun.state.data() + 32);
  begun.shared_secret = Secret<32>(expanded.bytes().first<32>());
  return begun;
}

template <KemSet Set>
bool IncrementalKem<Set>::vector_valid(HeaderView header, VectorView vector) {
  typename Whole::PublicKey key;
  std::ranges::copy(vector, key.begin());
  std::ranges::copy(header.template first<32>(), key.begin() + sizes.vector);
  std::array<std::uint8_t, 32> hash;
  sha3_256(hash, {key});
  return std::ranges::equal(hash, header.template last<32>()) && Whole::key_valid(key);
}

template <KemSet Set>
auto IncrementalKem<Set>::finish_encapsulation(const State& state, HeaderView header,
                                               VectorView vector) -> std::optional<CiphertextV> {
  if (!vector_valid(header, vector)) return std::nullopt;
  const Seed coins = state.bytes().last<32>();
  typename Pke<Set>::Ephemeral ephemeral;
  Pke<Set>::sample_ephemeral(ephemeral, coins);
  CiphertextV ciphertext_v;
  Pke<Set>::encrypt_v({.ephemeral = ephemeral,
                       .coins = coins,
                       .public_vector = vector,
                       .message = state.bytes().first<32>(),
                       .out = ciphertext_v});
  return ciphertext_v;
}

template <KemSet Set>
Secret<32> IncrementalKem<Set>::decapsulate(const typename Whole::PrivateKey& key,
                                            const CiphertextParts& ciphertext) {
  typename Whole::Ciphertext whole;
  std::ranges::copy(ciphertext.u, whole.begin());
  std::ranges::copy(ciphertext.v, whole.begin() + sizes.ciphertext_u);
  return Whole::decapsulate(key, whole);
}

template struct IncrementalKem<KemSet::ml_kem_768>;
template struct IncrementalKem<KemSet::ml_kem_1024>;

}  // namespace godwit::crypto
