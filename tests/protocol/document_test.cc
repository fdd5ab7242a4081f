// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "crypto/aead.h"
#include "crypto/certificate.h"
#include "crypto/signal/device_tag.h"
#include "protocol/dictionary.h"
#include "protocol/frame.h"
#include "protocol/key_nodes.h"
#include "protocol/preamble.h"
#include "protocol/text.h"
#include "tests/protocol/document.h"
#include "tests/protocol/random_stanzas.h"
#include "tests/protocol/rewrite.h"

// docs/protocol.md against the code. Every example of the page is written by the code from the
// values the page names, and read and written back; every stanza type has one; limits, conditions
// and words are the code's.

namespace godwit::protocol {
namespace {

using testing::context;
using testing::own_domain;

const JidView alice{"alice", own_domain, 0};
const JidView alice_1{"alice", own_domain, 1};
const JidView bob{"bob", own_domain, 0};
const JidView bob_2{"bob", own_domain, 2};
constexpr std::uint64_t january_2026_ms = 1'767'225'600'000;

using Writer = std::function<bool(ByteWriter&)>;

std::vector<std::uint8_t> written(const Writer& write) {
  std::vector<std::uint8_t> bytes(2048);
  ByteWriter out(bytes);
  EXPECT_TRUE(write(out) && out.ok());
  bytes.resize(out.size());
  return bytes;
}

bool block_node(ByteWriter& out) {
  NodeWriter node(out, context);
  node.open("block").attribute("xmlns", "urn:xmpp:blocking");
  node.open("item").attribute("jid", bob).close();
  return node.close().ok();
}

bool unblock_node(ByteWriter& out) {
  return NodeWriter(out, context).open("unblock").close().ok();
}

bool list_request_node(ByteWriter& out) {
  return NodeWriter(out, context).open("blocklist").attribute("after", bob).close().ok();
}

bool list_node(ByteWriter& out) {
  NodeWriter node(out, context);
  node.open("blocklist").attribute("more", std::uint32_t{1});
  node.open("item").attribute("jid", bob).close();
  node.open("item").attribute("jid", JidView{"4915112345678", own_domain, 0}).close();
  return node.close().ok();
}

bool bundle_request_node(ByteWriter& out) {
  return write_bundle_question(out, bob_2, context);
}

bool key_count_node(ByteWriter& out) {
  return write_count(
      out, {.generation = 1, .one_time = 99, .kem = 100, .signed_id = 1, .last_resort_id = 1},
      context);
}

bool identity_changed_node(ByteWriter& out) {
  return write_identity_changed(out, bob_2, context);
}

// One value of each form but long text, then bytes in a child.
bool values_node(ByteWriter& out) {
  NodeWriter node(out, context);
  node.open("bundle")
      .attribute("type", "chat")
      .attribute("name", "Ann Lee")
      .attribute("count", std::uint32_t{300})
      .attribute("code", "007")
      .attribute("from", JidView{"4915112345678", own_domain, 3})
      .attribute("to", JidView{"carol", "example.net", 0});
  node.open("hash").bytes(as_bytes("\x01\x02\x03")).close();
  return node.close().ok();
}

const std::map<std::string, Writer>& nodes() {
  static const std::map<std::string, Writer> all{
      {"node block", block_node},         {"node unblock", unblock_node},
      {"node list", list_node},           {"node list-request", list_request_node},
      {"node values", values_node},       {"node bundle-request", bundle_request_node},
      {"node key-count", key_count_node}, {"node identity-changed", identity_changed_node},
  };
  return all;
}

// Whose identity keys are 05 and then 00 01 … 1f, and 05 and then 40 41 … 5f.
std::array<DeviceTag, 2> bobs_devices() {
  std::array<DeviceTag, 2> devices{};
  for (std::uint8_t i = 0; i < 2; ++i) {
    std::vector<std::uint8_t> identity{0x05};
    for (std::uint8_t byte = 0; byte < 32; ++byte) {
      identity.push_back(static_cast<std::uint8_t>(byte + 0x40 * i));
    }
    const auto number = static_cast<std::uint16_t>(i + 2);
    devices[i] = {number, crypto::signal::device_tag(number, identity)};
  }
  return devices;
}

Writer iq(IqType type, std::uint64_t id, const JidView& peer, const Writer& node) {
  return [=](ByteWriter& out) {
    const std::vector<std::uint8_t> element = node ? written(node) : std::vector<std::uint8_t>();
    return write(out, Iq{.type = type, .id = id, .peer = peer, .node = element}, context);
  };
}

Writer message(const Message& message) {
  return [=](ByteWriter& out) { return write(out, message, context); };
}

template <typename Stanza>
Writer stanza(const Stanza& stanza) {
  return [=](ByteWriter& out) { return write(out, stanza); };
}

const std::map<std::string, Writer>& stanzas() {
  const Bytes hi = as_bytes("hi");
  static const std::map<std::string, Writer> all{
      {"login", stanza(Login{.jid = alice_1, .window = 256, .client = "godwit 0.1"})},
      {"register", stanza(Register{.jid = alice, .invite = "k7Qm", .client = "godwit 0.1"})},
      {"registered", stanza(Registered{.device = 1})},
      {"session_ready", stanza(SessionReady{.sequence_base = std::uint64_t{1'767'225'600} << 24,
                                            .backlog = 2,
                                            .server_time_ms = january_2026_ms})},
      {"message from-client", message({.id = 300, .peer = bob, .payload = hi})},
      {"message delivered", message({.id = 300, .peer = alice_1, .payload = hi})},
      {"message delivered-late",
       message({.id = 301, .peer = alice_1, .sequence = 7, .delay_s = 86400, .payload = hi})},
      {"message ephemeral", message({.id = 302, .peer = bob_2, .ephemeral = true, .payload = hi})},
      {"message for-devices",
       message(
           {.id = 303, .peer = bob_2, .device_digest = digest_of(bobs_devices()), .payload = hi})},
      {"presence",
       [](ByteWriter& out) {
         return write(out, Presence{.show = PresenceShow::away, .peer = bob}, context);
       }},
      {"iq block", iq(IqType::set, 5, {}, block_node)},
      {"iq done", iq(IqType::result, 5, {}, {})},
      {"iq unblock", iq(IqType::set, 6, {}, unblock_node)},
      {"iq list", iq(IqType::get, 7, {}, list_request_node)},
      {"iq listed", iq(IqType::result, 7, {}, list_node)},
      {"iq to-device", iq(IqType::get, 8, bob_2, values_node)},
      {"error", stanza(StanzaError{.kind = StanzaType::message,
                                   .id = 301,
                                   .number = 2,
                                   .condition = Condition::item_not_found})},
      {"device_list",
       stanza(
           DeviceList{.number = 4, .count = 2, .devices = {bobs_devices()[0], bobs_devices()[1]}})},
      {"device_list gone", stanza(DeviceList{.number = 4, .gone = true, .count = 0})},
      {"ack from-client", stanza(Ack{.upto = 7})},
      {"ack refusal", stanza(Ack{.upto = 7, .refusal = 2})},
      {"ack from-gateway", stanza(Ack{.upto = 300})},
      {"backlog_end", [](ByteWriter& out) { return write_empty(out, StanzaType::backlog_end); }},
      {"window", stanza(Window{.window = 1024})},
      {"stream_error", stanza(StreamError{.condition = StreamCondition::system_shutdown,
                                          .retry_after_ms = 1500,
                                          .text = "back soon"})},
      {"ping", [](ByteWriter& out) { return write_ping(out, {1}); }},
      {"pong", [](ByteWriter& out) { return write_pong(out, {1}); }},
      {"bye", [](ByteWriter& out) { return write_empty(out, StanzaType::bye); }},
  };
  return all;
}

std::array<std::uint8_t, 32> counting(std::uint8_t first) {
  std::array<std::uint8_t, 32> bytes{};
  for (std::uint8_t& byte : bytes) byte = first++;
  return bytes;
}

// The stanzas ping and bye under the key 00 01 … 1f, as the second frame of its direction.
Writer frame(crypto::AeadKind kind) {
  return [=](ByteWriter& out) {
    const std::array<std::uint8_t, 32> key_bytes = counting(0);
    crypto::TransportKey key{.key = crypto::Secret<32>(key_bytes), .counter = 1, .kind = kind};
    std::vector<std::uint8_t> plain = written(stanzas().at("ping"));
    const std::vector<std::uint8_t> bye = written(stanzas().at("bye"));
    plain.insert(plain.end(), bye.begin(), bye.end());
    std::vector<std::uint8_t> sealed(length_prefix_size + plain.size() + aead_tag_size);
    write_frame_length(sealed, plain.size() + aead_tag_size);
    EXPECT_TRUE(crypto::seal(key, {}, plain, MutableBytes(sealed).subspan(length_prefix_size)));
    EXPECT_EQ(split_frame(sealed, transport_frame_limits).status, SplitStatus::complete);
    out.bytes(sealed);
    return true;
  };
}

bool certificate(ByteWriter& out) {
  const auto key = crypto::OperatorKey::from_seed(counting(0));
  const WallTime from{std::chrono::milliseconds(january_2026_ms)};
  const auto signed_one = crypto::sign_certificate(key, counting(0x40), std::string(own_domain),
                                                   from, from + std::chrono::days(365));
  const std::vector<std::uint8_t> bytes = crypto::encode(signed_one);
  const auto read = crypto::decode_certificate(bytes);
  EXPECT_TRUE(
      read &&
      crypto::verify(*read, {.operator_key = &key.public_key, .name = own_domain, .now = from}));
  out.bytes(bytes);
  return true;
}

Writer preamble(const Preamble& preamble) {
  return [=](ByteWriter& out) {
    const PreambleBytes bytes = encode(preamble);
    EXPECT_EQ(read_preamble(bytes), preamble);
    out.bytes(bytes);
    return true;
  };
}

bool refusal(ByteWriter& out) {
  out.u24(2);
  out.u8(static_cast<std::uint8_t>(HandshakeStatus::refused));
  out.u8(static_cast<std::uint8_t>(StreamCondition::unsupported_version));
  return split_frame(out.written(), handshake_frame_limits).status == SplitStatus::complete;
}

Writer jid(const JidView& jid) {
  return [=](ByteWriter& out) {
    write_jid(out, jid, own_domain);
    ByteReader in(out.written());
    JidScratch scratch;
    EXPECT_EQ(read_jid(in, own_domain, scratch), jid);
    EXPECT_TRUE(in.at_end());
    return true;
  };
}

const std::map<std::string, Writer>& others() {
  static const std::map<std::string, Writer> all{
      {"preamble xx", preamble({HandshakePattern::xx, HandshakeSuite::aesgcm_sha256})},
      {"preamble ik", preamble({HandshakePattern::ik, HandshakeSuite::chachapoly_blake2b})},
      {"preamble xx hybrid", preamble({HandshakePattern::xx_hfs, HandshakeSuite::aesgcm_sha256})},
      {"refusal", refusal},
      {"certificate", certificate},
      {"frame aes-gcm", frame(crypto::AeadKind::aes_256_gcm)},
      {"frame chachapoly", frame(crypto::AeadKind::chacha20_poly1305)},
      {"jid account", jid(alice)},
      {"jid digits", jid({"4915112345678", own_domain, 3})},
      {"jid other-domain", jid({"carol", "example.net", 0})},
      {"varint", [](ByteWriter& out) { return out.varint(300), true; }},
  };
  return all;
}

const testing::Document& document() {
  static const testing::Document page(GODWIT_PROTOCOL_PAGE);
  return page;
}

void expect_all(const std::map<std::string, Writer>& writers) {
  const auto examples = document().examples();
  for (const auto& [name, write] : writers) {
    const std::string expected = to_hex(written(write));
    const auto found = examples.find(name);
    if (found == examples.end()) {
      ADD_FAILURE() << "docs/protocol.md lacks the example '" << name << "': " << expected;
    } else {
      EXPECT_EQ(to_hex(found->second), expected) << name;
    }
  }
}

TEST(ProtocolPage, ExamplesAreWhatTheCodeWrites) {
  expect_all(stanzas());
  expect_all(nodes());
  expect_all(others());
}

TEST(ProtocolPage, NoExampleIsUnknown) {
  for (const auto& [name, bytes] : document().examples()) {
    EXPECT_TRUE(stanzas().contains(name) || nodes().contains(name) || others().contains(name))
        << name;
  }
}

TEST(ProtocolPage, StanzasAreReadAndWrittenBack) {
  for (const auto& [name, bytes] : document().examples()) {
    if (!stanzas().contains(name)) continue;
    Bytes rest = bytes;
    const auto read = next_stanza(rest);
    ASSERT_TRUE(read && rest.empty()) << name;
    const Side side = name == "message for-devices" ? Side::from_client : Side::from_gateway;
    const std::string back = to_hex(written(
        [&](ByteWriter& out) { return testing::rewrite(out, *read, context, side).has_value(); }));
    EXPECT_EQ(back, to_hex(bytes)) << name;
  }
}

TEST(ProtocolPage, NodesAreReadAndWrittenBack) {
  for (const auto& [name, bytes] : document().examples()) {
    if (!nodes().contains(name)) continue;
    const std::string back = to_hex(written(
        [&](ByteWriter& out) { return testing::rewrite_node(out, bytes, context).has_value(); }));
    EXPECT_EQ(back, to_hex(bytes)) << name;
  }
}

TEST(ProtocolPage, EveryStanzaTypeHasAnExample) {
  std::set<unsigned> shown;
  for (const auto& [name, bytes] : document().examples()) {
    if (stanzas().contains(name)) shown.insert(bytes.at(0));
  }
  for (unsigned type = 0; type <= 0xff; ++type) {
    const std::array<std::uint8_t, 2> empty{static_cast<std::uint8_t>(type), 0};
    Bytes frame = empty;
    EXPECT_EQ(next_stanza(frame).has_value(), shown.contains(type)) << type;
  }
}

TEST(ProtocolPage, LimitsAreTheCodes) {
  const std::map<std::string, std::size_t> limits{
      {"frame_ciphertext_size_min", frame_ciphertext_size_min},
      {"frame_ciphertext_size_max", frame_ciphertext_size_max},
      {"handshake_message_size_max", handshake_message_size_max},
      {"hybrid_handshake_message_size_max", hybrid_handshake_message_size_max},
      {"stanza_size_max", stanza_size_max},
      {"control_stanza_size_max", control_stanza_size_max},
      {"payload_size_max", payload_size_max},
      {"presence_status_size_max", presence_status_size_max},
      {"iq_node_size_max", iq_node_size_max},
      {"error_text_size_max", error_text_size_max},
      {"invite_size_max", invite_size_max},
      {"client_version_size_max", client_version_size_max},
      {"jid_user_size_max", jid_user_size_max},
      {"jid_domain_size_max", jid_domain_size_max},
      {"device_max", device_max},
      {"node_depth_max", node_depth_max},
      {"node_attributes_max", node_attributes_max},
      {"node_children_max", node_children_max},
      {"name_size_max", name_size_max},
      {"packed_digits_max", packed_digits_max},
      {"devices_per_account_max", devices_per_account_max},
      {"blocks_per_account_max", blocks_per_account_max},
      {"unacknowledged_max", unacknowledged_max},
      {"delivery_window_max", delivery_window_max},
      {"delivery_window_default", delivery_window_default},
      {"ack_stanzas_max", ack_stanzas_max},
  };
  std::map<std::string, std::size_t> told;
  for (const auto& row : document().table("Limits")) {
    std::string number = row.at(1);
    std::erase(number, ' ');
    if (limits.contains(row.at(0))) told[row.at(0)] = std::stoul(number);
  }
  EXPECT_EQ(told, limits);
}

template <typename Condition>
void expect_conditions(const std::string& heading, Condition last) {
  std::map<unsigned, std::string> told;
  for (const auto& row : document().table(heading)) {
    if (is_digits(row.at(0))) told[static_cast<unsigned>(std::stoul(row.at(0)))] = row.at(1);
  }
  std::map<unsigned, std::string> known;
  for (unsigned i = 1; i <= static_cast<unsigned>(last); ++i) {
    known[i] = to_text(static_cast<Condition>(i));
  }
  EXPECT_EQ(told, known);
}

TEST(ProtocolPage, ConditionsAreTheCodes) {
  expect_conditions("Conditions of a refused stanza", Condition::follows_refused);
  expect_conditions("Conditions of a stream error", StreamCondition::account_removed);
}

// Lines of `place of the first word (2 hex digits) word word …`.
TEST(ProtocolPage, WordsAreTheCodes) {
  std::vector<std::string> words;
  std::istringstream lines(document().block("words"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    std::string word;
    in >> word;
    EXPECT_EQ(std::stoul(word, nullptr, 16), words.size()) << line;
    while (in >> word) words.push_back(word);
  }
  EXPECT_TRUE(std::ranges::equal(words, dictionary));
}

}  // namespace
}  // namespace godwit::protocol
