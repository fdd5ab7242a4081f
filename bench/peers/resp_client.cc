// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/resp_client.h"

#include <charconv>

namespace godwit::bench {

namespace {

constexpr std::string_view line_end = "\r\n";
constexpr unsigned depth_max = 8;
constexpr std::size_t members_max = 1024;

std::optional<std::size_t> to_count(std::string_view text) {
  std::size_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string channel_of(const std::string& user) {
  return "to:" + user;
}

}  // namespace

RespClient::RespClient(const Ledger::Options& options) : PeerClient(options) {
  command({"HELLO", "3"});
}

void RespClient::command(std::initializer_list<std::string_view> words) {
  say("*");
  say(std::to_string(words.size()));
  say(line_end);
  for (const std::string_view word : words) {
    say("$");
    say(std::to_string(word.size()));
    say(line_end);
    say(word);
    say(line_end);
  }
}

Result<RespClient::Value> RespClient::read(std::string_view text, unsigned depth) {
  const std::size_t end = text.find(line_end);
  if (end == std::string_view::npos) return Value{};
  if (end == 0 || depth > depth_max) return fail(ErrorCode::malformed, "bytes that are no value");
  Value value{.type = text[0], .text = text.substr(1, end - 1)};
  const std::size_t start = end + line_end.size();
  switch (value.type) {
    case '+':
    case '-':
    case ':':
    case '_':
    case '#':
    case ',':
    case '(':
      value.size = start;
      return value;
    case '$':
    case '!':
    case '=':
      return read_string(std::move(value), text, start);
    case '*':
    case '~':
    case '>':
    case '%':
      return read_members(std::move(value), text, start, depth);
    default:
      return fail(ErrorCode::malformed, "a value of no type");
  }
}

Result<RespClient::Value> RespClient::read_string(Value value, std::string_view text,
                                                  std::size_t start) {
  const auto length = to_count(value.text);
  if (!length || *length > unit_size_max) return fail(ErrorCode::malformed, "a bad length");
  if (text.size() < start + *length + line_end.size()) return Value{};
  if (text.substr(start + *length, line_end.size()) != line_end) {
    return fail(ErrorCode::malformed, "a string that does not end where it should");
  }
  value.text = text.substr(start, *length);
  value.size = start + *length + line_end.size();
  return value;
}

Result<RespClient::Value> RespClient::read_members(Value value, std::string_view text,
                                                   std::size_t start, unsigned depth) {
  auto count = to_count(value.text);
  if (!count || *count > members_max) return fail(ErrorCode::malformed, "a bad count");
  if (value.type == '%') *count *= 2;
  for (std::size_t i = 0; i < *count; ++i) {
    auto member = read(text.substr(start), depth + 1);
    if (!member || member->size == 0) return member;
    value.members.push_back(member->text);
    start += member->size;
  }
  value.size = start;
  return value;
}

Result<std::size_t> RespClient::next(std::string_view text) {
  const auto value = read(text, 0);
  if (!value) return std::unexpected(value.error());
  if (value->size == 0) return 0;
  if (value->type == '-' || value->type == '!') {
    return fail(ErrorCode::refused, "the server says " + std::string(value->text));
  }
  if (value->type == '>') {
    if (auto done = on_push(*value); !done) return std::unexpected(done.error());
  } else if (value->type == '%' && !greeted_) {
    greeted_ = true;
    command({"SUBSCRIBE", channel_of(ledger().user())});
  } else if (value->type == ':' && answered_ < published_) {
    if (value->text != "1") return fail(ErrorCode::corrupt, "a message that reached nobody");
    ++answered_;
  } else if (value->type == '+' && value->text == "PONG") {
    ++pongs_;
  } else {
    return fail(ErrorCode::malformed, "an answer that nobody asked for");
  }
  return value->size;
}

Result<void> RespClient::on_push(const Value& value) {
  const auto& members = value.members;
  if (members.size() != 3 || members[1] != channel_of(ledger().user())) {
    return fail(ErrorCode::corrupt, "something for someone else");
  }
  if (members[0] == "message") return arrived(members[2]);
  if (members[0] != "subscribe") return fail(ErrorCode::malformed, "a push of another kind");
  become_ready();
  return {};
}

void RespClient::write(unsigned messages) {
  for (; messages > 0; --messages) {
    command({"PUBLISH", channel_of(ledger().partner()), ledger().next()});
    ++published_;
  }
}

}  // namespace godwit::bench
