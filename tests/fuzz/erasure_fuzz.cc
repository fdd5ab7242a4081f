// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "crypto/signal/spqr/erasure.h"

// A decoder that gets any chunks: what it gives back, encoded again, has the chunks it was given.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace godwit;
  using namespace godwit::crypto::signal;
  ByteReader in(Bytes(data, size));
  ErasureDecoder decoder(1 + in.u8() % erasure_chunks_max);
  std::vector<IndexedChunk> given;
  while (!decoder.complete() && !in.at_end()) {
    IndexedChunk chunk{.index = in.u16()};
    // A chunk is a few bytes of the input, so that many fit into it.
    chunk.bytes[chunk.index % chunk_size] = in.u8();
    chunk.bytes[chunk.index / chunk_size % chunk_size] = in.u8();
    if (std::ranges::find(given, chunk.index, &IndexedChunk::index) == given.end())
      given.push_back(chunk);
    decoder.add(chunk);
  }
  if (!decoder.complete()) return 0;
  const std::vector<std::uint8_t> message = decoder.message();
  const ErasureEncoder encoder(message);
  for (const IndexedChunk& chunk : given) GODWIT_CHECK(encoder.at(chunk.index) == chunk.bytes);
  return 0;
}
