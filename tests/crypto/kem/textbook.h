// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/kem/kem.h"

// Decapsulation written down from FIPS 203 as it reads: residues and divisions, transforms as sums
// over all powers, hashes by libcrypto. Slow, not constant time, and sharing no line with what it
// is compared to.

namespace godwit::crypto::testing {

class Textbook {
 public:
  Textbook(std::size_t rank, bool third_round) : rank_(rank), third_round_(third_round) {}

  template <typename K>
  static Textbook of() {
    return Textbook(K::sizes.rank, std::is_same_v<K, Kyber1024>);
  }

  // Algorithm 18; Kyber, algorithm 9.
  std::vector<std::uint8_t> decapsulate(Bytes key, Bytes ciphertext) const {
    const std::size_t vector = 384 * rank_;
    const Bytes public_key = key.subspan(vector, vector + 32);
    const Bytes hash = key.subspan(2 * vector + 32, 32);
    const Bytes rejection = key.last(32);
    const auto message = decrypt(key.first(vector), ciphertext);
    const auto both = digest("SHA3-512", {message, hash}, 64);
    const bool same =
        std::ranges::equal(encrypt(public_key, message, Bytes(both).last(32)), ciphertext);
    const Bytes good = Bytes(both).first(32);
    if (third_round_) {
      const auto last = digest("SHA3-256", {ciphertext}, 32);
      return digest("SHAKE256", {same ? good : rejection, last}, 32);
    }
    if (same) return {good.begin(), good.end()};
    return digest("SHAKE256", {rejection, ciphertext}, 32);
  }

  // Algorithm 14.
  std::vector<std::uint8_t> encrypt(Bytes key, Bytes message, Bytes coins) const {
    const Bytes rho = key.last(32);
    std::vector<Poly> y;
    for (std::size_t i = 0; i < rank_; ++i) y.push_back(ntt(noise(coins, i)));
    std::vector<std::uint8_t> out;
    for (std::size_t i = 0; i < rank_; ++i) {
      Poly sum{};
      for (std::size_t j = 0; j < rank_; ++j) sum = plus(sum, times(uniform(rho, i, j), y[j]));
      encode(out, plus(inverse(sum), noise(coins, rank_ + i)), u_bits());
    }
    Poly sum{};
    for (std::size_t j = 0; j < rank_; ++j) {
      sum = plus(sum, times(decode(key.subspan(384 * j, 384), 12), y[j]));
    }
    const Poly v = plus(inverse(sum), noise(coins, 2 * rank_));
    encode(out, plus(v, decompress(decode(message, 1), 1)), v_bits());
    return out;
  }

 private:
  static constexpr std::uint32_t q = 3329;
  using Poly = std::array<std::uint32_t, 256>;

  unsigned u_bits() const { return rank_ == 4 ? 11 : 10; }
  unsigned v_bits() const { return rank_ == 4 ? 5 : 4; }

  // Algorithm 15.
  std::vector<std::uint8_t> decrypt(Bytes key, Bytes ciphertext) const {
    const std::size_t u_size = 32 * u_bits();
    Poly sum{};
    for (std::size_t i = 0; i < rank_; ++i) {
      const Poly u = decompress(decode(ciphertext.subspan(u_size * i, u_size), u_bits()), u_bits());
      sum = plus(sum, times(decode(key.subspan(384 * i, 384), 12), ntt(u)));
    }
    const Poly v = decompress(decode(ciphertext.subspan(u_size * rank_), v_bits()), v_bits());
    const Poly product = inverse(sum);
    Poly w;
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = (v[i] + q - product[i]) % q;
    std::vector<std::uint8_t> message;
    encode(message, w, 1);
    return message;
  }

  static std::vector<std::uint8_t> digest(const char* name, std::initializer_list<Bytes> parts,
                                          std::size_t size) {
    EVP_MD* const kind = EVP_MD_fetch(nullptr, name, nullptr);
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    GODWIT_CHECK(EVP_DigestInit_ex2(context, kind, nullptr) == 1);
    for (const Bytes part : parts) {
      GODWIT_CHECK(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
    }
    std::vector<std::uint8_t> out(size);
    const bool extendable = (EVP_MD_get_flags(kind) & EVP_MD_FLAG_XOF) != 0;
    GODWIT_CHECK((extendable ? EVP_DigestFinalXOF(context, out.data(), size)
                             : EVP_DigestFinal_ex(context, out.data(), nullptr)) == 1);
    EVP_MD_CTX_free(context);
    EVP_MD_free(kind);
    return out;
  }

  // Algorithm 7; so many bytes suffice but once in 2^100.
  static Poly uniform(Bytes rho, std::size_t i, std::size_t j) {
    const std::array<std::uint8_t, 2> place{static_cast<std::uint8_t>(i),
                                            static_cast<std::uint8_t>(j)};
    const auto bytes = digest("SHAKE128", {rho, place}, 3 * 400);
    Poly poly{};
    std::size_t taken = 0;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
      const std::uint32_t first = bytes[at] + 256u * (bytes[at + 1] % 16);
      const std::uint32_t second = bytes[at + 1] / 16 + 16u * bytes[at + 2];
      if (first < q && taken < poly.size()) poly[taken++] = first;
      if (second < q && taken < poly.size()) poly[taken++] = second;
    }
    GODWIT_CHECK(taken == poly.size());
    return poly;
  }

  // Algorithm 8 with eta = 2.
  static Poly noise(Bytes coins, std::size_t number) {
    const auto nonce = static_cast<std::uint8_t>(number);
    const auto bytes = digest("SHAKE256", {coins, Bytes(&nonce, 1)}, 128);
    const auto bit = [&](std::size_t at) { return bytes[at / 8] >> at % 8 & 1u; };
    Poly poly;
    for (std::size_t i = 0; i < poly.size(); ++i) {
      poly[i] = (bit(4 * i) + bit(4 * i + 1) + q - bit(4 * i + 2) - bit(4 * i + 3)) % q;
    }
    return poly;
  }

  // Algorithm 6, and modulo q for 12 bits.
  static Poly decode(Bytes bytes, unsigned bits) {
    Poly poly{};
    for (std::size_t i = 0; i < poly.size(); ++i) {
      for (unsigned bit = 0; bit < bits; ++bit) {
        const std::size_t at = i * bits + bit;
        poly[i] += (bytes[at / 8] >> at % 8 & 1u) << bit;
      }
      poly[i] %= q;
    }
    return poly;
  }

  // Compression (4.7), then algorithm 5.
  static void encode(std::vector<std::uint8_t>& out, const Poly& poly, unsigned bits) {
    const std::size_t begin = out.size();
    out.resize(begin + 32 * bits);
    for (std::size_t i = 0; i < poly.size(); ++i) {
      const std::uint32_t value = ((poly[i] << bits) + q / 2) / q;
      for (unsigned bit = 0; bit < bits; ++bit) {
        const std::size_t at = i * bits + bit;
        out[begin + at / 8] |= static_cast<std::uint8_t>((value >> bit & 1) << at % 8);
      }
    }
  }

  // (4.8)
  static Poly decompress(const Poly& poly, unsigned bits) {
    Poly wide;
    for (std::size_t i = 0; i < wide.size(); ++i) {
      wide[i] = (poly[i] * q + (1u << (bits - 1))) >> bits;
    }
    return wide;
  }

  static Poly plus(const Poly& left, const Poly& right) {
    Poly sum;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = (left[i] + right[i]) % q;
    return sum;
  }

  // gamma_i^j, where the i-th factor of X^256 + 1 is X^2 - gamma_i (4.12).
  using Powers = std::array<std::array<std::uint32_t, 128>, 128>;
  static const Powers& powers() {
    static const Powers made = [] {
      Powers table;
      for (std::size_t i = 0; i < 128; ++i) {
        std::size_t exponent = 1;
        for (unsigned bit = 0; bit < 7; ++bit) exponent += 2 * (i >> bit & 1) << (6 - bit);
        std::uint32_t gamma = 1;
        for (std::size_t n = 0; n < exponent; ++n) gamma = gamma * 17 % q;
        table[i][0] = 1;
        for (std::size_t j = 1; j < 128; ++j) table[i][j] = table[i][j - 1] * gamma % q;
      }
      return table;
    }();
    return made;
  }

  // The residues modulo each factor.
  static Poly ntt(const Poly& poly) {
    Poly residues{};
    for (std::size_t i = 0; i < 128; ++i) {
      for (std::size_t j = 0; j < 128; ++j) {
        residues[2 * i] += poly[2 * j] * powers()[i][j];
        residues[2 * i + 1] += poly[2 * j + 1] * powers()[i][j];
      }
    }
    for (std::uint32_t& residue : residues) residue %= q;
    return residues;
  }

  // gamma_i^128 is -1, so gamma_i^-j is -gamma_i^(128 - j); 3303 is 1/128.
  static Poly inverse(const Poly& residues) {
    Poly poly{};
    for (std::size_t j = 0; j < 128; ++j) {
      for (std::size_t i = 0; i < 128; ++i) {
        const std::uint32_t power = j == 0 ? 1 : q - powers()[i][128 - j];
        poly[2 * j] += residues[2 * i] * power;
        poly[2 * j + 1] += residues[2 * i + 1] * power;
      }
    }
    for (std::uint32_t& coefficient : poly) coefficient = coefficient % q * 3303 % q;
    return poly;
  }

  static Poly times(const Poly& left, const Poly& right) {
    Poly product;
    for (std::size_t i = 0; i < 128; ++i) {
      const std::uint32_t a = left[2 * i], b = left[2 * i + 1];
      const std::uint32_t c = right[2 * i], d = right[2 * i + 1];
      product[2 * i] = (a * c + b * d % q * powers()[i][1]) % q;
      product[2 * i + 1] = (a * d + b * c) % q;
    }
    return product;
  }

  std::size_t rank_;
  bool third_round_;
};

}  // namespace godwit::crypto::testing
