// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>

#include "crypto/kem/keccak.h"
#include "crypto/kem/kem.h"
#include "crypto/kem/pke.h"
#include "crypto/kem/poly_coding.h"
#include "crypto/kem/sampling.h"
#include "tests/crypto/vectors.h"

// The Community Cryptography Test Vectors for ML-KEM: intermediate values, keys with one number
// that is too large, a ciphertext that a comparison ending at a zero byte would take, and a matrix
// whose sampling rejects unusually often.

namespace godwit::crypto {
namespace {

using testing::unhex;

// Lines of a packed file; empty when it is not there. gzip is in every Debian.
std::vector<std::string> unzipped_lines(const std::string& path) {
  std::vector<std::string> lines;
  std::FILE* const pipe = popen(("gzip -dc '" + path + "' 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return lines;
  std::array<char, 8192> line;
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
    lines.emplace_back(line.data());
    while (lines.back().ends_with('\n')) lines.back().pop_back();
  }
  pclose(pipe);
  return lines;
}

// "name = value" lines; a name may come more than once.
using Fields = std::multimap<std::string, std::vector<std::uint8_t>>;

std::optional<Fields> read_fields(const std::string& path) {
  std::ifstream in(path);
  if (!in) return std::nullopt;
  Fields fields;
  for (std::string line; std::getline(in, line);) {
    const std::string value = line.substr(line.rfind(" = ") + 3);
    if (value.starts_with('{')) continue;  // the same once more as numbers
    fields.emplace(line.substr(0, line.find(" = ")), unhex(value));
  }
  return fields;
}

// The n-th value of a name.
Bytes value(const Fields& fields, const std::string& name, int n = 0) {
  auto [at, end] = fields.equal_range(name);
  for (; n > 0 && at != end; --n) ++at;
  EXPECT_NE(at, end) << name;
  return at == end ? Bytes{} : Bytes(at->second);
}

template <std::size_t Size>
std::span<const std::uint8_t, Size> fixed(const Fields& fields, const std::string& name,
                                          int n = 0) {
  const Bytes bytes = value(fields, name, n);
  GODWIT_CHECK(bytes.size() == Size);
  return bytes.first<Size>();
}

std::string encoded(std::span<const Poly> polys) {
  std::string text;
  for (Poly poly : polys) {
    std::array<std::uint8_t, poly_bytes> bytes;
    reduce(poly);
    encode(bytes, poly);
    text += to_hex(bytes);
  }
  return text;
}

template <typename K>
class Cctv : public ::testing::Test {
 protected:
  static constexpr KemSizes sizes = K::sizes;
  static constexpr KemSet set = sizes.rank == 3 ? KemSet::ml_kem_768 : KemSet::ml_kem_1024;
  static std::string path(const std::string& kind, const std::string& ending = ".txt") {
    return GODWIT_VECTORS "/cctv-mlkem/" + kind + "/ML-KEM-" + (sizes.rank == 3 ? "768" : "1024") +
           ending;
  }

  // These files were made when key generation hashed d alone; FIPS 203 has it hash d ‖ k. All that
  // follows is the same, so the pair is put together here.
  static std::array<std::uint8_t, 64> seeds(const Fields& fields) {
    std::array<std::uint8_t, 64> seeds;
    sha3_512(seeds, {value(fields, "d")});
    return seeds;
  }

  static typename K::KeyPair pair_of(const Fields& fields) {
    const auto both = seeds(fields);
    const std::span<const std::uint8_t, 64> view(both);
    typename K::KeyPair pair;
    std::span<std::uint8_t, sizes.public_key> public_key(pair.public_key);
    const auto private_key = pair.private_key.writable();
    Pke<set>::generate({.matrix_seed = view.first<32>(),
                        .noise_seed = view.last<32>(),
                        .public_vector = public_key.template first<sizes.vector>(),
                        .private_vector = private_key.template first<sizes.vector>()});
    std::ranges::copy(view.first<32>(), public_key.template last<32>().begin());
    std::ranges::copy(public_key, private_key.template subspan<sizes.vector>().begin());
    sha3_256(private_key.template last<64>().template first<32>(), {public_key});
    std::ranges::copy(fixed<32>(fields, "z"), private_key.template last<32>().begin());
    return pair;
  }

  static void check_keys(const Fields& fields, const typename K::KeyPair& pair) {
    EXPECT_EQ(to_hex(pair.public_key), to_hex(value(fields, "ek")));
    EXPECT_EQ(to_hex(pair.private_key.bytes()), to_hex(value(fields, "dk")));
  }
};
using Sets = ::testing::Types<MlKem768, MlKem1024>;
TYPED_TEST_SUITE(Cctv, Sets);

#define FIELDS_OR_SKIP(fields, kind)                        \
  const auto fields = read_fields(TestFixture::path(kind)); \
  if (!fields) GTEST_SKIP() << "no vectors at " << TestFixture::path(kind)

TYPED_TEST(Cctv, IntermediateValues) {
  FIELDS_OR_SKIP(fields, "intermediate");
  constexpr std::size_t rank = TestFixture::sizes.rank;
  EXPECT_EQ(to_hex(TestFixture::seeds(*fields)),
            to_hex(value(*fields, "ρ")) + to_hex(value(*fields, "σ")));

  std::array<Poly, rank * rank> matrix;
  sample_matrix(matrix, fixed<32>(*fields, "ρ"), MatrixForm::plain);
  EXPECT_EQ(encoded(matrix), to_hex(value(*fields, "A")));
  sample_matrix(matrix, fixed<32>(*fields, "ρ"), MatrixForm::transposed);
  EXPECT_EQ(encoded(matrix), to_hex(value(*fields, "A^T")));

  const Seed sigma = fixed<32>(*fields, "σ");
  PolyVector<rank> noise;
  sample_noise(noise, sigma, 0);
  EXPECT_EQ(encoded(noise), to_hex(value(*fields, "s")));
  for (Poly& poly : noise) ntt(poly);
  EXPECT_EQ(encoded(noise), to_hex(value(*fields, "dkPKE", 0)));
  sample_noise(noise, sigma, rank);
  EXPECT_EQ(encoded(noise), to_hex(value(*fields, "e")));
  for (Poly& poly : noise) ntt(poly);
  EXPECT_EQ(encoded(noise), to_hex(value(*fields, "NTT(e)")));

  const Seed coins = fixed<32>(*fields, "r", 0);
  sample_noise(noise, coins, 0);
  EXPECT_EQ(encoded(noise), to_hex(value(*fields, "r", 1)));
  for (Poly& poly : noise) ntt(poly);
  EXPECT_EQ(encoded(noise), to_hex(value(*fields, "NTT(r)")));
  sample_noise(noise, coins, rank);
  EXPECT_EQ(encoded(noise), to_hex(value(*fields, "e1")));
  sample_noise(std::span(noise).template first<1>(), coins, 2 * rank);
  EXPECT_EQ(encoded(std::span(noise).template first<1>()), to_hex(value(*fields, "e2")));

  Poly message;
  decompress<1>(message, fixed<32>(*fields, "m"));
  EXPECT_EQ(encoded({&message, 1}), to_hex(value(*fields, "μ")));
}

TYPED_TEST(Cctv, KeysAndCiphertextsOfTheIntermediateFile) {
  FIELDS_OR_SKIP(fields, "intermediate");
  const auto pair = TestFixture::pair_of(*fields);
  TestFixture::check_keys(*fields, pair);
  const auto made =
      TypeParam::encapsulate_with(pair.public_key, Secret<32>(fixed<32>(*fields, "m")));
  ASSERT_TRUE(made);
  EXPECT_EQ(to_hex(made->ciphertext), to_hex(value(*fields, "c")));
  EXPECT_EQ(to_hex(made->ciphertext), to_hex(value(*fields, "c1")) + to_hex(value(*fields, "c2")));
  EXPECT_EQ(to_hex(made->shared_secret.bytes()), to_hex(value(*fields, "K")));
  EXPECT_TRUE(
      TypeParam::decapsulate(pair.private_key, made->ciphertext).equals(made->shared_secret));
  // K̄, the secret of this ciphertext if it were rejected (a broken private vector rejects it).
  auto rejecting = pair.private_key.copy();
  rejecting.data()[0] ^= 1;
  EXPECT_EQ(to_hex(TypeParam::decapsulate(rejecting, made->ciphertext).bytes()),
            to_hex(value(*fields, "KBar")));
}

TYPED_TEST(Cctv, UnluckySample) {
  FIELDS_OR_SKIP(fields, "unluckysample");
  const auto pair = TestFixture::pair_of(*fields);
  TestFixture::check_keys(*fields, pair);
  const auto made =
      TypeParam::encapsulate_with(pair.public_key, Secret<32>(fixed<32>(*fields, "m")));
  ASSERT_TRUE(made);
  EXPECT_EQ(to_hex(made->ciphertext), to_hex(value(*fields, "c")));
  EXPECT_EQ(to_hex(made->shared_secret.bytes()), to_hex(value(*fields, "K")));
}

TYPED_TEST(Cctv, ZeroBytesDoNotEndTheComparison) {
  FIELDS_OR_SKIP(fields, "strcmp");
  const typename TypeParam::PrivateKey key(fixed<TypeParam::sizes.private_key>(*fields, "dk"));
  const auto secret = TypeParam::decapsulate(key, fixed<TypeParam::sizes.ciphertext>(*fields, "c"));
  EXPECT_EQ(to_hex(secret.bytes()), to_hex(value(*fields, "K")));
}

TYPED_TEST(Cctv, EveryNumberNotBelowQIsRefused) {
  const std::string path = TestFixture::path("modulus", ".txt.gz");
  if (!std::ifstream(path)) GTEST_SKIP() << "no vectors at " << path;
  const auto lines = unzipped_lines(path);
  for (const std::string& line : lines) {
    const auto key = testing::unhex_array<TypeParam::sizes.public_key>(line);
    ASSERT_FALSE(TypeParam::key_valid(key));
  }
  EXPECT_EQ(lines.size(), TestFixture::sizes.rank == 3 ? 780u : 1040u);
}

}  // namespace
}  // namespace godwit::crypto
