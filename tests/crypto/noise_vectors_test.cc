// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>

#include "crypto/noise.h"
#include "tests/crypto/vectors.h"

// Both sides of every published exchange that is in our suites, with the published keys: each
// handshake and transport message byte for byte, each payload, the handshake hash and both peers'
// keys. The fallback file begins with an IK message for another server key, which the responder
// must fail to read and answer with XXfallback.

namespace godwit::crypto {
namespace {

using testing::unhex;
using testing::unhex_array;
using Json = nlohmann::json;

struct Protocol {
  NoisePattern pattern;
  NoiseSuite suite;
};

std::optional<Protocol> our_protocol(std::string_view name) {
  for (const auto pattern : {NoisePattern::xx, NoisePattern::ik, NoisePattern::xx_fallback}) {
    for (const auto aead : {AeadKind::aes_256_gcm, AeadKind::chacha20_poly1305}) {
      for (const auto hash : {NoiseHash::sha256, NoiseHash::blake2b}) {
        const NoiseSuite suite{aead, hash};
        if (protocol_name(pattern, suite) == name) return Protocol{pattern, suite};
      }
    }
  }
  return std::nullopt;
}

std::optional<KeyPair> key_of(const Json& vector, const char* field) {
  if (!vector.contains(field)) return std::nullopt;
  return KeyPair::from_private(unhex_array<32>(vector[field].get<std::string>()));
}

// One side: its keys, as the vector names them.
struct Side {
  Side(const Json& vector, bool initiator)
      : static_key(key_of(vector, initiator ? "init_static" : "resp_static")),
        ephemeral(key_of(vector, initiator ? "init_ephemeral" : "resp_ephemeral")),
        prologue(unhex(vector[initiator ? "init_prologue" : "resp_prologue"].get<std::string>())) {}

  NoiseHandshake::Options options(NoisePattern pattern, NoiseSuite suite, bool initiator) const {
    return {.pattern = pattern,
            .suite = suite,
            .initiator = initiator,
            .prologue = prologue,
            .local_static = &*static_key,
            .local_ephemeral = ephemeral ? &*ephemeral : nullptr};
  }

  std::optional<KeyPair> static_key;
  std::optional<KeyPair> ephemeral;
  std::vector<std::uint8_t> prologue;
};

class Exchange {
 public:
  Exchange(const Json& vector, Protocol protocol)
      : vector_(vector),
        protocol_(protocol),
        client_side_(vector, true),
        server_side_(vector, false) {}

  void run() {
    const bool fallback = protocol_.pattern == NoisePattern::xx_fallback;
    start(fallback ? NoisePattern::ik : protocol_.pattern);
    std::size_t next = 0;
    if (fallback) {
      fail_first_message();
      ++next;
    }
    for (; !client_->finished() || !server_->finished(); ++next) {
      ASSERT_LT(next, vector_["messages"].size());
      ASSERT_NO_FATAL_FAILURE(handshake_message(next));
    }
    check_peers();
    NoiseResult client = client_->finish();
    NoiseResult server = server_->finish();
    check_hash(client);
    check_hash(server);
    // The side that starts transport is the one that did not send the last handshake message.
    bool from_client = !last_from_client_;
    for (; next < vector_["messages"].size(); ++next, from_client = !from_client) {
      transport_message(next, from_client ? client.send : server.send,
                        from_client ? server.receive : client.receive);
    }
  }

 private:
  void start(NoisePattern pattern) {
    auto options = client_side_.options(pattern, protocol_.suite, true);
    if (pattern == NoisePattern::ik) {
      options.remote_static = unhex_array<32>(vector_["init_remote_static"].get<std::string>());
    }
    client_.emplace(*NoiseHandshake::start(options));
    server_.emplace(*NoiseHandshake::start(server_side_.options(pattern, protocol_.suite, false)));
  }

  Bytes message(std::size_t index, const char* field) {
    bytes_[field] = unhex(vector_["messages"][index][field].get<std::string>());
    return bytes_[field];
  }

  void fail_first_message() {
    std::array<std::uint8_t, 512> out;
    SeededRandom random(1);
    const auto size = client_->write_message(message(0, "payload"), out, random);
    ASSERT_TRUE(size);
    ASSERT_EQ(to_hex(Bytes(out).first(*size)), to_hex(message(0, "ciphertext")));
    ASSERT_FALSE(server_->read_message(Bytes(out).first(*size), out_));
    ASSERT_TRUE(server_->remote_ephemeral());

    auto server = server_side_.options(NoisePattern::xx_fallback, protocol_.suite, true);
    server.remote_ephemeral = server_->remote_ephemeral();
    auto client = client_side_.options(NoisePattern::xx_fallback, protocol_.suite, false);
    client.local_ephemeral = &client_->local_ephemeral();
    NoiseHandshake new_client = *NoiseHandshake::start(client);
    server_.emplace(*NoiseHandshake::start(server));
    client_.emplace(std::move(new_client));
  }

  void handshake_message(std::size_t index) {
    const bool from_client = client_->my_turn();
    ASSERT_NE(from_client, server_->my_turn());
    NoiseHandshake& sender = from_client ? *client_ : *server_;
    NoiseHandshake& receiver = from_client ? *server_ : *client_;
    std::array<std::uint8_t, 512> out;
    SeededRandom random(1);
    const auto size = sender.write_message(message(index, "payload"), out, random);
    ASSERT_TRUE(size) << size.error().message;
    ASSERT_EQ(to_hex(Bytes(out).first(*size)), to_hex(message(index, "ciphertext")));
    const auto read = receiver.read_message(Bytes(out).first(*size), out_);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(to_hex(Bytes(out_).first(*read)), to_hex(message(index, "payload")));
    last_from_client_ = from_client;
  }

  void transport_message(std::size_t index, TransportKey& sender, TransportKey& receiver) {
    const Bytes plain = message(index, "payload");
    std::vector<std::uint8_t> sealed(plain.size() + aead_tag_size);
    ASSERT_TRUE(seal(sender, {}, plain, sealed));
    EXPECT_EQ(to_hex(sealed), to_hex(message(index, "ciphertext")));
    ASSERT_TRUE(open(receiver, {}, sealed, sealed));
    EXPECT_EQ(to_hex(Bytes(sealed).first(plain.size())), to_hex(plain));
  }

  void check_peers() {
    EXPECT_EQ(client_->remote_static(), server_side_.static_key->public_key);
    EXPECT_EQ(server_->remote_static(), client_side_.static_key->public_key);
  }

  void check_hash(const NoiseResult& result) {
    if (!vector_.contains("handshake_hash")) return;
    EXPECT_EQ(to_hex(Bytes(result.handshake_hash).first(result.handshake_hash_size)),
              vector_["handshake_hash"].get<std::string>());
  }

  const Json& vector_;
  Protocol protocol_;
  Side client_side_;
  Side server_side_;
  std::optional<NoiseHandshake> client_;
  std::optional<NoiseHandshake> server_;
  std::map<std::string, std::vector<std::uint8_t>> bytes_;
  std::array<std::uint8_t, 512> out_{};
  bool last_from_client_ = false;
};

struct VectorFile {
  const char* name;
  int expected;
};

class NoiseVectors : public ::testing::TestWithParam<VectorFile> {};

TEST_P(NoiseVectors, EveryExchangeOfOurSuites) {
  GODWIT_VECTORS_OR_SKIP(json, std::string("noise/") + GetParam().name + ".txt");
  int run = 0;
  for (const Json& vector : (*json)["vectors"]) {
    const char* const field = vector.contains("protocol_name") ? "protocol_name" : "name";
    const std::string name = vector[field].get<std::string>();
    const auto protocol = our_protocol(name);
    if (!protocol) continue;
    SCOPED_TRACE(name);
    ASSERT_NO_FATAL_FAILURE(Exchange(vector, *protocol).run());
    ++run;
  }
  EXPECT_EQ(run, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Published, NoiseVectors,
                         ::testing::Values(VectorFile{"cacophony", 8}, VectorFile{"snow", 8},
                                           VectorFile{"noise-c-basic", 8},
                                           VectorFile{"noise-c-fallback", 4}),
                         [](const auto& param) {
                           std::string name = param.param.name;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace godwit::crypto
