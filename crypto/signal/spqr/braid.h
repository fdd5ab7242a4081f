// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "crypto/signal/spqr/authenticator.h"
#include "crypto/signal/spqr/braid_state.h"
#include "crypto/signal/spqr/message.h"
#include "crypto/signal/spqr/role.h"

// The ML-KEM Braid (Signal, revision 1): both sides agree on one key after another by chunks that
// ride on the messages of a conversation, whichever of those are lost, doubled or late. In each
// epoch one side makes a key and the other encapsulates to it; then they change places. Values; no
// shared state; constant time in what is secret.
//
//   makes the key                             encapsulates
//   KeysSampled          header ------------> NoHeaderReceived, HeaderReceived
//   HeaderSent           ek ---------------->
//                           <------------ ct1 Ct1Sampled, EkReceivedCt1Sampled
//   Ct1Received          ek, ct1 is here ---> Ct1Acknowledged
//   EkSentCt1Received       <------------ ct2 Ct2Sampled
//   and in the next epoch
//   NoHeaderReceived     anything ----------> KeysUnsampled

namespace godwit::crypto::signal {

class Braid {
 public:
  // More than any session reaches; a stored one beyond it is damaged.
  static constexpr std::uint64_t epoch_max = std::uint64_t{1} << 62;

  // Alice makes the first key. Epoch 0 is that of the key given here; the first agreed on is 1.
  static Braid start(const Secret<32>& key, Role role);
  Braid copy() const;

  struct Sent {
    BraidMessage message;
    std::optional<EpochKey> key;  // the key of epoch(), which the peer has not got yet
  };
  Sent send(RandomSource& random);

  // On an error the braid may be half changed: try on a copy.
  // not_found: an epoch that cannot have begun. refused: a header, vector or ciphertext that the
  // peer of this session did not make.
  Result<std::optional<EpochKey>> receive(const BraidMessage& message);

  // The key that is being agreed on. The one before it is known to both sides.
  std::uint64_t epoch() const { return epoch_; }
  // Whether this side has the key of epoch() already, because it encapsulated it.
  bool has_key() const;

  static constexpr std::size_t write_size_max =
      8 + Authenticator::write_size + braid::write_size_max;
  std::size_t write_size() const;
  void write(ByteWriter& out) const;
  // Fails the reader on anything that write() does not write.
  static Braid read(ByteReader& in);

 private:
  using Received = Result<std::optional<EpochKey>>;

  Braid(std::uint64_t epoch, Authenticator authenticator, braid::State state)
      : epoch_(epoch), authenticator_(std::move(authenticator)), state_(std::move(state)) {}

  Sent send_in(braid::KeysUnsampled& state, RandomSource& random);
  Sent send_in(braid::KeysSampled& state, RandomSource& random);
  Sent send_in(braid::HeaderSent& state, RandomSource& random);
  Sent send_in(braid::Ct1Received& state, RandomSource& random);
  Sent send_in(braid::EkSentCt1Received& state, RandomSource& random);
  Sent send_in(braid::NoHeaderReceived& state, RandomSource& random);
  Sent send_in(braid::HeaderReceived& state, RandomSource& random);
  Sent send_in(braid::Ct1Sampled& state, RandomSource& random);
  Sent send_in(braid::EkReceivedCt1Sampled& state, RandomSource& random);
  Sent send_in(braid::Ct1Acknowledged& state, RandomSource& random);
  Sent send_in(braid::Ct2Sampled& state, RandomSource& random);

  Received receive_in(braid::KeysUnsampled& state, const BraidMessage& message);
  Received receive_in(braid::KeysSampled& state, const BraidMessage& message);
  Received receive_in(braid::HeaderSent& state, const BraidMessage& message);
  Received receive_in(braid::Ct1Received& state, const BraidMessage& message);
  Received receive_in(braid::EkSentCt1Received& state, const BraidMessage& message);
  Received receive_in(braid::NoHeaderReceived& state, const BraidMessage& message);
  Received receive_in(braid::HeaderReceived& state, const BraidMessage& message);
  Received receive_in(braid::Ct1Sampled& state, const BraidMessage& message);
  Received receive_in(braid::EkReceivedCt1Sampled& state, const BraidMessage& message);
  Received receive_in(braid::Ct1Acknowledged& state, const BraidMessage& message);
  Received receive_in(braid::Ct2Sampled& state, const BraidMessage& message);

  Sent with_chunk(BraidType type, const IndexedChunk& chunk) const;
  Sent without_chunk(BraidType type) const;

  struct Encapsulated {
    const braid::Encapsulating& begun;
    const braid::Kem::CiphertextU& ct1;
    const braid::Kem::Vector& ek;
  };
  Received finish_encapsulation(const Encapsulated& parts);
  static Received wrong_vector();

  std::uint64_t epoch_;
  Authenticator authenticator_;
  braid::State state_;
};

}  // namespace godwit::crypto::signal
