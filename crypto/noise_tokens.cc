// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "crypto/cipher.h"
#include "crypto/noise_state.h"

namespace godwit::crypto {

using Token = NoiseToken;

void NoiseDhRound::run() {
  diffie_hellman_each(calls);
  for (std::size_t i = 0; i < calls.size(); ++i) shared[i]->made = calls[i].made;
}

void NoiseHandshake::State::mix_hash(Bytes data) {
  h = hash(suite.hash, {h_bytes(), data});
}

void NoiseHandshake::State::mix_key(Bytes input) {
  HkdfOutputs outputs = hkdf(suite.hash, ck, input);
  ck = std::move(outputs.first);
  std::copy_n(outputs.second.data(), k.size, k.data());
  n = 0;
  has_key = true;
}

void NoiseHandshake::State::encrypt_and_hash(Bytes plain, MutableBytes out) {
  if (has_key) {
    const AeadNonce nonce = noise_nonce(suite.aead, n++);
    cipher_seal(suite.aead, {k, nonce, h_bytes(), plain, out});
  } else {
    std::copy(plain.begin(), plain.end(), out.begin());
  }
  mix_hash(out);
}

bool NoiseHandshake::State::decrypt_and_hash(Bytes sealed, MutableBytes out) {
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

void NoiseHandshake::State::fail() {
  const std::optional<PublicKey> remote_e = re;
  const NoisePattern was = pattern;
  *this = State{};
  pattern = was;
  failed = true;
  re = remote_e;
}

// ee, es, se, ss of section 5.3: the first letter is Alice's key, the second Bob's.
NoiseHandshake::State::DhKeys NoiseHandshake::State::dh_keys(Token token) const {
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

// The DH token after the one at the front whose keys are known by then too; none when there is no
// such. For a reader s replaces the peer's key, where a writer sends its own, which it has.
std::optional<NoiseToken> NoiseHandshake::State::dh_token_ahead() const {
  for (const Token token : tokens.subspan(1)) {
    if (token == Token::e || (token == Token::s && !my_turn())) return std::nullopt;
    if (noise_token_is_dh(token)) {
      return dh_keys(token).remote ? std::optional(token) : std::nullopt;
    }
  }
  return std::nullopt;
}

void NoiseHandshake::State::ask(NoiseDhRound& round) {
  std::array<std::optional<Token>, 2> wanted{tokens.front(), dh_token_ahead()};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i]) continue;
    const DhKeys keys = dh_keys(*wanted[i]);
    shared[i].emplace(*wanted[i]);
    round.calls.push_back({shared[i]->secret, keys.local.private_key, *keys.remote});
    round.shared.push_back(&*shared[i]);
  }
}

NoiseProgress NoiseHandshake::State::mix_dh() {
  const auto computed = std::ranges::find_if(
      shared, [&](const auto& each) { return each && each->token == tokens.front(); });
  if (computed == shared.end()) {
    return dh_keys(tokens.front()).remote ? NoiseProgress::needs_dh : NoiseProgress::failed;
  }
  const bool made = (*computed)->made;
  if (made) mix_key((*computed)->secret.bytes());
  computed->reset();
  return made ? NoiseProgress::done : NoiseProgress::failed;
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
  const auto made = MlKem768::encapsulate(*re1, re1_hash, random);
  if (!made) return false;
  write_sealed(made->ciphertext, out);
  mix_key(made->shared_secret.bytes());
  re1.reset();
  return true;
}

NoiseProgress NoiseHandshake::State::write_tokens(MutableBytes& out, RandomSource& random) {
  for (; !tokens.empty(); tokens = tokens.subspan(1)) {
    switch (tokens.front()) {
      case Token::e:
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
        if (!write_ekem1(out, random)) return NoiseProgress::failed;
        break;
      default:
        if (const NoiseProgress mixed = mix_dh(); mixed != NoiseProgress::done) return mixed;
    }
  }
  return NoiseProgress::done;
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

// The one at the front, which is no Diffie-Hellman.
bool NoiseHandshake::State::read_token(Bytes& in) {
  switch (tokens.front()) {
    case Token::e:
      if (in.size() < PublicKey{}.size()) return false;
      re.emplace();
      std::ranges::copy(in.first(re->size()), re->begin());
      mix_hash(*re);
      in = in.subspan(re->size());
      return true;
    case Token::s: {
      PublicKey key;
      if (!read_sealed(in, key)) return false;
      rs = key;
      return true;
    }
    case Token::e1:
      re1 = std::make_unique<MlKem768::PublicKey>();
      return read_sealed(in, *re1);
    default:
      return read_ekem1(in);
  }
}

NoiseProgress NoiseHandshake::State::read_tokens(Bytes& in) {
  for (; !tokens.empty(); tokens = tokens.subspan(1)) {
    if (noise_token_is_dh(tokens.front())) {
      if (const NoiseProgress mixed = mix_dh(); mixed != NoiseProgress::done) return mixed;
    } else if (!read_token(in)) {
      return NoiseProgress::failed;
    }
  }
  return NoiseProgress::done;
}

}  // namespace godwit::crypto
