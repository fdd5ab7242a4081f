// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "base/connection_name.h"

namespace godwit::dataplane {

// Refusals that the sender's client has not confirmed yet, per session and recipient account.
//
// After a message was refused, a later one of the same session to the same account must not be
// accepted until the sender knows: if it were, and the sender reconnected before it heard of the
// refusal, it would send the refused one again behind a message that has been delivered, and the
// receiver would drop it as seen (docs/decisions/0002). Bounded: when full, the oldest is given up
// and its session must be closed, which puts the sender back in order; what is still under way of
// that session is refused whole. Not thread safe.
class Refusals {
 public:
  explicit Refusals(std::size_t limit) : limit_(limit) {}

  bool empty() const { return open_.empty(); }

  // True when a message of `session` to `account` must be refused because an earlier refusal, above
  // `confirmed`, is unconfirmed. Forgets the refusal when it is confirmed.
  bool blocks(ConnectionName session, std::uint64_t account, std::uint32_t confirmed) {
    if (has_ended(session)) return true;
    if (open_.empty()) return false;
    const auto found = open_.find({session, account});
    if (found == open_.end()) return false;
    if (confirmed < found->second) return true;
    open_.erase(found);
    return false;
  }

  // Remembers a refusal; returns a session to close when there was no room.
  std::optional<ConnectionName> add(ConnectionName session, std::uint64_t account,
                                    std::uint32_t number) {
    if (has_ended(session)) return std::nullopt;
    const Key key{session, account};
    const auto [found, fresh] = open_.try_emplace(key, number);
    if (!fresh) {
      found->second = std::max(found->second, number);
      return std::nullopt;
    }
    order_.push_back(key);
    std::optional<ConnectionName> closed;
    while (order_.size() > limit_) {
      const Key oldest = order_.front();
      order_.pop_front();
      if (open_.erase(oldest) == 0) continue;
      closed = oldest.session;
      ended_.insert_or_assign(place_of(oldest.session), oldest.session.generation);
    }
    return closed;
  }

 private:
  struct Key {
    ConnectionName session;
    std::uint64_t account;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      const std::uint64_t name = std::uint64_t{key.session.slot} << 32 |
                                 std::uint64_t{key.session.shard} << 16 | key.session.generation;
      return key.account ^ name * 0x9e3779b97f4a7c15;
    }
  };

  static std::uint64_t place_of(ConnectionName session) {
    return std::uint64_t{session.shard} << 32 | session.slot;
  }
  bool has_ended(ConnectionName session) {
    if (ended_.empty()) return false;
    const auto found = ended_.find(place_of(session));
    if (found == ended_.end()) return false;
    if (found->second == session.generation) return true;
    ended_.erase(found);  // what came of it came before its successor
    return false;
  }

  const std::size_t limit_;
  std::unordered_map<Key, std::uint32_t, Hash> open_;
  // Sessions that were to be closed: generations by place, so never more than there are
  // connections.
  std::unordered_map<std::uint64_t, std::uint16_t> ended_;
  std::deque<Key> order_;  // oldest first; may name confirmed ones, which count against the limit
};

}  // namespace godwit::dataplane
