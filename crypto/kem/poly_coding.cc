// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/poly_coding.h"

#include "crypto/kem/avx2.h"

namespace godwit::crypto {
namespace {

// ByteEncode: numbers of Bits bits, least significant bit first.
template <unsigned Bits, typename Number>
void pack(std::uint8_t* out, Number number) {
  std::uint64_t waiting = 0;
  unsigned count = 0;
  for (std::size_t i = 0; i < poly_size; ++i) {
    waiting |= std::uint64_t{number(i)} << count;
    for (count += Bits; count >= 8; count -= 8, waiting >>= 8) {
      *out++ = static_cast<std::uint8_t>(waiting);
    }
  }
}

// ByteDecode.
template <unsigned Bits, typename Take>
void unpack(const std::uint8_t* bytes, Take take) {
  std::uint64_t waiting = 0;
  unsigned count = 0;
  for (std::size_t i = 0; i < poly_size; ++i) {
    for (; count < Bits; count += 8) waiting |= std::uint64_t{*bytes++} << count;
    take(i, static_cast<std::uint32_t>(waiting & ((1u << Bits) - 1)));
    waiting >>= Bits;
    count -= Bits;
  }
}

}  // namespace

void encode(std::span<std::uint8_t, poly_bytes> out, const Poly& poly, KemPath path) {
  if (path == KemPath::avx2) return avx2::encode(out.data(), poly.c.data());
  pack<12>(out.data(), [&](std::size_t i) { return least(poly.c[i]); });
}

void decode(Poly& poly, PolyBytes bytes, KemPath path) {
  if (path == KemPath::avx2) return avx2::decode(poly.c.data(), bytes.data());
  unpack<12>(bytes.data(), [&](std::size_t i, std::uint32_t number) {
    poly.c[i] = barrett_reduce(static_cast<std::int16_t>(number));
  });
}

bool encoding_reduced(PolyBytes bytes, KemPath path) {
  if (path == KemPath::avx2) return avx2::encoding_reduced(bytes.data());
  bool reduced = true;
  unpack<12>(bytes.data(), [&](std::size_t, std::uint32_t number) { reduced &= number < kem_q; });
  return reduced;
}

template <unsigned Bits>
void compress(std::span<std::uint8_t, packed_size(Bits)> out, const Poly& poly, KemPath path) {
  if (path == KemPath::avx2) return avx2::compress<Bits>(out.data(), poly.c.data());
  pack<Bits>(out.data(), [&](std::size_t i) { return compressed<Bits>(least(poly.c[i])); });
}

template <unsigned Bits>
void decompress(Poly& poly, std::span<const std::uint8_t, packed_size(Bits)> bytes, KemPath path) {
  if (path == KemPath::avx2) return avx2::decompress<Bits>(poly.c.data(), bytes.data());
  unpack<Bits>(bytes.data(), [&](std::size_t i, std::uint32_t number) {
    poly.c[i] = decompressed<Bits>(number);
  });
}

template void compress<1>(std::span<std::uint8_t, packed_size(1)>, const Poly&, KemPath);
template void compress<4>(std::span<std::uint8_t, packed_size(4)>, const Poly&, KemPath);
template void compress<5>(std::span<std::uint8_t, packed_size(5)>, const Poly&, KemPath);
template void compress<10>(std::span<std::uint8_t, packed_size(10)>, const Poly&, KemPath);
template void compress<11>(std::span<std::uint8_t, packed_size(11)>, const Poly&, KemPath);
template void decompress<1>(Poly&, std::span<const std::uint8_t, packed_size(1)>, KemPath);
template void decompress<4>(Poly&, std::span<const std::uint8_t, packed_size(4)>, KemPath);
template void decompress<5>(Poly&, std::span<const std::uint8_t, packed_size(5)>, KemPath);
template void decompress<10>(Poly&, std::span<const std::uint8_t, packed_size(10)>, KemPath);
template void decompress<11>(Poly&, std::span<const std::uint8_t, packed_size(11)>, KemPath);

}  // namespace godwit::crypto
