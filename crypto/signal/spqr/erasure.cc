// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/erasure.h"

#include <algorithm>
#include <span>

#include "crypto/signal/spqr/gf16.h"
#include "crypto/signal/spqr/stored.h"

// Lagrange's formula: the value at x is the sum, over the points j, of value j times
//   weight j * product over m != j of (x - x_m),  weight j = 1 / product over m != j of (x_j -
//   x_m).

namespace godwit::crypto::signal {
namespace {

using Weights = std::array<std::uint16_t, erasure_chunks_max>;
using Points = std::span<const std::uint16_t>;

Weights weights_of(Points points) {
  Weights weights{};
  for (std::size_t j = 0; j < points.size(); ++j) {
    std::uint16_t product = 1;
    for (std::size_t m = 0; m < points.size(); ++m) {
      if (m != j) product = gf16::multiply(product, points[j] ^ points[m]);
    }
    weights[j] = gf16::inverse(product);
  }
  return weights;
}

constexpr std::array<std::uint16_t, erasure_chunks_max> first_points() {
  std::array<std::uint16_t, erasure_chunks_max> points{};
  for (std::size_t i = 0; i < points.size(); ++i) points[i] = static_cast<std::uint16_t>(i);
  return points;
}

constexpr auto message_points = first_points();

// The weights of a message of k chunks are message_weights[k - 1]. One chunk more, at m, multiplies
// each of the others by 1 / (j - m); compilers bound what they compute, so no more is inverted.
constexpr std::array<Weights, erasure_chunks_max> all_message_weights() {
  std::array<std::uint16_t, 64> inverses{};
  for (std::uint16_t value = 1; value < inverses.size(); ++value) {
    inverses[value] = gf16::inverse(value);
  }
  std::array<Weights, erasure_chunks_max> all{};
  for (std::size_t m = 0; m < all.size(); ++m) {
    if (m > 0) all[m] = all[m - 1];
    all[m][m] = 1;
    for (std::size_t j = 0; j < m; ++j) {
      all[m][j] = gf16::multiply(all[m][j], inverses[j ^ m]);
      all[m][m] = gf16::multiply(all[m][m], inverses[j ^ m]);
    }
  }
  return all;
}

constexpr auto message_weights = all_message_weights();

// What each point's value counts for at x.
Weights factors_at(std::uint16_t x, Points points, const Weights& weights) {
  Weights factors;
  std::uint16_t product = 1;
  for (std::size_t j = 0; j < points.size(); ++j) {
    factors[j] = gf16::multiply(product, weights[j]);
    product = gf16::multiply(product, x ^ points[j]);
  }
  product = 1;
  for (std::size_t j = points.size(); j-- > 0;) {
    factors[j] = gf16::multiply(product, factors[j]);
    product = gf16::multiply(product, x ^ points[j]);
  }
  return factors;
}

Chunk chunk_at(Bytes message, std::size_t index) {
  Chunk chunk;
  std::ranges::copy(message.subspan(index * chunk_size, chunk_size), chunk.begin());
  return chunk;
}

bool chunk_count_valid(std::size_t chunks) {
  return chunks >= 1 && chunks <= erasure_chunks_max;
}

}  // namespace

ErasureEncoder::ErasureEncoder(Bytes message) : message_(message.begin(), message.end()) {
  GODWIT_CHECK(message.size() % chunk_size == 0 && chunk_count_valid(message.size() / chunk_size));
}

IndexedChunk ErasureEncoder::next() {
  const std::uint16_t index = next_++;
  return {.index = index, .bytes = at(index)};
}

Chunk ErasureEncoder::at(std::uint16_t index) const {
  const std::size_t chunks = message_.size() / chunk_size;
  if (index < chunks) return chunk_at(message_, index);
  const Weights factors =
      factors_at(index, Points(message_points).first(chunks), message_weights[chunks - 1]);
  gf16::Columns sum;
  for (std::size_t j = 0; j < chunks; ++j) {
    sum.add_scaled(gf16::Columns(chunk_at(message_, j)), factors[j]);
  }
  return sum.chunk();
}

void ErasureEncoder::write(ByteWriter& out) const {
  out.u16(next_);
  out.bytes(message_);
}

ErasureEncoder ErasureEncoder::read(ByteReader& in, std::size_t chunks) {
  const std::uint16_t next = in.u16();
  const Bytes message = in.take(chunks * chunk_size);
  ErasureEncoder encoder(in.ok() ? message : Bytes(Chunk{}));
  encoder.next_ = next;
  return encoder;
}

ErasureDecoder::ErasureDecoder(std::size_t chunks) : chunks_(chunks) {
  GODWIT_CHECK(chunk_count_valid(chunks));
}

void ErasureDecoder::add(const IndexedChunk& chunk) {
  if (complete()) return;
  const auto place = std::ranges::lower_bound(received_, chunk.index, {}, &IndexedChunk::index);
  if (place != received_.end() && place->index == chunk.index) return;
  received_.insert(place, chunk);
}

std::vector<std::uint8_t> ErasureDecoder::message() const {
  GODWIT_CHECK(complete());
  std::array<std::uint16_t, erasure_chunks_max> indices;
  std::ranges::transform(received_, indices.begin(), &IndexedChunk::index);
  const Points points = Points(indices).first(chunks_);
  Weights weights{};
  // The indices are in order, so the message itself came if its last chunk ends them.
  if (points.back() >= chunks_) weights = weights_of(points);

  std::vector<std::uint8_t> message;
  message.reserve(chunks_ * chunk_size);
  auto received = received_.begin();
  for (std::uint16_t index = 0; index < chunks_; ++index) {
    Chunk chunk;
    if (received != received_.end() && received->index == index) {
      chunk = (received++)->bytes;
    } else {
      const Weights factors = factors_at(index, points, weights);
      gf16::Columns sum;
      for (std::size_t j = 0; j < chunks_; ++j) {
        sum.add_scaled(gf16::Columns(received_[j].bytes), factors[j]);
      }
      chunk = sum.chunk();
    }
    message.insert(message.end(), chunk.begin(), chunk.end());
  }
  return message;
}

void ErasureDecoder::write(ByteWriter& out) const {
  out.u8(static_cast<std::uint8_t>(received_.size()));
  for (const IndexedChunk& chunk : received_) {
    out.u16(chunk.index);
    out.bytes(chunk.bytes);
  }
}

ErasureDecoder ErasureDecoder::read(ByteReader& in, std::size_t chunks) {
  ErasureDecoder decoder(chunks);
  const std::size_t count = in.u8();
  if (count > chunks) in.fail();
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const std::uint16_t index = in.u16();
    if (i > 0 && index <= decoder.received_.back().index) in.fail();
    decoder.received_.push_back({.index = index, .bytes = read_array<chunk_size>(in)});
  }
  return decoder;
}

}  // namespace godwit::crypto::signal
