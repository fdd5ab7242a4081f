// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/random.h"
#include "crypto/keyed_hash.h"
#include "dataplane/tcp/ip/settings.h"
#include "dataplane/tcp/wire/ethernet.h"
#include "queues/hash_index.h"

namespace godwit::dataplane::tcp {

// The stations of the link and what is known of each, by the states of RFC 4861, 7.3.2, for IPv6
// and IPv4 alike. Bounded: when full, the entry that is worth least makes room, never one that was
// told to stay (a gateway's). For each that is not resolved the latest few packets wait (RFC 1122,
// 2.3.2.2; RFC 4861, 7.2.2): one alone would lose all connections but one that begin at once.
//
// Nobody's unasked word changes an address that we have: a station that says to have moved is asked
// at its old address first, and only silence there makes us ask all again. So a forged answer has
// to win a race that we started, and a real move costs seconds.
//
// Not thread safe. Invariants: all memory is taken when made; an entry that is not incomplete has
// no packet waiting; entries with a timer have theirs at or after next_deadline().
class Neighbours {
 public:
  enum class State : std::uint8_t { none, incomplete, reachable, stale, delay, probe };

  // `packet_max` is the largest packet that waits, in bytes.
  Neighbours(const NeighbourSettings& settings, std::size_t packet_max, RandomSource& random);

  // A question to send now: to all stations, or to one (a probe).
  struct Solicitation {
    IpAddress address;
    std::optional<MacAddress> to;
  };

  struct Resolution {
    enum class Kind : std::uint8_t { ready, pending, full };
    Kind kind = Kind::full;
    MacAddress mac;        // when ready
    bool solicit = false;  // a new entry: ask all for `address`
  };
  Resolution resolve(const IpAddress& address, Instant now);
  // Room for a packet that waits for `address`, which is pending; in place of the oldest when as
  // many wait for it as may, or when others have all the room. Empty when there is none at all.
  MutableBytes wait(const IpAddress& address, std::size_t size);

  // It asked for us and said where it is (RFC 4861, 7.2.3).
  void on_solicited(const IpAddress& address, const MacAddress& mac, Instant now);
  struct Advertised {
    bool solicited = true;  // says that it answers a question
    bool replaces = true;   // the override flag
  };
  // It said where it is. False when that was not asked for and tells nothing new about anybody
  // known.
  bool on_advertised(const IpAddress& address, const MacAddress& mac, Advertised how, Instant now);
  // The first packet that waited for an address that has become ready, to be asked for until there
  // is none; valid until the next call. Empty when there is none.
  Bytes take_waiting(const IpAddress& address);

  // Never makes room for another.
  void keep(const IpAddress& address, Instant now);

  struct Expired {
    std::optional<Solicitation> solicitation;
    bool gave_up = false;  // an entry ended
    std::uint32_t lost_packets = 0;
  };
  // One thing that is due; none when nothing is. To be called until then.
  std::optional<Expired> expire(Instant now);
  Instant next_deadline() const { return next_deadline_; }

  State state_of(const IpAddress& address) const;
  std::optional<MacAddress> mac_of(const IpAddress& address) const;
  std::size_t size() const { return index_.size(); }
  std::size_t waiting() const { return packets_.size() - free_packets_.size(); }
  // Ends the process when an invariant does not hold; for tests.
  void check_invariants() const;

 private:
  static constexpr std::uint32_t no_packet = 0xffffffff;
  struct Entry {
    IpAddress address;
    MacAddress mac;
    State state = State::none;
    bool kept = false;
    std::uint8_t solicits = 0;
    std::uint32_t packets = 0;  // that wait, in a list from the oldest
    std::uint32_t oldest = no_packet;
    std::uint32_t latest = no_packet;
    Instant due = never;  // timers of incomplete, delay and probe
    Instant since{};      // when reachable was confirmed
    Instant used{};
  };
  struct Packet {
    std::size_t size = 0;
    std::uint32_t next = no_packet;
  };

  std::uint64_t hash(const IpAddress& address) const;
  std::uint32_t find(const IpAddress& address) const;  // 0: none
  std::uint32_t make(const IpAddress& address, Instant now);
  std::uint32_t make_room();
  void erase(std::uint32_t index);
  void drop_oldest(Entry& entry);
  void set_due(Entry& entry, Instant due);
  void find_next_deadline();
  Expired expire_entry(std::uint32_t index, Instant now);

  const NeighbourSettings settings_;
  const std::size_t packet_max_;
  crypto::HashKey key_;
  std::vector<Entry> entries_;  // 0 is not used
  std::vector<std::uint32_t> free_entries_;
  queues::HashIndex index_;
  std::vector<Packet> packets_;
  std::vector<std::uint32_t> free_packets_;
  std::vector<std::uint8_t> bytes_;
  Instant next_deadline_ = never;
  mutable std::uint32_t last_found_ = 0;  // mostly the gateway, packet after packet
};

}  // namespace godwit::dataplane::tcp
