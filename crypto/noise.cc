// SPDX-License-Identifier: Apache-2.0
#include "crypto/noise.h"

#include <algorithm>
#include <utility>

#include "crypto/noise_state.h"

namespace godwit::crypto {

namespace {

// Takes all messages as far as they go: those that wait for a Diffie-Hellman wait together.
// `advance(i)` goes on with the i-th, and `state(i)` is whose it is.
template <typename State, typename Advance>
void advance_each(std::vector<NoiseProgress>& progress, State state, Advance advance) {
  NoiseDhRound round;
  do {
    round = {};
    for (std::size_t i = 0; i < progress.size(); ++i) {
      if (progress[i] != NoiseProgress::needs_dh) continue;
      progress[i] = advance(i);
      if (progress[i] == NoiseProgress::needs_dh) state(i).ask(round);
    }
    round.run();
  } while (!round.calls.empty());
}

}  // namespace

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

// Makes of one message what it takes for its tokens to be gone through, or says why it cannot.
Result<void> NoiseHandshake::begin_write(Write& write, MutableBytes& rest) {
  State& state = *write.handshake.state_;
  if (!state.my_turn()) {
    return godwit::fail(ErrorCode::invalid, "it is not this side's turn in the handshake");
  }
  const std::size_t whole = state.write_size(write.payload.size());
  if (whole > std::min(write.out.size(), noise_message_size_max)) {
    return godwit::fail(ErrorCode::limit, "the handshake message does not fit");
  }
  rest = write.out.first(whole);
  write.result = whole;
  state.begin_message();
  return {};
}

// Of all that will encapsulate to a key of the peer's.
void NoiseHandshake::hash_keys(std::span<Write> writes) {
  std::vector<State*> states;
  std::vector<const MlKem768::PublicKey*> keys;
  for (const Write& write : writes) {
    State& state = *write.handshake.state_;
    if (!state.re1) continue;
    states.push_back(&state);
    keys.push_back(state.re1.get());
  }
  std::vector<MlKem768::KeyHash> hashes(keys.size());
  MlKem768::hash_each(keys, hashes);
  for (std::size_t i = 0; i < states.size(); ++i) states[i]->re1_hash = hashes[i];
}

void NoiseHandshake::write_each(std::span<Write> writes, RandomSource& random) {
  std::vector<MutableBytes> rest(writes.size());
  std::vector<NoiseProgress> progress(writes.size(), NoiseProgress::needs_dh);
  std::vector<KeyPair*> ephemerals;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    State& state = *writes[i].handshake.state_;
    if (const Result<void> begun = begin_write(writes[i], rest[i]); !begun) {
      writes[i].result = std::unexpected(begun.error());
      progress[i] = NoiseProgress::failed;
    } else if (state.wants_ephemeral()) {
      ephemerals.push_back(&state.e);
      state.has_e = true;
    }
  }
  KeyPair::generate_each(ephemerals, random);
  hash_keys(writes);
  advance_each(
      progress, [&](std::size_t i) -> State& { return *writes[i].handshake.state_; },
      [&](std::size_t i) { return writes[i].handshake.state_->write_tokens(rest[i], random); });
  for (std::size_t i = 0; i < writes.size(); ++i) {
    State& state = *writes[i].handshake.state_;
    if (progress[i] == NoiseProgress::done) {
      state.encrypt_and_hash(writes[i].payload, rest[i]);
      ++state.message;
      continue;
    }
    state.fail();
    if (writes[i].result) {
      writes[i].result = godwit::fail(ErrorCode::malformed, "a key of the peer's is not one");
    }
  }
}

Result<std::size_t> NoiseHandshake::write_message(Bytes payload, MutableBytes out,
                                                  RandomSource& random) {
  Write one{*this, payload, out};
  write_each({&one, 1}, random);
  return one.result;
}

Result<std::size_t> NoiseHandshake::State::read_payload(Bytes sealed, MutableBytes out) {
  if (sealed.size() < overhead()) {
    return godwit::fail(ErrorCode::malformed, "the handshake message ends before its payload");
  }
  const std::size_t size = sealed.size() - overhead();
  if (size > out.size()) {
    return godwit::fail(ErrorCode::limit, "the handshake payload is larger than its buffer");
  }
  if (!decrypt_and_hash(sealed, out.first(size))) {
    return godwit::fail(ErrorCode::malformed, "the handshake message does not open");
  }
  ++message;
  return size;
}

void NoiseHandshake::read_each(std::span<Read> reads) {
  std::vector<Bytes> rest(reads.size());
  std::vector<NoiseProgress> progress(reads.size(), NoiseProgress::needs_dh);
  for (std::size_t i = 0; i < reads.size(); ++i) {
    State& state = *reads[i].handshake.state_;
    if (state.failed || state.finished() || state.my_turn()) {
      reads[i].result =
          godwit::fail(ErrorCode::invalid, "it is not the peer's turn in the handshake");
      progress[i] = NoiseProgress::failed;
    } else if (reads[i].message.size() > noise_message_size_max) {
      progress[i] = NoiseProgress::failed;
    } else {
      rest[i] = reads[i].message;
      state.begin_message();
    }
  }
  advance_each(
      progress, [&](std::size_t i) -> State& { return *reads[i].handshake.state_; },
      [&](std::size_t i) { return reads[i].handshake.state_->read_tokens(rest[i]); });
  for (std::size_t i = 0; i < reads.size(); ++i) {
    State& state = *reads[i].handshake.state_;
    if (progress[i] == NoiseProgress::done) {
      reads[i].result = state.read_payload(rest[i], reads[i].payload_out);
    } else if (reads[i].result) {
      reads[i].result = godwit::fail(ErrorCode::malformed,
                                     "the handshake message is malformed or not for this key");
    }
    if (!reads[i].result) state.fail();
  }
}

Result<std::size_t> NoiseHandshake::read_message(Bytes message, MutableBytes payload_out) {
  Read one{*this, message, payload_out};
  read_each({&one, 1});
  return one.result;
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
