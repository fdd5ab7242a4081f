// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "crypto/aes_gcm_blocks.h"

// AES-GCM over vectors of one or more blocks, written once; x86's are in aes_gcm_128.cc and
// aes_gcm_256.cc. Internal to crypto. Thread safe; no branch or address depends on anything but
// sizes.
//
// Eight blocks are under way at a time, which the processor needs to keep its units busy. Their
// hash is reduced once: each block is multiplied by another power of the hash key.

namespace godwit::crypto::aes_gcm {
namespace {

// Each word differs from the one before it in its own four bytes (FIPS 197, section 5.2).
[[gnu::always_inline]] inline Block chained(Block words) {
  words = _mm_xor_si128(words, _mm_slli_si128(words, 4));
  return _mm_xor_si128(words, _mm_slli_si128(words, 8));
}

// The last round is SubBytes alone where all columns are the same, which ShiftRows does not change.
[[gnu::always_inline]] inline Block substituted(Block column, Block constant) {
  return _mm_aesenclast_si128(column, constant);
}

[[gnu::always_inline]] inline void expand_powers(Block h, ExpandedKey& expanded) {
  const auto keep = [&](std::size_t exponent, Block power) {
    store(expanded.power[ExpandedKey::powers - exponent], power);
  };
  const Block h2 = product(h, h);
  const Block h3 = product(h2, h);
  const Block h4 = product(h2, h2);
  const Block h5 = product(h4, h);
  keep(1, h);
  keep(2, h2);
  keep(3, h3);
  keep(4, h4);
  keep(5, h5);
  keep(6, product(h4, h2));
  keep(7, product(h4, h3));
  keep(8, product(h4, h4));
  keep(9, product(h5, h4));
}

// The hash key, a block of zeros encrypted, is made on the way.
void expand(const std::uint8_t* key, ExpandedKey& expanded) {
  const Block rotated_last_word = _mm_set1_epi32(0x0c0f0e0d);
  Block constant = _mm_set1_epi32(1);
  Block even = load(key);
  Block odd = load(key + 16);
  Block hash_key = _mm_aesenc_si128(even, odd);
  store(expanded.round[0], even);
  store(expanded.round[1], odd);
  const auto next_even = [&] {
    const Block column = _mm_shuffle_epi8(odd, rotated_last_word);
    even = _mm_xor_si128(chained(even), substituted(column, constant));
    constant = _mm_add_epi32(constant, constant);
  };
  for (std::size_t i = 2; i < ExpandedKey::rounds; i += 2) {
    next_even();
    const Block column = _mm_shuffle_epi32(even, 0xff);
    odd = _mm_xor_si128(chained(odd), substituted(column, _mm_setzero_si128()));
    hash_key = _mm_aesenc_si128(_mm_aesenc_si128(hash_key, even), odd);
    store(expanded.round[i], even);
    store(expanded.round[i + 1], odd);
  }
  next_even();
  store(expanded.round[ExpandedKey::rounds], even);
  expand_powers(times_x(reversed(_mm_aesenclast_si128(hash_key, even))), expanded);
}

// What is bound to the text without being part of it; frames have none.
[[gnu::noinline]] Block hash_associated(const Call& call) {
  Block hash = _mm_setzero_si128();
  const std::uint8_t* from = call.associated;
  for (std::size_t left = call.associated_size; left > 0;) {
    const std::size_t blocks = left < 16 * ExpandedKey::powers ? (left + 15) / 16 : 9;
    Products<OneBlock> sum;
    for (std::size_t i = ExpandedKey::powers - blocks; i < ExpandedKey::powers; ++i) {
      const std::size_t size = left < 16 ? left : 16;
      const Block block = reversed(size == 16 ? load(from) : load_part(from, size));
      sum.add(_mm_xor_si128(block, hash), load(call.key.power[i]));
      hash = _mm_setzero_si128();
      from += size;
      left -= size;
    }
    hash = reduced(sum);
  }
  return hash;
}

template <typename Wide>
class Kernel {
 public:
  static void seal(const Call& call) { store(call.out + call.text_size, run<Way::seal>(call)); }
  static std::uint32_t decrypt(const Call& call) {
    const Block tag = run<Way::open>(call);
    const Block same = _mm_cmpeq_epi8(tag, load(call.in + call.text_size));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(same)) ^ 0xffff;
  }

 private:
  enum class Way { seal, open };
  using Vector = typename Wide::Vector;
  static constexpr std::size_t vector_size = 16 * Wide::blocks;
  static constexpr std::size_t group_blocks = 8;
  static constexpr std::size_t group_size = 16 * group_blocks;
  static_assert(group_blocks < ExpandedKey::powers);

  // What is left of the text.
  struct Place {
    const std::uint8_t* in;
    std::uint8_t* out;
    std::size_t left;
  };

  // `counter` has the number of the first block in its lowest word and the nonce reversed above it.
  [[gnu::always_inline]] static inline Vector counters(Block counter, std::size_t index) {
    const Vector numbers = Wide::count_from(static_cast<int>(index * Wide::blocks));
    return Wide::shuffle(Wide::sum_32(Wide::every(counter), numbers), Wide::every(reversal()));
  }

  // Encrypts each vector, and a block beside them where there is one.
  template <std::size_t Count>
  [[gnu::always_inline]] static inline void encrypt(const ExpandedKey& key,
                                                    Vector (&vectors)[Count], Block* beside) {
    const Block whitening = load(key.round[0]);
#pragma GCC unroll 8
    for (Vector& v : vectors) v = Wide::differ(v, Wide::every(whitening));
    if (beside != nullptr) *beside = _mm_xor_si128(*beside, whitening);
#pragma GCC unroll 16
    for (std::size_t i = 1; i < ExpandedKey::rounds; ++i) {
      const Block round_key = load(key.round[i]);
#pragma GCC unroll 8
      for (Vector& v : vectors) v = Wide::round(v, Wide::every(round_key));
      if (beside != nullptr) *beside = OneBlock::round(*beside, round_key);
    }
    const Block last = load(key.round[ExpandedKey::rounds]);
#pragma GCC unroll 8
    for (Vector& v : vectors) v = Wide::last_round(v, Wide::every(last));
    if (beside != nullptr) *beside = OneBlock::last_round(*beside, last);
      // Now, all together: left to itself the compiler encrypts each one where it turns out to be
      // needed, one after another, and has to keep the round keys on the stack for that.
#pragma GCC unroll 8
    for (Vector& v : vectors) asm volatile("" : "+x"(v));
  }

  template <typename Width>
  [[gnu::always_inline]] static inline void apply(Place& place, typename Width::Vector stream) {
    Width::store(place.out, Width::differ(Width::load(place.in), stream));
    place.in += 16 * Width::blocks;
    place.out += 16 * Width::blocks;
    place.left -= 16 * Width::blocks;
  }

  // Returns the key stream from where less than a vector is left. By recursion, so that each part
  // of the key stream stays in its register.
  template <std::size_t Index, std::size_t Count>
  [[gnu::always_inline]] static inline Vector apply_all(Place& place,
                                                        const Vector (&stream)[Count]) {
    if constexpr (Index == Count) {
      return stream[0];  // nothing is left
    } else {
      if (place.left < vector_size) return stream[Index];
      apply<Wide>(place, stream[Index]);
      return apply_all<Index + 1>(place, stream);
    }
  }

  [[gnu::always_inline]] static inline void encrypt_group(const ExpandedKey& key, Place& place,
                                                          Block counter) {
    Vector stream[group_blocks / Wide::blocks];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < group_blocks / Wide::blocks; ++i) stream[i] = counters(counter, i);
    encrypt(key, stream, nullptr);
#pragma GCC unroll 8
    for (const Vector& v : stream) apply<Wide>(place, v);
  }

  // Up to Count vectors. Gives `first` encrypted, which covers the tag.
  template <Way Do, std::size_t Count>
  [[gnu::always_inline]] static inline Block encrypt_rest(const ExpandedKey& key, Place place,
                                                          Block counter, Block first) {
    Vector stream[Count];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) stream[i] = counters(counter, i);
    encrypt(key, stream, &first);
    const Vector rest = apply_all<0>(place, stream);
    Block block = Wide::template at<0>(rest);
    if (Wide::blocks > 1 && place.left >= 16) {
      apply<OneBlock>(place, block);
      block = Wide::template at<1>(rest);
    }
    if (place.left == 0) return first;
    // The tag lies behind what is opened, and will behind what is sealed: there whole blocks may be
    // read, and written.
    if constexpr (Do == Way::seal) {
      store(place.out, _mm_xor_si128(load_part(place.in, place.left), block));
    } else {
      store_part(place.out, _mm_xor_si128(load(place.in), block), place.left);
    }
    return first;
  }

  [[gnu::always_inline]] static inline Vector to_hash(const std::uint8_t* sealed) {
    return Wide::shuffle(Wide::load(sealed), Wide::every(reversal()));
  }

  [[gnu::always_inline]] static inline Block hash_group(const ExpandedKey& key,
                                                        const std::uint8_t* sealed, Block before) {
    const auto* const power = key.power + ExpandedKey::powers - group_blocks;
    Products<Wide> sum;
    sum.add(Wide::differ(to_hash(sealed), Wide::first(before)), Wide::load(power));
#pragma GCC unroll 8
    for (std::size_t i = Wide::blocks; i < group_blocks; i += Wide::blocks) {
      sum.add(to_hash(sealed + 16 * i), Wide::load(power[i]));
    }
    return reduced(sum.total());
  }

  // The rest, up to a group, and the sizes. Reads whole blocks: a tag lies or comes behind them.
  [[gnu::always_inline]] static inline Block hash_rest(const Call& call, const std::uint8_t* sealed,
                                                       std::size_t left, Block before) {
    const auto* power = call.key.power + group_blocks - (left + 15) / 16;
    Products<OneBlock> sum;
    if (call.associated_size > 0 || call.text_size > group_size) sum.add(before, load(power));
    Products<Wide> wide_sum;
    for (; left >= vector_size; left -= vector_size, sealed += vector_size, power += Wide::blocks) {
      wide_sum.add(to_hash(sealed), Wide::load(power));
    }
    sum = sum.with(wide_sum.total());
    for (; left > 0; sealed += 16, ++power) {
      const std::size_t size = left < 16 ? left : 16;
      sum.add(reversed(first_bytes(load(sealed), size)), load(power));
      left -= size;
    }
    sum.add(of_halves(8 * call.text_size, 8 * call.associated_size), load(power));
    return reduced(sum);
  }

  // The tag.
  template <Way Do>
  [[gnu::always_inline]] static inline Block run(const Call& call) {
    const std::uint64_t end_of_nonce = word_at<std::uint32_t>(call.nonce + 8);
    const Block first =
        of_halves(word_at<std::uint64_t>(call.nonce), end_of_nonce | std::uint64_t{1} << 56);
    Block counter = _mm_add_epi32(reversed(first), OneBlock::count_from(1));
    Place place{call.in, call.out, call.text_size};
    Block hash = _mm_setzero_si128();
    if (call.associated_size > 0) hash = hash_associated(call);
    // What is sealed is hashed a group later, while the next one is encrypted.
    bool behind = false;
    while (place.left > group_size) {
      if (Do == Way::open) hash = hash_group(call.key, place.in, hash);
      encrypt_group(call.key, place, counter);
      if (behind) hash = hash_group(call.key, place.out - 2 * group_size, hash);
      behind = Do == Way::seal;
      counter = _mm_add_epi32(counter, OneBlock::count_from(group_blocks));
    }
    if (behind) hash = hash_group(call.key, place.out - group_size, hash);
    if (Do == Way::open) hash = hash_rest(call, place.in, place.left, hash);
    // Short texts are common, and do not need the key stream of a whole group.
    constexpr std::size_t all = group_blocks / Wide::blocks;
    const Block cover = place.left > group_size / 2
                            ? encrypt_rest<Do, all>(call.key, place, counter, first)
                            : encrypt_rest<Do, all / 2>(call.key, place, counter, first);
    if (Do == Way::seal) hash = hash_rest(call, place.out, place.left, hash);
    return _mm_xor_si128(reversed(hash), cover);
  }
};

}  // namespace
}  // namespace godwit::crypto::aes_gcm
