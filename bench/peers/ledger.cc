// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/ledger.h"

#include <charconv>

namespace godwit::bench {

std::string Ledger::payload_of(std::string_view sender, std::uint64_t number) const {
  std::string payload;
  payload.reserve(options_.payload_size);
  payload.append(sender).append(" ").append(std::to_string(number)).append(" ");
  for (std::uint64_t i = number; payload.size() < options_.payload_size; ++i) {
    payload.push_back(static_cast<char>('a' + i % 26));
  }
  return payload;
}

std::string Ledger::next() {
  return payload_of(options_.own.user, ++options_.own.last_sent);
}

Result<void> Ledger::arrived(std::string_view payload) {
  const std::uint64_t expected = options_.own.last_received + 1;
  if (payload == payload_of(options_.partner, expected)) [[likely]] {
    options_.own.last_received = expected;
    return {};
  }
  const std::size_t space = payload.find(' ');
  std::uint64_t number = 0;
  if (space != std::string_view::npos) {
    std::from_chars(payload.data() + space + 1, payload.data() + payload.size(), number);
  }
  if (number != 0 && payload == payload_of(options_.partner, number)) {
    return fail(ErrorCode::corrupt, "message " + std::to_string(number) + " where message " +
                                        std::to_string(expected) + " was due");
  }
  return fail(ErrorCode::corrupt, "a message that the partner never sent");
}

}  // namespace godwit::bench
