// SPDX-License-Identifier: Apache-2.0
#include "apps/message_line.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/random.h"
#include "protocol/text.h"

namespace godwit::apps {
namespace {

constexpr std::string_view head = "bob@localhost/2 7 ";

std::string text_of(const std::string& payload) {
  const std::string line = text_line({.from = "bob@localhost/2", .id = 7, .payload = payload});
  EXPECT_TRUE(line.starts_with(head)) << line;
  return line.substr(head.size());
}

// What a reader of the text form does to have the payload back.
std::string unescaped(const std::string& text) {
  std::string payload;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      payload += text[i];
    } else if (text[++i] == 'x') {
      payload += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      payload += text[i] == 'n' ? '\n' : text[i];
    }
  }
  return payload;
}

TEST(MessageLine, TextAsItIsWhereItIsPrintable) {
  for (const char* text : {"", "hello", "two words", "grüße", "日本語", "🦉", "\"quoted\""}) {
    EXPECT_EQ(text_of(text), text);
  }
}

TEST(MessageLine, WhatATerminalObeysIsEscaped) {
  EXPECT_EQ(text_of("a\nb"), "a\\nb");
  EXPECT_EQ(text_of("a\\nb"), "a\\\\nb");
  EXPECT_EQ(text_of("\x1b[31mred\r"), "\\x1b[31mred\\x0d");
  EXPECT_EQ(text_of(std::string("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(text_of("\xc2\x9b"), "\\xc2\\x9b") << "a control character of two bytes";
  EXPECT_EQ(text_of("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(text_of("\xe6\x97"), "\\xe6\\x97") << "cut off";
  EXPECT_EQ(text_of("\xc0\x80"), "\\xc0\\x80") << "longer than needed";
}

TEST(MessageLine, AnyBytesAreOnePrintableLineAndNothingIsLost) {
  SeededRandom dice(6);
  for (int i = 0; i < 2000; ++i) {
    std::string payload(dice.below(60), 0);
    dice.fill({reinterpret_cast<std::uint8_t*>(payload.data()), payload.size()});
    const std::string text = text_of(payload);
    ASSERT_TRUE(text.empty() || protocol::is_printable_utf8(text)) << text;
    ASSERT_EQ(text.find('\n'), std::string::npos);
    ASSERT_EQ(unescaped(text), payload);
  }
}

TEST(MessageLine, JsonHasWhatAConsumerNeeds) {
  const std::string line = json_line({.from = "bob@localhost/2",
                                      .id = UINT64_MAX,
                                      .time_ms = 1'800'000'000'042,
                                      .payload = "a\n\"b\"\\"});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object.size(), 4u);
  EXPECT_EQ(object["from"], "bob@localhost/2");
  EXPECT_EQ(object["id"].get<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(object["text"], "a\n\"b\"\\");
  EXPECT_EQ(object["time"], "2027-01-15T08:00:00.042Z");
}

TEST(MessageLine, JsonOfAnyBytesCanBeRead) {
  SeededRandom dice(7);
  for (int i = 0; i < 500; ++i) {
    std::string payload(dice.below(40), 0);
    dice.fill({reinterpret_cast<std::uint8_t*>(payload.data()), payload.size()});
    const std::string line = json_line({.from = "b@l/1", .id = 1, .payload = payload});
    ASSERT_EQ(line.find('\n'), std::string::npos);
    ASSERT_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded()) << line;
  }
  EXPECT_EQ(nlohmann::json::parse(json_line({.payload = "a\xff"}))["text"], "a\xef\xbf\xbd");
}

TEST(MessageLine, TimesBeforeAndAfterTheEpoch) {
  EXPECT_EQ(iso_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(iso_time(999), "1970-01-01T00:00:00.999Z");
  EXPECT_EQ(iso_time(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(iso_time(951'782'400'000), "2000-02-29T00:00:00.000Z");
}

}  // namespace
}  // namespace godwit::apps
