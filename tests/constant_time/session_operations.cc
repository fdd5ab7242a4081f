// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "crypto/signal/session_ratchet.h"
#include "tests/constant_time/operations.h"

namespace godwit::constant_time {
namespace {

using namespace crypto;
using namespace crypto::signal;

// Alice opens a session with Bob. All private keys are hidden, and the texts.
struct Pair {
  HiddenRandom random;
  KeyPair alices_identity = KeyPair::generate(random);
  KeyPair bobs_identity = KeyPair::generate(random);
  KeyPair signed_prekey = KeyPair::generate(random);
  KeyPair one_time = KeyPair::generate(random);
  Secret<64> kyber_seed;
  ProtocolAddress alices_address{"alice@example.org", 1};
  ProtocolAddress bobs_address{"bob@example.org", 1};
  SecretBytes text = secret_copy(as_bytes("forty bytes of text that nobody may see."));

  Pair() {
    random.fill(kyber_seed.writable());
    hide(text);
  }

  ResponderKeys bobs_keys() const { return {bobs_identity, signed_prekey, &one_time, kyber_seed}; }

  PreKeyBundle bundle() const {
    PreKeyBundle bundle;
    bundle.identity_key = bobs_identity.public_key;
    bundle.one_time = {1, one_time.public_key};
    bundle.signed_key = signed_prekey.public_key;
    bundle.kyber_key = Kyber1024::from_seed(kyber_seed).public_key;
    return bundle;
  }
};

void agree() {
  Pair pair;
  const KeyPair base = KeyPair::generate(pair.random);
  const auto begun = pqxdh_initiate(pair.alices_identity, base, pair.bundle(), pair.random);
  GODWIT_CHECK(begun);
  const auto answered =
      pqxdh_respond(pair.bobs_keys(), {pair.alices_identity.public_key, base.public_key,
                                       Kyber1024::CiphertextView(begun->kyber_ciphertext)});
  GODWIT_CHECK(answered);
  // That all of it was hidden: only now may it be looked at.
  const signal::Agreement& agreement = begun->agreement;
  for (const Secret<32>* secret : {&agreement.root, &agreement.chain, &agreement.pq,
                                   &answered->root, &answered->chain, &answered->pq}) {
    reveal(secret->bytes());
  }
  GODWIT_CHECK(agreement.root.equals(answered->root) && agreement.chain.equals(answered->chain) &&
               agreement.pq.equals(answered->pq));
}

struct Session : Pair {
  SessionState alice = begin_as_alice(alices_identity, bundle(), WallTime{}, random).value();
  SessionState bob = answer();

  SessionState answer() {
    const std::vector<std::uint8_t> first = send(alice);
    const auto prekey = PreKeySignalMessage::parse(first);
    GODWIT_CHECK(prekey);
    const auto agreement =
        pqxdh_respond(bobs_keys(), {prekey->identity_key, prekey->base_key,
                                    Kyber1024::CiphertextView(prekey->kyber_ciphertext)});
    GODWIT_CHECK(agreement);
    SessionState state = begin_as_bob(bobs_keys(), *prekey, *agreement);
    GODWIT_CHECK(read(state, prekey->message));
    return state;
  }

  // What goes over the wire may be looked at.
  std::vector<std::uint8_t> send(SessionState& from) {
    auto message = ratchet_encrypt(from, text, random);
    GODWIT_CHECK(message);
    reveal(message->bytes);
    return std::move(message->bytes);
  }

  bool read(SessionState& to, Bytes bytes) {
    const auto message = SignalMessage::parse(bytes);
    GODWIT_CHECK(message);
    const auto plaintext = ratchet_decrypt(to, {*message, {alices_address, bobs_address}}, random);
    if (!plaintext) return false;
    SecretBytes seen = *plaintext;
    reveal(seen);
    SecretBytes expected = text;
    reveal(expected);
    GODWIT_CHECK(seen == expected);
    return true;
  }
};

// New ratchet keys both ways, and messages that come late.
void talk() {
  Session session;
  for (int i = 0; i < 3; ++i) {
    GODWIT_CHECK(session.read(session.alice, session.send(session.bob)));
    const auto late = session.send(session.alice);
    GODWIT_CHECK(session.read(session.bob, session.send(session.alice)));
    GODWIT_CHECK(session.read(session.bob, late));
  }
}

// A message with a wrong MAC, of a chain that is known and of one that is not.
void refuse() {
  Session session;
  for (int i = 0; i < 2; ++i) {
    auto message = session.send(session.bob);
    message.back() ^= 1;
    GODWIT_CHECK(!session.read(session.alice, message));
    message.back() ^= 1;
    message[message.size() / 2] ^= 1;
    GODWIT_CHECK(!session.read(session.alice, message));
    message[message.size() / 2] ^= 1;
    GODWIT_CHECK(session.read(session.alice, message));
  }
}

void store() {
  Session session;
  (void)session.send(session.alice);  // one that is skipped
  GODWIT_CHECK(
      session.read(session.bob, PreKeySignalMessage::parse(session.send(session.alice))->message));
  auto read = SessionState::read(session.bob.write());
  GODWIT_CHECK(read);
  session.bob = read->copy();
  GODWIT_CHECK(session.read(session.alice, session.send(session.bob)));
}

constexpr std::array operations = {
    Operation{"pqxdh_agree", agree},
    Operation{"session_talk", talk},
    Operation{"session_refuse", refuse},
    Operation{"session_store", store},
};

}  // namespace

std::span<const Operation> session_operations() {
  return operations;
}

}  // namespace godwit::constant_time
