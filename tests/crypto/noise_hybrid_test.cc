// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <deque>

#include "crypto/cipher.h"
#include "crypto/kem/kem.h"
#include "crypto/noise.h"
#include "tests/crypto/noise_pair.h"
#include "tests/crypto/vectors.h"

// The hybrid handshakes computed a second time, token after token from the primitives, with keys
// and randomness that are known: both sides of NoiseHandshake must write the same bytes and end
// with the same keys, and both computations must give what noise_hybrid_vectors.json holds for
// whoever writes a client. Then what the second half is for: who knows every Curve25519 key, and
// not the secret of ML-KEM, opens nothing.

namespace godwit::crypto {
namespace {

using testing::Message;
using testing::unhex;

// Gives out what it was given, and no more.
class ListedRandom final : public RandomSource {
 public:
  explicit ListedRandom(std::initializer_list<Bytes> parts) {
    for (const Bytes part : parts) bytes_.insert(bytes_.end(), part.begin(), part.end());
  }
  void fill(MutableBytes out) override {
    GODWIT_CHECK(out.size() <= bytes_.size());
    std::copy_n(bytes_.begin(), out.size(), out.begin());
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(out.size()));
  }
  bool used_up() const { return bytes_.empty(); }

 private:
  std::deque<std::uint8_t> bytes_;
};

// What both sides start from: keys of one repeated byte, so that the vectors can be typed.
struct Inputs {
  static KeyPair key(std::uint8_t byte) {
    std::array<std::uint8_t, 32> bytes;
    bytes.fill(byte);
    return KeyPair::from_private(bytes);
  }
  static Message repeated(std::size_t size, std::uint8_t byte) { return Message(size, byte); }

  KeyPair client_s = key(1);
  KeyPair server_s = key(2);
  KeyPair client_e = key(3);
  KeyPair server_e = key(4);
  KeyPair old_server_s = key(9);          // what the client of a fallback still believes in
  Message seed = repeated(64, 5);         // d ‖ z of the pair that e1 comes from
  Message failed_seed = repeated(64, 7);  // of the IK message before a fallback
  Message encapsulation = repeated(32, 6);
  Message certificate = repeated(160, 8);
  Message prologue;
};

// The symmetric state of section 5.2, written for one purpose.
class Recomputed {
 public:
  Recomputed(std::string_view name, NoiseSuite suite) : suite_(suite) {
    h_.assign(as_bytes(name).begin(), as_bytes(name).end());
    if (h_.size() > size()) h_ = digest({h_});
    h_.resize(size());
    ck_ = h_;
  }

  void mix_hash(Bytes data) { h_ = digest({h_, data}); }
  void mix_key(Bytes secret) {
    std::tie(ck_, k_) = expand(secret);
    k_.resize(32);
    n_ = 0;
  }
  void mix_dh(const KeyPair& one, const PublicKey& other) {
    Secret<32> shared;
    ASSERT_TRUE(diffie_hellman(shared, one.private_key, other));
    mix_key(shared.bytes());
  }
  // Appended to `message`.
  void seal(Bytes plain, Message& message) {
    Message sealed(plain.begin(), plain.end());
    if (!k_.empty()) {
      sealed.resize(plain.size() + aead_tag_size);
      cipher_seal(suite_.aead, {key(), nonce(), h_, plain, sealed});
      ++n_;
    }
    mix_hash(sealed);
    message.insert(message.end(), sealed.begin(), sealed.end());
  }
  bool opens(Bytes sealed) {
    Message plain(sealed.size() - aead_tag_size);
    return cipher_open(suite_.aead, {key(), nonce(), h_, sealed, plain});
  }
  std::pair<Message, Message> split() {
    auto keys = expand({});
    keys.first.resize(32);
    keys.second.resize(32);
    return keys;
  }
  const Message& h() const { return h_; }

 private:
  std::size_t size() const { return hash_size(suite_.hash); }
  Message bytes_of(const Digest& digest) const {
    return Message(digest.data(), digest.data() + size());
  }
  Message digest(std::initializer_list<Bytes> parts) const {
    return bytes_of(hash(suite_.hash, parts));
  }
  // Section 4.3, with two outputs.
  std::pair<Message, Message> expand(Bytes input) const {
    const Message temporary = bytes_of(hmac(suite_.hash, ck_, {input}));
    constexpr std::uint8_t one = 1;
    constexpr std::uint8_t two = 2;
    const Message first = bytes_of(hmac(suite_.hash, temporary, {Bytes(&one, 1)}));
    return {first, bytes_of(hmac(suite_.hash, temporary, {first, Bytes(&two, 1)}))};
  }
  Secret<32> key() const { return Secret<32>(std::span<const std::uint8_t, 32>(k_)); }
  AeadNonce nonce() const {
    AeadNonce nonce{};
    nonce[suite_.aead == AeadKind::aes_256_gcm ? 11 : 4] = static_cast<std::uint8_t>(n_);
    return nonce;
  }

  const NoiseSuite suite_;
  Message h_;
  Message ck_;
  Message k_;
  unsigned n_ = 0;
};

MlKem768::KeyPair kem_pair(Bytes seed) {
  return MlKem768::from_seed(Secret<64>(seed.first<64>()));
}
MlKem768::Encapsulation encapsulated(const Inputs& in) {
  const MlKem768::KeyPair pair = kem_pair(in.seed);
  return *MlKem768::encapsulate_with(pair.public_key,
                                     Secret<32>(Bytes(in.encapsulation).first<32>()));
}

struct Expected {
  std::vector<Message> messages;
  Message hash;
  Message from_client;
  Message from_server;
};

void append(Message& message, Bytes bytes) {
  message.insert(message.end(), bytes.begin(), bytes.end());
}

Expected finished(Recomputed& state, std::vector<Message> messages, bool server_first) {
  auto [first, second] = state.split();
  if (server_first) std::swap(first, second);
  return {std::move(messages), state.h(), first, second};
}

// -> e, e1   <- e, ee, ekem1, s, es   -> s, se
Expected recompute_xx(const Inputs& in, NoiseSuite suite, std::string_view name) {
  Recomputed state(name, suite);
  std::vector<Message> messages(3);
  const MlKem768::Encapsulation made = encapsulated(in);
  state.mix_hash(in.prologue);
  append(messages[0], in.client_e.public_key);
  state.mix_hash(in.client_e.public_key);
  state.seal(kem_pair(in.seed).public_key, messages[0]);
  state.seal({}, messages[0]);

  append(messages[1], in.server_e.public_key);
  state.mix_hash(in.server_e.public_key);
  state.mix_dh(in.server_e, in.client_e.public_key);
  state.seal(made.ciphertext, messages[1]);
  state.mix_key(made.shared_secret.bytes());
  state.seal(in.server_s.public_key, messages[1]);
  state.mix_dh(in.server_s, in.client_e.public_key);
  state.seal(in.certificate, messages[1]);

  state.seal(in.client_s.public_key, messages[2]);
  state.mix_dh(in.client_s, in.server_e.public_key);
  state.seal({}, messages[2]);
  return finished(state, messages, false);
}

// <- s   -> e, es, e1, s, ss
Message first_of_ik(Recomputed& state, const Inputs& in, const KeyPair& server, Bytes seed) {
  Message message;
  state.mix_hash(in.prologue);
  state.mix_hash(server.public_key);
  append(message, in.client_e.public_key);
  state.mix_hash(in.client_e.public_key);
  state.mix_dh(in.client_e, server.public_key);
  state.seal(kem_pair(seed).public_key, message);
  state.seal(in.client_s.public_key, message);
  state.mix_dh(in.client_s, server.public_key);
  state.seal({}, message);
  return message;
}

// ... <- e, ee, ekem1, se
Expected recompute_ik(const Inputs& in, NoiseSuite suite, std::string_view name) {
  Recomputed state(name, suite);
  std::vector<Message> messages{first_of_ik(state, in, in.server_s, in.seed), {}};
  const MlKem768::Encapsulation made = encapsulated(in);
  append(messages[1], in.server_e.public_key);
  state.mix_hash(in.server_e.public_key);
  state.mix_dh(in.server_e, in.client_e.public_key);
  state.seal(made.ciphertext, messages[1]);
  state.mix_key(made.shared_secret.bytes());
  state.mix_dh(in.server_e, in.client_s.public_key);
  state.seal(in.certificate, messages[1]);
  return finished(state, messages, false);
}

// IK's first message for the old key, and then -> e   <- e, ee, e1, s, es   -> ekem1, s, se
Expected recompute_fallback(const Inputs& in, NoiseSuite suite, std::string_view name) {
  Recomputed failed("Noise_IKhfs_" + std::string(name.substr(name.find("25519"))), suite);
  std::vector<Message> messages{first_of_ik(failed, in, in.old_server_s, in.failed_seed), {}, {}};
  Recomputed state(name, suite);
  const MlKem768::Encapsulation made = encapsulated(in);
  state.mix_hash(in.prologue);
  state.mix_hash(in.client_e.public_key);
  append(messages[1], in.server_e.public_key);
  state.mix_hash(in.server_e.public_key);
  state.mix_dh(in.server_e, in.client_e.public_key);
  state.seal(kem_pair(in.seed).public_key, messages[1]);
  state.seal(in.server_s.public_key, messages[1]);
  state.mix_dh(in.server_s, in.client_e.public_key);
  state.seal(in.certificate, messages[1]);

  state.seal(made.ciphertext, messages[2]);
  state.mix_key(made.shared_secret.bytes());
  state.seal(in.client_s.public_key, messages[2]);
  state.mix_dh(in.client_s, in.server_e.public_key);
  state.seal({}, messages[2]);
  return finished(state, messages, true);
}

struct Case {
  const char* name;
  NoisePattern pattern;
  NoiseSuite suite;
  std::uint8_t preamble;
  Expected (*recompute)(const Inputs&, NoiseSuite, std::string_view);
};
constexpr Case cases[] = {
    {"Noise_XXhfs_25519+ML-KEM-768_AESGCM_SHA256",
     NoisePattern::xx_hfs,
     {AeadKind::aes_256_gcm, NoiseHash::sha256},
     0x31,
     recompute_xx},
    {"Noise_IKhfs_25519+ML-KEM-768_ChaChaPoly_BLAKE2b",
     NoisePattern::ik_hfs,
     {AeadKind::chacha20_poly1305, NoiseHash::blake2b},
     0x42,
     recompute_ik},
    {"Noise_XXfallback+hfs_25519+ML-KEM-768_ChaChaPoly_SHA256",
     NoisePattern::xx_fallback_hfs,
     {AeadKind::chacha20_poly1305, NoiseHash::sha256},
     0x43,
     recompute_fallback},
};

Inputs inputs_of(const Case& each) {
  Inputs in;
  in.prologue = {'G', 'W', 1, each.preamble};
  return in;
}

// Both sides, and what they have written.
struct Exchanged {
  explicit Exchanged(const Case& each)
      : in(inputs_of(each)),
        fallback(is_fallback(each.pattern)),
        client_random{fallback ? in.failed_seed : in.seed},
        server_random{in.encapsulation} {
    NoiseHandshake::Options client{.pattern = fallback ? NoisePattern::ik_hfs : each.pattern,
                                   .suite = each.suite,
                                   .initiator = true,
                                   .prologue = in.prologue,
                                   .local_static = &in.client_s,
                                   .local_ephemeral = &in.client_e};
    NoiseHandshake::Options server = client;
    server.initiator = false;
    server.local_static = &in.server_s;
    server.local_ephemeral = &in.server_e;
    if (is_ik(client.pattern)) {
      client.remote_static = fallback ? in.old_server_s.public_key : in.server_s.public_key;
    }
    client_side.emplace(*NoiseHandshake::start(client));
    server_side.emplace(*NoiseHandshake::start(server));
    if (fallback) fall_back(client, server);
    while (!client_side->finished() || !server_side->finished()) step();
  }

  void fall_back(NoiseHandshake::Options client, NoiseHandshake::Options server) {
    messages.push_back(testing::write(*client_side, client_random));
    ASSERT_FALSE(testing::read(*server_side, messages[0]));
    ASSERT_EQ(server_side->remote_ephemeral(), in.client_e.public_key);
    client.pattern = server.pattern = NoisePattern::xx_fallback_hfs;
    std::swap(client.initiator, server.initiator);
    server.remote_ephemeral = in.client_e.public_key;
    client_side.emplace(*NoiseHandshake::start(client));
    server_side.emplace(*NoiseHandshake::start(server));
    // Here the server makes the pair, and the client the ciphertext.
    server_random = ListedRandom{in.seed};
    client_random = ListedRandom{in.encapsulation};
  }
  void step() {
    const bool from_client = client_side->my_turn();
    messages.push_back(from_client ? testing::write(*client_side, client_random)
                                   : testing::write(*server_side, server_random, in.certificate));
    const auto payload = testing::read(from_client ? *server_side : *client_side, messages.back());
    ASSERT_TRUE(payload) << payload.error().message;
    EXPECT_EQ(*payload, from_client ? Message{} : in.certificate);
  }

  Inputs in;
  bool fallback;
  ListedRandom client_random;
  ListedRandom server_random;
  std::optional<NoiseHandshake> client_side;
  std::optional<NoiseHandshake> server_side;
  std::vector<Message> messages;
};

TEST(NoiseHybrid, BothSidesWriteWhatTheSpecificationSays) {
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    ASSERT_EQ(protocol_name(each.pattern, each.suite), each.name);
    Exchanged run(each);
    ASSERT_FALSE(HasFailure());
    const Expected expected = each.recompute(run.in, each.suite, each.name);
    ASSERT_EQ(run.messages.size(), expected.messages.size());
    for (std::size_t i = 0; i < expected.messages.size(); ++i) {
      EXPECT_EQ(to_hex(run.messages[i]), to_hex(expected.messages[i])) << "message " << i + 1;
    }
    EXPECT_TRUE(run.client_random.used_up() && run.server_random.used_up());
    const NoiseResult client = run.client_side->finish();
    const NoiseResult server = run.server_side->finish();
    for (const NoiseResult* side : {&client, &server}) {
      EXPECT_EQ(to_hex(Bytes(side->handshake_hash).first(side->handshake_hash_size)),
                to_hex(expected.hash));
    }
    EXPECT_EQ(to_hex(client.send.key.bytes()), to_hex(expected.from_client));
    EXPECT_EQ(to_hex(client.receive.key.bytes()), to_hex(expected.from_server));
    EXPECT_EQ(to_hex(server.receive.key.bytes()), to_hex(expected.from_client));
    EXPECT_EQ(to_hex(server.send.key.bytes()), to_hex(expected.from_server));
  }
}

// The file is what a client in another language is tested with; see docs/protocol.md.
TEST(NoiseHybrid, TheVectorsAreTheseBytes) {
  std::ifstream file(GODWIT_HYBRID_VECTORS);
  const auto json = nlohmann::json::parse(file, nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  ASSERT_EQ(json.size(), std::size(cases));
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    SCOPED_TRACE(cases[i].name);
    const auto& vector = json[i];
    const Inputs in = inputs_of(cases[i]);
    const auto text = [&](const char* field) { return vector.at(field).get<std::string>(); };
    EXPECT_EQ(text("name"), cases[i].name);
    EXPECT_EQ(text("prologue"), to_hex(in.prologue));
    EXPECT_EQ(text("client_static"), to_hex(in.client_s.private_key.bytes()));
    EXPECT_EQ(text("server_static"), to_hex(in.server_s.private_key.bytes()));
    EXPECT_EQ(text("client_ephemeral"), to_hex(in.client_e.private_key.bytes()));
    EXPECT_EQ(text("server_ephemeral"), to_hex(in.server_e.private_key.bytes()));
    EXPECT_EQ(text("kem_seed"), to_hex(in.seed));
    EXPECT_EQ(text("kem_encapsulation"), to_hex(in.encapsulation));
    EXPECT_EQ(text("certificate"), to_hex(in.certificate));
    const Expected expected = cases[i].recompute(in, cases[i].suite, cases[i].name);
    std::vector<std::string> messages;
    for (const Message& message : expected.messages) messages.push_back(to_hex(message));
    EXPECT_EQ(vector.at("messages").get<std::vector<std::string>>(), messages);
    EXPECT_EQ(text("handshake_hash"), to_hex(expected.hash));
    EXPECT_EQ(text("key_from_client"), to_hex(expected.from_client));
    EXPECT_EQ(text("key_from_server"), to_hex(expected.from_server));
  }
}

// Everything of Curve25519 is broken: all private keys are known. Up to ekem1 that opens all; what
// comes behind it stays closed, and with it the certificate, who the client is, and every frame.
TEST(NoiseHybrid, WhoKnowsEveryCurveKeyOpensNothingBehindTheCiphertext) {
  const Case& each = cases[0];
  const Inputs in = inputs_of(each);
  const Expected true_one = each.recompute(in, each.suite, each.name);
  const Bytes second = true_one.messages[1];
  const auto up_to_ekem1 = [&] {
    Recomputed state(each.name, each.suite);
    Message scratch;
    state.mix_hash(in.prologue);
    state.mix_hash(in.client_e.public_key);
    state.seal(Bytes(true_one.messages[0]).subspan(32), scratch);
    state.seal({}, scratch);
    state.mix_hash(in.server_e.public_key);
    state.mix_dh(in.client_e, in.server_e.public_key);
    return state;
  };
  Recomputed state = up_to_ekem1();
  EXPECT_TRUE(state.opens(second.subspan(32, 1104)));
  const MlKem768::Encapsulation made = encapsulated(in);
  Message scratch;
  state.seal(made.ciphertext, scratch);
  Recomputed with_secret = state;
  with_secret.mix_key(made.shared_secret.bytes());
  EXPECT_TRUE(with_secret.opens(second.subspan(32 + 1104, 48)));
  for (const KeyPair* one : {&in.client_e, &in.client_s}) {
    Recomputed without = state;
    EXPECT_FALSE(without.opens(second.subspan(32 + 1104, 48)));
    without.mix_dh(*one, in.server_s.public_key);
    EXPECT_FALSE(without.opens(second.subspan(32 + 1104, 48)));
  }
}

// Whoever stands between with an encapsulation key of their own is noticed, although they can read
// the ciphertext that comes back.
TEST(NoiseHybrid, AnotherEncapsulationKeyIsNoticed) {
  testing::NoiseKeys keys(31);
  testing::NoisePair pair(keys, NoisePattern::xx_hfs, cases[0].suite);
  Message first = testing::write(pair.client, keys.random);
  const MlKem768::KeyPair other = MlKem768::generate(keys.random);
  std::ranges::copy(other.public_key, first.begin() + 32);
  ASSERT_TRUE(testing::read(pair.server, first));
  EXPECT_FALSE(testing::read(pair.client, testing::write(pair.server, keys.random)));
}

// The ciphertext of another handshake does not fit into this one.
TEST(NoiseHybrid, ASwappedCiphertextIsNoticed) {
  testing::NoiseKeys keys(32);
  for (const NoisePattern pattern : testing::hybrid_patterns) {
    testing::NoisePair pair(keys, pattern, cases[0].suite);
    testing::NoisePair other(keys, pattern, cases[0].suite);
    pair.step();
    other.step();
    Message message = testing::write(pair.sender(), keys.random);
    const Message foreign = testing::write(other.sender(), keys.random);
    const std::size_t at = is_fallback(pattern) ? 0 : 32;
    std::copy_n(foreign.begin() + static_cast<std::ptrdiff_t>(at), 1104,
                message.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_FALSE(testing::read(is_fallback(pattern) ? pair.server : pair.client, message));
  }
}

// Two handshakes that share every Curve25519 key, and nothing else: other keys come out.
TEST(NoiseHybrid, TheSecretOfMlKemIsInTheKeys) {
  Inputs in = inputs_of(cases[0]);
  const Expected one = cases[0].recompute(in, cases[0].suite, cases[0].name);
  in.encapsulation[0] ^= 1;
  const Expected other = cases[0].recompute(in, cases[0].suite, cases[0].name);
  EXPECT_EQ(one.messages[0], other.messages[0]);
  EXPECT_NE(one.from_client, other.from_client);
  EXPECT_NE(one.from_server, other.from_server);
}

}  // namespace
}  // namespace godwit::crypto
