// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// The erasure code of the ML-KEM Braid: a message of k chunks becomes 65 536 chunks, and any k of
// them give the message back. Each of the 16 columns of a chunk is the value, at the chunk's index,
// of the polynomial over GF(2^16) that runs through the message's chunks at 0 to k - 1; so the
// first k chunks are the message itself. What is coded here travels in the open: nothing is secret,
// and time may depend on it. Values; no shared state.

namespace godwit::crypto::signal {

inline constexpr std::size_t chunk_size = 32;
using Chunk = std::array<std::uint8_t, chunk_size>;

struct IndexedChunk {
  std::uint16_t index = 0;
  Chunk bytes{};
  bool operator==(const IndexedChunk&) const = default;
};

// The longest message of the braid: the vector of an ML-KEM-768 key.
inline constexpr std::size_t erasure_chunks_max = 36;

class ErasureEncoder {
 public:
  // REQUIRES: 1 to erasure_chunks_max whole chunks.
  explicit ErasureEncoder(Bytes message);

  // The chunks in the order of their indices, from 0 again after the last.
  IndexedChunk next();
  Chunk at(std::uint16_t index) const;
  Bytes message() const { return message_; }

  static constexpr std::size_t write_size_of(std::size_t chunks) { return 2 + chunks * chunk_size; }
  std::size_t write_size() const { return write_size_of(message_.size() / chunk_size); }
  void write(ByteWriter& out) const;
  // `chunks` is known from the state that the encoder belongs to.
  static ErasureEncoder read(ByteReader& in, std::size_t chunks);

 private:
  std::vector<std::uint8_t> message_;
  std::uint16_t next_ = 0;
};

class ErasureDecoder {
 public:
  // REQUIRES: 1 to erasure_chunks_max.
  explicit ErasureDecoder(std::size_t chunks);

  // A chunk whose index is there already changes nothing, nor does one that is no longer needed.
  void add(const IndexedChunk& chunk);
  bool complete() const { return received_.size() == chunks_; }
  // REQUIRES: complete().
  std::vector<std::uint8_t> message() const;

  static constexpr std::size_t write_size_max(std::size_t chunks) {
    return 1 + chunks * (2 + chunk_size);
  }
  std::size_t write_size() const { return write_size_max(received_.size()); }
  void write(ByteWriter& out) const;
  // Fails the reader when there are more chunks than needed, or an index twice.
  static ErasureDecoder read(ByteReader& in, std::size_t chunks);

 private:
  std::size_t chunks_;
  std::vector<IndexedChunk> received_;  // in the order of their indices
};

}  // namespace godwit::crypto::signal
