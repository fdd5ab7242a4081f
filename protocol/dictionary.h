// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>

// The words that cost one byte inside binary XML; a token is a word's place in the list. Part of
// protocol version 1: words are only ever added, at the end. docs/protocol.md has the same list.

namespace godwit::protocol {

// clang-format off
inline constexpr auto dictionary = std::to_array<std::string_view>({
    // Common attributes and values.
    "id", "type", "to", "from", "jid", "name", "value", "code", "count", "index",
    "key", "hash", "size", "url", "uri", "lang", "version", "node", "action", "status",
    "true", "false", "yes", "no", "none", "all", "default", "text", "stamp", "expires",
    // RFC 6120: errors.
    "error", "condition", "auth", "cancel", "continue", "modify", "wait",
    "bad-request", "conflict", "feature-not-implemented", "forbidden", "internal-server-error",
    "item-not-found", "jid-malformed", "not-acceptable", "not-allowed", "not-authorized",
    "policy-violation", "recipient-unavailable", "remote-server-not-found", "resource-constraint",
    "service-unavailable",
    // RFC 6121: roster and presence.
    "query", "item", "items", "group", "subscription", "subscribe", "subscribed", "unsubscribe",
    "unsubscribed", "both", "ask", "remove", "show", "priority", "available", "unavailable",
    "chat", "away", "xa", "dnd", "normal", "groupchat", "headline",
    // XEP-0191: blocking.
    "blocklist", "block", "unblock", "after", "more",
    // XEP-0030, XEP-0085, XEP-0184, XEP-0199, XEP-0202, XEP-0092, XEP-0334.
    "identity", "feature", "category", "var", "active", "composing", "paused", "inactive", "gone",
    "request", "received", "displayed", "ping", "time", "utc", "tzo", "os", "no-store",
    // Keys for end-to-end encryption.
    "bundle", "prekey", "prekeys", "signed-prekey", "one-time-prekey", "last-resort", "signature",
    "device", "devices", "user", "users", "low", "changed",
    // Namespaces.
    "xmlns", "urn:xmpp:blocking", "urn:xmpp:ping", "urn:xmpp:time", "jabber:iq:version",
    "jabber:iq:roster", "http://jabber.org/protocol/disco#info",
    "http://jabber.org/protocol/disco#items", "http://jabber.org/protocol/chatstates",
    "urn:xmpp:receipts",
});
// clang-format on

// Tokens are first bytes below this; see node.h for the rest.
inline constexpr std::size_t token_count_max = 0xa0;
static_assert(dictionary.size() <= token_count_max);

namespace detail {

// The tokens in the order of their words.
inline constexpr auto tokens_by_word = [] {
  std::array<std::uint8_t, dictionary.size()> tokens{};
  std::iota(tokens.begin(), tokens.end(), std::uint8_t{0});
  std::ranges::sort(tokens, {}, [](std::uint8_t token) { return dictionary[token]; });
  return tokens;
}();
static_assert(std::ranges::adjacent_find(tokens_by_word, {}, [](std::uint8_t token) {
                return dictionary[token];
              }) == tokens_by_word.end());
// So a word is never a number or an address as well.
static_assert(std::ranges::all_of(dictionary, [](std::string_view word) {
  return word[0] >= 'a' && word[0] <= 'z' && word.find('@') == word.npos;
}));

}  // namespace detail

constexpr std::optional<std::uint8_t> token_of(std::string_view word) {
  const auto word_of = [](std::uint8_t token) { return dictionary[token]; };
  const auto found = std::ranges::lower_bound(detail::tokens_by_word, word, {}, word_of);
  if (found == detail::tokens_by_word.end() || word_of(*found) != word) return std::nullopt;
  return *found;
}

}  // namespace godwit::protocol
