// SPDX-License-Identifier: Apache-2.0
#include "crypto/noise.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "crypto/cipher.h"
#include "crypto/kem/kem.h"
#include "crypto/noise_patterns.h"

namespace godwit::crypto {

using Token = NoiseToken;

std::optional<NoiseSuite> suite_from_byte(std::uint8_t low_nibble) {
  switch (low_nibble) {
    case 1:
      return NoiseSuite{AeadKind::aes_256_gcm, NoiseHash::sha256};
    case 2:
      return NoiseSuite{AeadKind::chacha20_poly1305, NoiseHash::blake2b};
    case 3:
      return NoiseSuite{AeadKind::chacha20_poly1305, NoiseHash::sha256};
    default:
      return std::nullopt;
  }
}

std::optional<std::uint8_t> byte_from_suite(NoiseSuite suite) {
  for (std::uint8_t byte = 1; byte <= 3; ++byte) {
    if (suite_from_byte(byte) == suite) return byte;
  }
  return std::nullopt;
}

std::string_view suite_name(NoiseSuite suite) {
  const bool aes = suite.aead == AeadKind::aes_256_gcm;
  if (suite.hash == NoiseHash::sha256)
    return aes ? "25519_AESGCM_SHA256" : "25519_ChaChaPoly_SHA256";
  return aes ? "25519_AESGCM_BLAKE2b" : "25519_ChaChaPoly_BLAKE2b";
}

std::string protocol_name(NoisePattern pattern, NoiseSuite suite) {
  constexpr std::string_view dh = "25519";
  const std::string_view rest = suite_name(suite).substr(dh.size());
  return std::string("Noise_") + noise_pattern_info(pattern).name + "_" + std::string(dh) +
         (is_hybrid(pattern) ? "+ML-KEM-768" : "") + std::string(rest);
}

// What a DH token is computed from: one of this side's pairs, one of the peer's keys.
struct DhKeys {
  const KeyPair& local;
  const std::optional<PublicKey>& remote;
};

// The DH token after the one at the front whose keys are known by then too; none when there is no
// such. `reads`: s replaces the peer's key, where a writer sends its own, which it has.
std::optional<Token> dh_token_ahead(std::span<const Token> tokens, bool reads) {
  for (const Token token : tokens.subspan(1)) {
    if (token == Token::e || (token == Token::s && reads)) return std::nullopt;
    if (noise_token_is_dh(token)) return token;
  }
  return std::nullopt;
}

// A DH that was computed together with the one before it.
struct DhAhead {
  Token token;
  bool valid = false;
  Secret<32> shared{};
};

// CipherState and SymmetricState (sections 5.1, 5.2) and the handshake's keys (5.3).
struct NoiseHandshake::State {
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
  std::optional<DhAhead> dh_ahead;  // within a message only

  std::size_t hash_length() const { return hash_size(suite.hash); }
  Bytes h_bytes() const { return Bytes(h.bytes()).first(hash_length()); }

  void mix_hash(Bytes data) { h = hash(suite.hash, {h_bytes(), data}); }
  void mix_key(Bytes input) {
    HkdfOutputs outputs = hkdf(suite.hash, ck, input);
    ck = std::move(outputs.first);
    std::copy_n(outputs.second.data(), k.size, k.data());
    n = 0;
    has_key = true;
  }

  std::size_t overhead() const { return has_key ? aead_tag_size : 0; }
  void encrypt_and_hash(Bytes plain, MutableBytes out) {
    if (has_key) {
      const AeadNonce nonce = noise_nonce(suite.aead, n++);
      cipher_seal(suite.aead, {k, nonce, h_bytes(), plain, out});
    } else {
      std::copy(plain.begin(), plain.end(), out.begin());
    }
    mix_hash(out);
  }
  bool decrypt_and_hash(Bytes sealed, MutableBytes out) {
    if (has_key) {
      const AeadNonce nonce = noise_nonce(suite.aead, n);
      if (!cipher_open(suite.aead, {k, nonce, h_bytes(), sealed, out})) return false;
      ++n;
    } else {
      std::copy(sealed.begin(), sealed.end(), out.begin());
    }
    mix_hash(sealed);
    return true;
  }

  // ee, es, se, ss of section 5.3: the first letter is Alice's key, the second Bob's.
  DhKeys dh_keys(Token token) const {
    switch (token) {
      case Token::ee:
        return {e, re};
      case Token::es:
        return alice ? DhKeys{e, rs} : DhKeys{s, re};
      case Token::se:
        return alice ? DhKeys{s, re} : DhKeys{e, rs};
      default:
        return {s, rs};
    }
  }

  bool my_turn() const { return !finished() && !failed && (message % 2 == 0) == initiator; }
  bool finished() const { return message == noise_pattern_info(pattern).message_count; }
  // All that is secret is gone, and so is a static key that was read and not yet proved.
  void fail() {
    const std::optional<PublicKey> remote_e = re;
    const NoisePattern was = pattern;
    *this = State{};
    pattern = was;
    failed = true;
    re = remote_e;
  }

  std::size_t write_size(std::size_t payload_size) const;
  void write_sealed(Bytes plain, MutableBytes& out);
  void write_e1(MutableBytes& out, RandomSource& random);
  bool write_ekem1(MutableBytes& out, RandomSource& random);
  bool mix_dh(std::span<const Token> tokens);
  bool write_tokens(MutableBytes& out, RandomSource& random);
  bool read_sealed(Bytes& in, MutableBytes plain);
  bool read_ekem1(Bytes& in);
  bool read_tokens(Bytes& in);
};

NoiseHandshake::NoiseHandshake(std::unique_ptr<State> state) : state_(std::move(state)) {}
NoiseHandshake::NoiseHandshake(NoiseHandshake&&) noexcept = default;
NoiseHandshake& NoiseHandshake::operator=(NoiseHandshake&&) noexcept = default;
NoiseHandshake::~NoiseHandshake() = default;

Result<NoiseHandshake> NoiseHandshake::start(const Options& options) {
  const bool fallback = is_fallback(options.pattern);
  const bool alice = options.initiator != fallback;
  if (options.local_static == nullptr) {
    return godwit::fail(ErrorCode::invalid, "a handshake needs the local static key");
  }
  if (is_ik(options.pattern) && options.initiator && !options.remote_static) {
    return godwit::fail(ErrorCode::invalid, "IK needs the responder's static key");
  }
  if (fallback && (alice ? options.local_ephemeral == nullptr : !options.remote_ephemeral)) {
    return godwit::fail(ErrorCode::invalid,
                        "XXfallback needs the ephemeral key that was sent before");
  }
  auto state = std::make_unique<State>();
  state->pattern = options.pattern;
  state->suite = options.suite;
  state->initiator = options.initiator;
  state->alice = alice;
  state->s = options.local_static->copy();
  if (options.local_ephemeral != nullptr) {
    state->e = options.local_ephemeral->copy();
    state->has_e = true;
  }

  // Section 5.2, InitializeSymmetric: a name that fits is padded, a longer one hashed.
  const std::string name = protocol_name(options.pattern, options.suite);
  if (name.size() <= state->hash_length()) {
    std::copy(name.begin(), name.end(), state->h.data());
  } else {
    state->h = hash(options.suite.hash, {as_bytes(name)});
  }
  state->ck = state->h.copy();
  state->mix_hash(options.prologue);
  if (is_ik(options.pattern)) {  // <- s
    if (options.initiator) state->rs = options.remote_static;
    state->mix_hash(options.initiator ? *state->rs : state->s.public_key);
  }
  if (fallback) {  // -> e
    if (!alice) state->re = options.remote_ephemeral;
    state->mix_hash(alice ? state->e.public_key : *state->re);
  }
  return NoiseHandshake(std::move(state));
}

bool NoiseHandshake::my_turn() const {
  return state_->my_turn();
}
bool NoiseHandshake::finished() const {
  return state_->finished() && !state_->failed;
}

std::size_t NoiseHandshake::State::write_size(std::size_t payload_size) const {
  bool keyed = has_key;
  std::size_t size = 0;
  for (const Token token : noise_pattern_info(pattern).messages[message]) {
    size += noise_token_size(token);
    if (keyed && noise_token_sealed(token)) size += aead_tag_size;
    keyed = keyed || noise_token_mixes_key(token);
  }
  return size + (keyed ? aead_tag_size : 0) + payload_size;
}

// Writes at the front of what is left of the message, and steps over it.
void NoiseHandshake::State::write_sealed(Bytes plain, MutableBytes& out) {
  const std::size_t sealed = plain.size() + overhead();
  encrypt_and_hash(plain, out.first(sealed));
  out = out.subspan(sealed);
}

void NoiseHandshake::State::write_e1(MutableBytes& out, RandomSource& random) {
  MlKem768::KeyPair pair = MlKem768::generate(random);
  write_sealed(pair.public_key, out);
  e1 = std::make_unique<MlKem768::PrivateKey>(std::move(pair.private_key));
}

bool NoiseHandshake::State::write_ekem1(MutableBytes& out, RandomSource& random) {
  if (!re1) return false;
  const auto made = MlKem768::encapsulate(*re1, random);
  if (!made) return false;
  write_sealed(made->ciphertext, out);
  mix_key(made->shared_secret.bytes());
  re1.reset();
  return true;
}

// The DH token at the front, and with it the one ahead, since two at once cost less.
bool NoiseHandshake::State::mix_dh(std::span<const Token> tokens) {
  if (dh_ahead && dh_ahead->token == tokens.front()) {
    const DhAhead ahead = *std::exchange(dh_ahead, std::nullopt);
    if (ahead.valid) mix_key(ahead.shared.bytes());
    return ahead.valid;
  }
  const DhKeys keys = dh_keys(tokens.front());
  if (!keys.remote) return false;
  Secret<32> shared;
  const Agreement agreement{shared, keys.local.private_key, *keys.remote};
  bool valid = false;
  const auto next = dh_token_ahead(tokens, !my_turn());
  if (next && dh_keys(*next).remote) {
    const DhKeys next_keys = dh_keys(*next);
    dh_ahead.emplace(*next);
    std::tie(valid, dh_ahead->valid) = diffie_hellman_two(
        agreement, {dh_ahead->shared, next_keys.local.private_key, *next_keys.remote});
  } else {
    valid = diffie_hellman(shared, agreement.local, agreement.remote);
  }
  if (valid) mix_key(shared.bytes());
  return valid;
}

// False when a key of the peer's is none. `out` has write_size() bytes; what is left of it is the
// payload's.
bool NoiseHandshake::State::write_tokens(MutableBytes& out, RandomSource& random) {
  auto tokens = noise_pattern_info(pattern).messages[message];
  for (; !tokens.empty(); tokens = tokens.subspan(1)) {
    switch (tokens.front()) {
      case Token::e:
        if (!has_e) e = KeyPair::generate(random);
        has_e = true;
        std::ranges::copy(e.public_key, out.begin());
        mix_hash(e.public_key);
        out = out.subspan(e.public_key.size());
        break;
      case Token::s:
        write_sealed(s.public_key, out);
        break;
      case Token::e1:
        write_e1(out, random);
        break;
      case Token::ekem1:
        if (!write_ekem1(out, random)) return false;
        break;
      default:
        if (!mix_dh(tokens)) return false;
    }
  }
  return true;
}

Result<std::size_t> NoiseHandshake::write_message(Bytes payload, MutableBytes out,
                                                  RandomSource& random) {
  State& state = *state_;
  if (!state.my_turn()) {
    state.fail();
    return godwit::fail(ErrorCode::invalid, "it is not this side's turn in the handshake");
  }
  const std::size_t whole = state.write_size(payload.size());
  if (whole > std::min(out.size(), noise_message_size_max)) {
    state.fail();
    return godwit::fail(ErrorCode::limit, "the handshake message does not fit");
  }
  MutableBytes rest = out.first(whole);
  if (!state.write_tokens(rest, random)) {
    state.fail();
    return godwit::fail(ErrorCode::malformed, "a key of the peer's is not one");
  }
  state.encrypt_and_hash(payload, rest);
  ++state.message;
  return whole;
}

// Reads as much as fills `plain` from the front of what is left of the message, and steps over it.
bool NoiseHandshake::State::read_sealed(Bytes& in, MutableBytes plain) {
  const std::size_t sealed = plain.size() + overhead();
  if (in.size() < sealed || !decrypt_and_hash(in.first(sealed), plain)) return false;
  in = in.subspan(sealed);
  return true;
}

bool NoiseHandshake::State::read_ekem1(Bytes& in) {
  MlKem768::Ciphertext ciphertext;
  if (!e1 || !read_sealed(in, ciphertext)) return false;
  mix_key(MlKem768::decapsulate(*e1, ciphertext).bytes());
  e1.reset();
  return true;
}

// What is left of `in` afterwards is the payload.
bool NoiseHandshake::State::read_tokens(Bytes& in) {
  auto tokens = noise_pattern_info(pattern).messages[message];
  for (; !tokens.empty(); tokens = tokens.subspan(1)) {
    switch (tokens.front()) {
      case Token::e:
        if (in.size() < PublicKey{}.size()) return false;
        re.emplace();
        std::ranges::copy(in.first(re->size()), re->begin());
        mix_hash(*re);
        in = in.subspan(re->size());
        break;
      case Token::s: {
        PublicKey key;
        if (!read_sealed(in, key)) return false;
        rs = key;
        break;
      }
      case Token::e1:
        re1 = std::make_unique<MlKem768::PublicKey>();
        if (!read_sealed(in, *re1)) return false;
        break;
      case Token::ekem1:
        if (!read_ekem1(in)) return false;
        break;
      default:
        if (!mix_dh(tokens)) return false;
    }
  }
  return true;
}

Result<std::size_t> NoiseHandshake::read_message(Bytes message, MutableBytes payload_out) {
  State& state = *state_;
  if (state.failed || state.finished() || state.my_turn()) {
    state.fail();
    return godwit::fail(ErrorCode::invalid, "it is not the peer's turn in the handshake");
  }
  Bytes sealed = message;
  const bool fits = message.size() <= noise_message_size_max;
  if (!fits || !state.read_tokens(sealed) || sealed.size() < state.overhead()) {
    state.fail();
    return godwit::fail(ErrorCode::malformed,
                        "the handshake message is malformed or not for this key");
  }
  const std::size_t payload_size = sealed.size() - state.overhead();
  if (payload_size > payload_out.size()) {
    state.fail();
    return godwit::fail(ErrorCode::limit, "the handshake payload is larger than its buffer");
  }
  if (!state.decrypt_and_hash(sealed, payload_out.first(payload_size))) {
    state.fail();
    return godwit::fail(ErrorCode::malformed, "the handshake message does not open");
  }
  ++state.message;
  return payload_size;
}

std::optional<PublicKey> NoiseHandshake::remote_static() const {
  return state_->rs;
}
std::optional<PublicKey> NoiseHandshake::remote_ephemeral() const {
  return state_->re;
}
const KeyPair& NoiseHandshake::local_ephemeral() const {
  return state_->e;
}

NoiseResult NoiseHandshake::finish() {
  State& state = *state_;
  GODWIT_CHECK(finished());
  const HkdfOutputs keys = hkdf(state.suite.hash, state.ck, {});
  NoiseResult result;
  TransportKey& first = state.initiator ? result.send : result.receive;
  TransportKey& second = state.initiator ? result.receive : result.send;
  std::copy_n(keys.first.data(), first.key.size, first.key.data());
  std::copy_n(keys.second.data(), second.key.size, second.key.data());
  first.kind = second.kind = state.suite.aead;
  result.handshake_hash_size = state.hash_length();
  std::ranges::copy(state.h_bytes(), result.handshake_hash.begin());
  result.remote_static = *state.rs;
  state.fail();
  return result;
}

}  // namespace godwit::crypto
