// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "crypto/kem/kem.h"
#include "crypto/noise.h"
#include "crypto/noise_patterns.h"

// What a handshake knows, and its message under way: CipherState and SymmetricState (sections 5.1,
// 5.2), the keys (5.3) and the tokens. For noise.cc and noise_tokens.cc alone. Not thread safe.
//
// A message stops at a Diffie-Hellman that nobody has computed yet, so that whoever has several
// handshakes computes those of all at once, and goes on from there.

namespace godwit::crypto {

// How far a message has come.
enum class NoiseProgress : std::uint8_t { needs_dh, done, failed };

// A Diffie-Hellman of the message under way.
struct NoiseShared {
  NoiseToken token;
  bool made = false;
  Secret<32> secret{};
};

// Those that several messages wait for: `calls[i]` computes `shared[i]`.
struct NoiseDhRound {
  std::vector<DiffieHellman> calls;
  std::vector<NoiseShared*> shared;

  void run();
};

struct NoiseHandshake::State {
  using Token = NoiseToken;
  // What a DH token is computed from: one of this side's pairs, one of the peer's keys.
  struct DhKeys {
    const KeyPair& local;
    const std::optional<PublicKey>& remote;
  };

  NoisePattern pattern{};
  NoiseSuite suite{};
  bool initiator = false;
  bool alice = false;  // whose place in the pattern this side has
  bool failed = false;
  std::size_t message = 0;  // the next one

  Digest h;
  Digest ck;
  Secret<32> k;
  std::uint64_t n = 0;
  bool has_key = false;

  KeyPair s;
  KeyPair e;
  bool has_e = false;
  std::optional<PublicKey> rs;
  std::optional<PublicKey> re;
  // Ours from e1 to ekem1, and the peer's; most handshakes never hold both, nor either for long.
  std::unique_ptr<MlKem768::PrivateKey> e1;
  std::unique_ptr<MlKem768::PublicKey> re1;
  MlKem768::KeyHash re1_hash{};  // computed before a message is written

  // Of the message under way: what is left, and the Diffie-Hellmans computed for it.
  std::span<const Token> tokens;
  std::array<std::optional<NoiseShared>, 2> shared;

  std::size_t hash_length() const { return hash_size(suite.hash); }
  Bytes h_bytes() const { return Bytes(h.bytes()).first(hash_length()); }
  std::size_t overhead() const { return has_key ? aead_tag_size : 0; }
  bool my_turn() const { return !finished() && !failed && (message % 2 == 0) == initiator; }
  bool finished() const { return message == noise_pattern_info(pattern).message_count; }

  void mix_hash(Bytes data);
  void encrypt_and_hash(Bytes plain, MutableBytes out);
  bool decrypt_and_hash(Bytes sealed, MutableBytes out);
  // All that is secret is gone, and so is a static key that was read and not yet proved.
  void fail();

  // Before the first of the next message's tokens.
  void begin_message() { tokens = noise_pattern_info(pattern).messages[message]; }
  // Whether this message begins with an ephemeral key that is yet to be made.
  bool wants_ephemeral() const { return !tokens.empty() && tokens.front() == Token::e && !has_e; }
  // Of the whole next message.
  std::size_t write_size(std::size_t payload_size) const;
  // Goes on with the tokens that are left, at the front of what is left of the message, and steps
  // over them: `out` has room for all, and what is left of it once that is done is the payload's.
  // It fails when a key of the peer's is none. REQUIRES: an ephemeral key, where one was wanted.
  NoiseProgress write_tokens(MutableBytes& out, RandomSource& random);
  NoiseProgress read_tokens(Bytes& in);
  // What is left of a message whose tokens have been read.
  Result<std::size_t> read_payload(Bytes sealed, MutableBytes out);
  // What the token at the front waits for and, since two at once cost less, the Diffie-Hellman
  // after that if its keys are known too. REQUIRES: NoiseProgress::needs_dh.
  void ask(NoiseDhRound& round);

 private:
  void mix_key(Bytes input);
  DhKeys dh_keys(Token token) const;
  std::optional<Token> dh_token_ahead() const;
  NoiseProgress mix_dh();
  void write_sealed(Bytes plain, MutableBytes& out);
  void write_e1(MutableBytes& out, RandomSource& random);
  bool write_ekem1(MutableBytes& out, RandomSource& random);
  bool read_sealed(Bytes& in, MutableBytes plain);
  bool read_ekem1(Bytes& in);
  bool read_token(Bytes& in);
};

}  // namespace godwit::crypto
