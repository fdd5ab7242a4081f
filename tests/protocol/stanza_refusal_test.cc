// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "protocol/stanza.h"
#include "tests/protocol/random_stanzas.h"
#include "tests/protocol/rewrite.h"

// What readers and writers of stanzas refuse: limits at, below and above, values outside their
// ranges, forms that are not the one, and everything cut short or with something behind.

namespace godwit::protocol {
namespace {

using testing::context;

const JidView alice_1{"alice", testing::own_domain, 1};
const JidView bob{"bob", testing::own_domain, 0};

template <typename... Stanza>
bool writes(const Stanza&... stanza) {
  std::vector<std::uint8_t> bytes(stanza_size_max + 100);
  ByteWriter out(bytes);
  const bool written = write(out, stanza...);
  EXPECT_EQ(written, out.size() > 0);  // nothing is left of what was refused
  if (written) {
    std::vector<std::uint8_t> back(bytes.size());
    ByteWriter again(back);
    EXPECT_TRUE(testing::rewrite(again, testing::only_stanza(out), context, Side::from_gateway));
    EXPECT_TRUE(std::ranges::equal(again.written(), out.written()));
  }
  return written;
}

// The whole stanza, in hexadecimal; the error, or nothing when it was read.
std::optional<ParseError> fault(std::string_view hex, Side side = Side::from_gateway) {
  const auto bytes = from_hex(hex).value();
  Bytes rest = bytes;
  const auto stanza = next_stanza(rest);
  if (!stanza) return stanza.error();
  EXPECT_TRUE(rest.empty()) << hex;
  std::vector<std::uint8_t> back(bytes.size());
  ByteWriter out(back);
  const auto read = testing::rewrite(out, *stanza, context, side);
  if (!read) return read.error();
  EXPECT_EQ(to_hex(out.written()), hex);
  return std::nullopt;
}

std::string hex_of(std::size_t size) {
  std::string hex;
  for (std::size_t i = 0; i < size; ++i) hex += "61";
  return hex;
}

std::string stanza_of(std::uint8_t type, const std::string& content_hex) {
  std::vector<std::uint8_t> head(11);
  ByteWriter out(head);
  out.u8(type);
  out.varint(content_hex.size() / 2);
  return to_hex(out.written()) + content_hex;
}

void expect_malformed(std::initializer_list<const char*> stanzas) {
  for (const char* hex : stanzas) EXPECT_EQ(fault(hex), ParseError::malformed) << hex;
}

TEST(StanzaHead, UnknownTypes) {
  for (const char* hex : {"0000", "0700", "1200", "8000", "ff00"}) {
    EXPECT_EQ(fault(hex), ParseError::unknown_type) << hex;
  }
}

TEST(StanzaHead, Lengths) {
  EXPECT_EQ(fault("0f"), ParseError::truncated);
  EXPECT_EQ(fault("0f80"), ParseError::truncated);
  EXPECT_EQ(fault("0f01"), ParseError::truncated);
  EXPECT_EQ(fault("0f8100"
                  "01"),
            ParseError::malformed);  // longer than needed
  EXPECT_EQ(fault("0fffffffffffffffffff02"), ParseError::malformed);
  EXPECT_EQ(fault("0fffffffffffffffffff01"), ParseError::too_large);
  EXPECT_EQ(fault("0c0100"), ParseError::malformed);  // backlog_end has no content
  EXPECT_EQ(fault("110100"), ParseError::malformed);  // nor has bye
}

// The content a control stanza may have: 8 192 less type and the longest length.
TEST(StanzaHead, SizesAtAndAboveTheLimit) {
  const std::size_t control = control_stanza_size_max - 4;
  const std::size_t message = stanza_size_max - 4;
  for (const auto& [type, limit] : {std::pair{0x0f, control}, std::pair{0x01, message}}) {
    std::vector<std::uint8_t> bytes(limit + 5);
    for (const std::size_t size : {limit - 1, limit, limit + 1}) {
      ByteWriter out(bytes);
      out.u8(static_cast<std::uint8_t>(type));
      out.varint(size);
      out.bytes(std::vector<std::uint8_t>(size));
      Bytes frame = out.written();
      const auto stanza = next_stanza(frame);
      EXPECT_EQ(stanza.has_value(), size <= limit) << size;
      if (!stanza) {
        EXPECT_EQ(stanza.error(), ParseError::too_large);
      }
    }
  }
}

TEST(StanzaMessage, PayloadAtBelowAndAboveTheLimit) {
  for (const std::size_t size :
       {std::size_t{0}, payload_size_max - 1, payload_size_max, payload_size_max + 1}) {
    const std::vector<std::uint8_t> payload(size, 0x5a);
    EXPECT_EQ(writes(Message{.id = 1, .peer = bob, .payload = payload}, context),
              size <= payload_size_max)
        << size;
    std::vector<std::uint8_t> body(size + 400);
    ByteWriter out(body);
    EXPECT_EQ(write_message_body(out, {.id = 1, .peer = bob, .payload = payload}, context),
              size <= payload_size_max);
  }
  EXPECT_EQ(fault(stanza_of(1,
                            "0101"
                            "02626f6200" +
                                hex_of(payload_size_max + 1))),
            ParseError::too_large);
}

// The longest payload under the longest head fits a stanza, and that a frame.
TEST(StanzaMessage, TheLargestFits) {
  std::string domain;
  while (domain.size() < 250) domain += "bcde.";
  domain += "net";
  const std::string user(jid_user_size_max, 'a');
  const std::vector<std::uint8_t> payload(payload_size_max);
  EXPECT_TRUE(writes(Message{.id = UINT64_MAX,
                             .peer = {user, domain, device_max},
                             .ephemeral = true,
                             .sequence = UINT64_MAX,
                             .delay_s = UINT32_MAX,
                             .payload = payload},
                     context));
}

TEST(StanzaMessage, ValuesOutsideTheirRange) {
  EXPECT_FALSE(writes(Message{.id = 0, .peer = bob}, context));
  EXPECT_FALSE(writes(Message{.id = 1, .peer = {}}, context));
  EXPECT_FALSE(writes(Message{.id = 1, .peer = {"Bob", testing::own_domain, 0}}, context));
  EXPECT_FALSE(writes(Message{.type = MessageType{4}, .id = 1, .peer = bob}, context));
  EXPECT_FALSE(
      fault("0107"
            "0101"
            "02626f6200"));
  expect_malformed(
      {"0107"
       "0100"
       "02626f6200",  // id 0
       "0107"
       "2101"
       "02626f6200",  // a flag there is none of
       "0107"
       "8101"
       "02626f6200",  // another
       "0108"
       "090001"
       "02626f6200",  // sequence 0
       "0108"
       "110001"
       "02626f6200",  // delay 0
       "010c"
       "11808080801001"
       "02626f6200",  // a delay of 2^32
       "0108"
       "018100"
       "02626f6200",                  // id 1 in two bytes
       "0100", "010101", "01020101",  // cut short
       "0106"
       "0101"
       "02626f62"});
}

TEST(StanzaMessage, WhatOnlyTheGatewaySays) {
  EXPECT_FALSE(
      fault("0108"
            "090501"
            "02626f6200"));
  EXPECT_FALSE(
      fault("0108"
            "110501"
            "02626f6200"));
  EXPECT_EQ(fault("0108"
                  "090501"
                  "02626f6200",
                  Side::from_client),
            ParseError::malformed);
  EXPECT_EQ(fault("0108"
                  "110501"
                  "02626f6200",
                  Side::from_client),
            ParseError::malformed);
}

TEST(StanzaPresence, Ranges) {
  for (std::uint8_t type = 0; type < 4; ++type) {
    for (std::uint8_t show = 0; show < 8; ++show) {
      const bool right = type <= 2 && show <= 4 && (type == 0 || show == 0);
      EXPECT_EQ(writes(Presence{.type = PresenceType{type}, .show = PresenceShow{show}}, context),
                right);
      const auto flags = static_cast<std::uint8_t>(type | show << 2);
      EXPECT_EQ(fault("0201" + to_hex(std::array{flags})),
                right ? std::nullopt : std::optional(ParseError::malformed));
    }
  }
  expect_malformed({"0200", "020140", "020180", "020120",
                    "020420"
                    "02626f"});
  for (const std::size_t size :
       {presence_status_size_max - 1, presence_status_size_max, presence_status_size_max + 1}) {
    const std::vector<std::uint8_t> status(size, 0xff);
    EXPECT_EQ(writes(Presence{.status = status}, context), size <= presence_status_size_max);
    EXPECT_EQ(fault(stanza_of(2, "00" + hex_of(size))), size <= presence_status_size_max
                                                            ? std::nullopt
                                                            : std::optional(ParseError::too_large));
  }
}

TEST(StanzaIq, Ranges) {
  EXPECT_FALSE(writes(Iq{.id = 0}, context));
  EXPECT_FALSE(writes(Iq{.type = IqType{4}, .id = 1}, context));
  const std::array<std::uint8_t, 2> broken{0x4b, 0x03};
  EXPECT_FALSE(writes(Iq{.id = 1, .node = broken}, context));
  EXPECT_FALSE(fault("03020001"));
  expect_malformed({"03020000", "03020801", "03028001", "0300", "030100",
                    "030404"
                    "01"
                    "0262",
                    "03040001"
                    "4b03",
                    "03050001"
                    "4b0000"});
}

TEST(StanzaError, Ranges) {
  const StanzaError right{.id = 1, .number = 1, .text = "a"};
  EXPECT_TRUE(writes(right));
  for (std::uint8_t kind = 0; kind < 0x20; ++kind) {
    for (const std::uint64_t id : {0, 1}) {
      StanzaError error = right;
      error.kind = StanzaType{kind};
      error.id = id;
      const bool can =
          error.kind == StanzaType::presence
              ? id == 0
              : (error.kind == StanzaType::message || error.kind == StanzaType::iq) && id != 0;
      EXPECT_EQ(writes(error), can) << +kind;
      const std::array<std::uint8_t, 4> content{kind, 1, static_cast<std::uint8_t>(id), 1};
      EXPECT_EQ(fault(stanza_of(4, to_hex(content))),
                can ? std::nullopt : std::optional(ParseError::malformed));
    }
  }
  for (const std::uint8_t condition : {0, 17, 255}) {
    StanzaError error = right;
    error.condition = Condition{condition};
    EXPECT_FALSE(writes(error));
    EXPECT_EQ(fault("0404"
                    "01" +
                    to_hex(std::array{condition}) + "0101"),
              ParseError::malformed);
  }
  EXPECT_FALSE(writes(StanzaError{.id = 1, .number = 0}));
  expect_malformed(
      {"0404"
       "01010100",
       "0408"
       "0101"
       "01"
       "8080808010",
       "0405"
       "01010101"
       "01",
       "0405"
       "01010101"
       "ff",
       "0403"
       "010101"});
  for (const std::size_t size :
       {error_text_size_max - 1, error_text_size_max, error_text_size_max + 1}) {
    StanzaError error = right;
    const std::string text(size, 'a');
    error.text = text;
    EXPECT_EQ(writes(error), size <= error_text_size_max);
    EXPECT_EQ(fault(stanza_of(4, "01010101" + hex_of(size))).has_value(),
              size > error_text_size_max);
  }
}

TEST(StanzaAck, Forms) {
  EXPECT_FALSE(fault("050100"));
  EXPECT_FALSE(fault("05020001"));
  EXPECT_FALSE(
      fault("050a"
            "ffffffffffffffffff01"));
  expect_malformed({"0500", "05020000",
                    "0506"
                    "00"
                    "8080808010",
                    "0503"
                    "000101",
                    "05028000",
                    "050a"
                    "ffffffffffffffffff02"});
}

TEST(StanzaLogin, Ranges) {
  const Login right{.jid = alice_1, .window = 1};
  EXPECT_TRUE(writes(right));
  for (const std::uint32_t window : {0u, 1u, delivery_window_max - 1, delivery_window_max,
                                     delivery_window_max + 1, UINT32_MAX}) {
    Login login = right;
    login.window = window;
    const bool can = window >= 1 && window <= delivery_window_max;
    EXPECT_EQ(writes(login), can) << window;
    EXPECT_EQ(writes(Window{window}), can) << window;
  }
  for (const std::size_t size :
       {client_version_size_max - 1, client_version_size_max, client_version_size_max + 1}) {
    Login login = right;
    const std::string client(size, 'a');
    login.client = client;
    EXPECT_EQ(writes(login), size <= client_version_size_max);
    EXPECT_EQ(fault(stanza_of(8,
                              "40610161"
                              "010001" +
                                  hex_of(size)))
                  .has_value(),
              size > client_version_size_max);
  }
  EXPECT_FALSE(writes(Login{.jid = bob}));
  EXPECT_FALSE(writes(Login{.jid = alice_1, .client = "ä"}));
  EXPECT_FALSE(
      fault("0807"
            "40610161"
            "010001"));
  expect_malformed(
      {"0807"
       "40610161"
       "000001",  // the account
       "0807"
       "40610161"
       "010000",  // window 0
       "0808"
       "40610161"
       "01008108",  // window 1025
       "0805"
       "0061"
       "010001",  // of the own domain: there is none yet
       "0808"
       "40610161"
       "010001"
       "7f",  // a control character
       "0808"
       "40610161"
       "010001"
       "80",  // no ASCII
       "0806"
       "40610161"
       "0100",
       "0800"});
  expect_malformed({"0d0100", "0d028108", "0d00", "0d020100",
                    "0d05"
                    "8180808010"});
}

TEST(StanzaRegister, Ranges) {
  EXPECT_FALSE(writes(Register{.jid = alice_1}));
  for (const std::size_t size :
       {std::size_t{0}, invite_size_max - 1, invite_size_max, invite_size_max + 1}) {
    const std::string invite(size, 'i');
    EXPECT_EQ(writes(Register{.jid = bob, .invite = invite}), size <= invite_size_max) << size;
    const std::array<std::uint8_t, 1> count{static_cast<std::uint8_t>(size)};
    EXPECT_EQ(fault(stanza_of(9, "4061016100" + to_hex(count) + hex_of(size))).has_value(),
              size > invite_size_max);
  }
  // The longest of all parts at once.
  std::string domain;
  while (domain.size() < 250) domain += "bcde.";
  domain += "net";
  const std::string user(jid_user_size_max, 'a');
  const std::string invite(invite_size_max, 'i');
  const std::string client(client_version_size_max, 'c');
  EXPECT_TRUE(writes(Register{.jid = {user, domain, 0}, .invite = invite, .client = client}));
  EXPECT_FALSE(
      fault("0906"
            "4061016100"
            "00"));
  expect_malformed(
      {"0906"
       "4061016101"
       "00",
       "0905"
       "4061016100",
       "0906"
       "4061016100"
       "01",
       "0907"
       "4061016100"
       "01"
       "0a"});
}

TEST(StanzaRest, Ranges) {
  EXPECT_FALSE(writes(Registered{.device = 0}));
  EXPECT_TRUE(writes(Registered{.device = device_max}));
  expect_malformed({"0a0100", "0a03808004", "0a020101", "0a00"});
  EXPECT_FALSE(fault("0b03000000"));
  expect_malformed({"0b020000", "0b0400000000", "0b00"});
  EXPECT_FALSE(fault("0e020100"));
  expect_malformed({"0e020000", "0e020d00", "0e0101", "0e03010001",
                    "0e06"
                    "018080808010"});
  for (const std::size_t size : {error_text_size_max, error_text_size_max + 1}) {
    const std::string text(size, 'a');
    EXPECT_EQ(writes(StreamError{.text = text}), size <= error_text_size_max);
  }
  expect_malformed({"0f00", "0f020101", "0f028000", "1000",
                    "100b"
                    "ffffffffffffffffff0100"});
  std::array<std::uint8_t, 8> bytes;
  ByteWriter out(bytes);
  EXPECT_FALSE(write_empty(out, StanzaType::ping));
  EXPECT_EQ(out.size(), 0u);
}

// A stanza that does not fit leaves the writer as it was, at every size.
TEST(StanzaRoom, NothingIsLeftOfWhatDoesNotFit) {
  const Message message{.id = 300, .peer = bob, .sequence = 7, .payload = as_bytes("hello")};
  std::vector<std::uint8_t> bytes(100);
  ByteWriter whole(bytes);
  ASSERT_TRUE(write(whole, message, context));
  for (std::size_t room = 0; room < whole.size(); ++room) {
    ByteWriter out(MutableBytes(bytes).first(room + 2));
    ASSERT_TRUE(write_empty(out, StanzaType::bye));
    EXPECT_FALSE(write(out, message, context)) << room;
    EXPECT_TRUE(out.ok());
    EXPECT_EQ(to_hex(out.written()), "1100");
  }
}

}  // namespace
}  // namespace godwit::protocol
