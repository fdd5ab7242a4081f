// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "crypto/keyed_hash.h"
#include "queues/slab.h"

// What one address may take of a shard: open connections, connections that have not logged in, new
// connections in a time, failed handshakes in a time, registrations in a time. An address is an
// IPv4 address or an IPv6 /64.
//
// Bounded: at most `addresses_max` addresses are known at a time. One is known while a connection
// of it is open or a rate of it has not recovered; then it is forgotten, and nothing is lost by
// that. When there is room for no further one, the one that has been without a connection longest
// is forgotten with its debts; when all have connections, a new address is refused. Places in the
// table come from a hash under the deployment's key, so nobody can aim at a long chain. A steady
// state allocates nothing.
//
// Sans I/O. Not thread safe: one object a shard. Where several shards share a port the kernel deals
// connections out by address and port, so each shard applies share_of() the limits.

namespace godwit::dataplane {

// At most `burst` at once and one more `every` so often; every = 0 is no limit.
struct Allowance {
  Duration every{};
  std::uint32_t burst = 1;
  bool limited() const { return every > Duration{0}; }
  friend bool operator==(const Allowance&, const Allowance&) = default;
};

// Trivially copyable: a command carries it to the shards when the configuration is read again.
struct AddressRules {
  static constexpr std::size_t exempt_max = 32;

  std::uint32_t open_max = 0;      // connections; 0: no limit
  std::uint32_t starting_max = 0;  // of these, not logged in; 0: no limit
  Allowance connections;
  Allowance failures;  // connections that ended before login by a fault of theirs
  Allowance registrations;
  Allowance logins;  // of one device
  std::uint32_t exempt_count = 0;
  std::array<IpPrefix, exempt_max> exempt{};  // are not limited

  bool limits_anything() const {
    return open_max != 0 || starting_max != 0 || connections.limited() || failures.limited() ||
           registrations.limited();
  }
};
static_assert(std::is_trivially_copyable_v<AddressRules>);

// One shard's part of rules for a whole gateway. Chance deals an address's connections unevenly, so
// a shard's part of n is n / shards and three standard deviations: who keeps the rule is
// practically never refused, and who does not gets little more than it.
AddressRules share_of(const AddressRules& rules, std::uint32_t shards);

enum class Admission : std::uint8_t {
  welcome,
  too_many_open,
  too_many_starting,
  too_fast,
  failed_too_often,
  table_full,
};

// The time at which an allowance will have recovered: GCRA (ITU-T I.371) in one number.
class Meter {
 public:
  bool has_room(const Allowance& allowance, Instant now) const {
    return !allowance.limited() ||
           std::max(recovered_, now) + allowance.every - now <= allowance.every * allowance.burst;
  }
  // True and one less, or false and nothing changed.
  bool take(const Allowance& allowance, Instant now) {
    if (!allowance.limited()) return true;
    if (!has_room(allowance, now)) return false;
    recovered_ = std::max(recovered_, now) + allowance.every;
    return true;
  }
  bool recovered(Instant now) const { return recovered_ <= now; }
  // How long until there is room; 0 when there is.
  Duration wait(const Allowance& allowance, Instant now) const {
    if (has_room(allowance, now)) return Duration{0};
    return recovered_ + allowance.every - now - allowance.every * allowance.burst;
  }

 private:
  Instant recovered_{};
};

class AddressLimits {
 public:
  struct Options {
    AddressRules rules;
    std::size_t addresses_max = 0;
    const crypto::HashKey& hash_key;  // outlives this
  };
  explicit AddressLimits(const Options& options);

  // Names an address while a connection of it is open; 0 is none: exempt or unknown, nothing is
  // limited.
  using Place = std::uint32_t;
  struct Answer {
    Admission admission = Admission::welcome;
    Place place = 0;  // only for who is welcome
  };
  // A new connection, which then counts as open and starting until left().
  Answer admit(const IpAddress& address, Instant now);
  void logged_in(Place place);
  void left(Place place, bool was_starting, Instant now);
  // A connection was ended for what it did before login.
  void failed(Place place, Instant now);
  bool may_register(Place place, Instant now);
  // Logins of a device, whatever address they come from. Only those that succeed are counted, so
  // that nobody can use up another's. `device` is a keyed hash: it shares the table with addresses.
  bool may_log_in(std::uint64_t device, Instant now);
  void count_login(std::uint64_t device, Instant now);

  // Connections that are open keep their places, and count for rules that come later only if they
  // counted when they came.
  void set_rules(const AddressRules& rules) { rules_ = rules; }
  const AddressRules& rules() const { return rules_; }
  std::size_t known() const { return entries_.used(); }

 private:
  struct Entry {
    std::uint64_t subscriber = 0;
    Meter connections;  // or a device's logins
    Meter failures;
    Meter registrations;
    std::uint32_t open = 0;
    std::uint32_t starting = 0;
    std::uint32_t chain = 0;  // the next with the same head
    std::uint32_t older = 0;  // in the list of those without a connection
    std::uint32_t newer = 0;
    bool resting = false;  // in that list
  };

  bool exempt(const IpAddress& address) const;
  Admission judge(Entry& entry, Instant now) const;
  std::uint32_t find(std::uint64_t subscriber);
  std::uint32_t find_or_make(std::uint64_t subscriber);
  std::uint32_t& head_of(std::uint64_t subscriber);
  void grow_heads();
  void rest(std::uint32_t index, Instant now);
  void wake(std::uint32_t index);
  void forget(std::uint32_t index);
  void forget_recovered(Instant now);
  static bool recovered(const Entry& entry, Instant now);

  AddressRules rules_;
  const std::size_t addresses_max_;
  const crypto::HashKey& hash_key_;
  queues::Slab<Entry, 256> entries_;
  std::vector<std::uint32_t> heads_;  // a power of two
  std::uint32_t oldest_ = 0;
  std::uint32_t newest_ = 0;
};

}  // namespace godwit::dataplane
