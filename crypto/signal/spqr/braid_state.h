// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "crypto/kem/incremental.h"
#include "crypto/secret.h"
#include "crypto/signal/spqr/authenticator.h"
#include "crypto/signal/spqr/erasure.h"

// The states of the ML-KEM Braid (section 2.5), by the specification's names, each with what it
// holds and nothing else. Values; no shared state.

namespace godwit::crypto::signal::braid {

using Kem = IncrementalMlKem768;

// Messages in chunks. A header and the second part of a ciphertext are followed by their MAC.
inline constexpr std::size_t header_chunks =
    (Kem::header_size + Authenticator::mac_size) / chunk_size;
inline constexpr std::size_t ek_chunks = Kem::sizes.vector / chunk_size;
inline constexpr std::size_t ct1_chunks = Kem::sizes.ciphertext_u / chunk_size;
inline constexpr std::size_t ct2_chunks =
    (Kem::sizes.ciphertext_v + Authenticator::mac_size) / chunk_size;
static_assert(header_chunks == 3 && ek_chunks == 36 && ct1_chunks == 30 && ct2_chunks == 5);
static_assert(ek_chunks == erasure_chunks_max);

// A private key, as the 64 bytes that it is made from.
using KeySeed = Secret<64>;

// The side that makes the key.

struct KeysUnsampled {};

struct KeysSampled {
  KeySeed seed;
  ErasureEncoder header;
};

// Sends the vector from the first chunk of ct1 on, which shows that the header has come.
struct HeaderSent {
  KeySeed seed;
  ErasureEncoder ek;
  ErasureDecoder ct1;
};

struct Ct1Received {
  KeySeed seed;
  ErasureEncoder ek;
  Kem::CiphertextU ct1;
};

// The first chunk of ct2 shows that the vector has come.
struct EkSentCt1Received {
  KeySeed seed;
  Kem::CiphertextU ct1;
  ErasureDecoder ct2;
};

// The side that encapsulates.

struct NoHeaderReceived {
  ErasureDecoder header;
};

struct HeaderReceived {
  Kem::Header header;
};

// What an encapsulation needs between its two halves.
struct Encapsulating {
  Kem::Header header;
  Kem::State secret;
};

struct Ct1Sampled {
  Encapsulating begun;
  ErasureEncoder ct1;
  ErasureDecoder ek;
};

struct EkReceivedCt1Sampled {
  Encapsulating begun;
  ErasureEncoder ct1;
  Kem::Vector ek;
};

struct Ct1Acknowledged {
  Encapsulating begun;
  Kem::CiphertextU ct1;
  ErasureDecoder ek;
};

struct Ct2Sampled {
  ErasureEncoder ct2;
};

// In the order in which they are numbered where a state is stored.
using State = std::variant<KeysUnsampled, KeysSampled, HeaderSent, Ct1Received, EkSentCt1Received,
                           NoHeaderReceived, HeaderReceived, Ct1Sampled, EkReceivedCt1Sampled,
                           Ct1Acknowledged, Ct2Sampled>;

State copy(const State& state);

// The number of the state, and its members. The largest is Ct1Sampled.
inline constexpr std::size_t write_size_max = 1 + Kem::header_size + Kem::State::size +
                                              ErasureEncoder::write_size_of(ct1_chunks) +
                                              ErasureDecoder::write_size_max(ek_chunks);
std::size_t write_size(const State& state);
void write(ByteWriter& out, const State& state);
// Fails the reader on anything that write() does not write.
State read(ByteReader& in);

}  // namespace godwit::crypto::signal::braid
