// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/nats_client.h"

#include <charconv>

namespace godwit::bench {

namespace {

constexpr std::string_view line_end = "\r\n";

}  // namespace

void NatsClient::introduce() {
  say("CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"godwit\","
      "\"version\":\"1\",\"protocol\":1}\r\nSUB to.");
  say(ledger().user());
  say(" 1\r\nPING\r\n");
}

Result<std::size_t> NatsClient::next(std::string_view text) {
  const std::size_t end = text.find(line_end);
  if (end == std::string_view::npos) return 0;
  const std::string_view line = text.substr(0, end);
  if (line.starts_with("MSG ")) return on_message(text, line);
  if (line.starts_with("INFO ")) {
    if (!ready()) introduce();
  } else if (line == "PING") {
    say("PONG\r\n");
  } else if (line == "PONG") {
    if (ready()) ++pongs_;
    become_ready();
  } else if (line.starts_with("-ERR")) {
    return fail(ErrorCode::refused, "the server says " + std::string(line.substr(4)));
  } else if (line != "+OK") {
    return fail(ErrorCode::malformed, "a line that is no operation");
  }
  return end + line_end.size();
}

// MSG subject subscription size; then the payload and a line's end.
Result<std::size_t> NatsClient::on_message(std::string_view text, std::string_view line) {
  const std::string prefix = "MSG to." + ledger().user() + " 1 ";
  std::size_t size = 0;
  if (!line.starts_with(prefix)) return fail(ErrorCode::corrupt, "a message for someone else");
  const std::string_view number = line.substr(prefix.size());
  const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), size);
  if (error != std::errc{} || stop != number.data() + number.size() || size > unit_size_max / 2) {
    return fail(ErrorCode::malformed, "a message of an impossible size");
  }
  const std::size_t start = line.size() + line_end.size();
  const std::size_t whole = start + size + line_end.size();
  if (text.size() < whole) return 0;
  if (text.substr(start + size, line_end.size()) != line_end) {
    return fail(ErrorCode::malformed, "a message that does not end where it should");
  }
  if (auto done = arrived(text.substr(start, size)); !done) return std::unexpected(done.error());
  return whole;
}

void NatsClient::write(unsigned messages) {
  for (; messages > 0; --messages) {
    const std::string payload = ledger().next();
    say("PUB to.");
    say(ledger().partner());
    say(" ");
    say(std::to_string(payload.size()));
    say(line_end);
    say(payload);
    say(line_end);
  }
}

}  // namespace godwit::bench
