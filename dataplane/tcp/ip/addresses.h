// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "dataplane/tcp/ip/settings.h"

namespace godwit::dataplane::tcp {

// The addresses of the interface and whether each may be used: with duplicates looked for, an
// address is tentative for a second, and never used when somebody else has it (RFC 4862, 5.4; RFC
// 5227, 2.1).
//
// Each packet asks for both of its addresses, so what is ours and what a prefix of ours broadcasts
// to is one look into a table, however many there are. The rest, which few packets ask, goes
// through the list. Not thread safe.
class Addresses {
 public:
  enum class State : std::uint8_t { tentative, ready, duplicate };
  enum class Kind : std::uint8_t { foreign, own, not_ready, broadcast, group };
  struct Own {
    IpPrefix prefix;
    State state = State::ready;
    std::uint8_t announcements_left = 0;
    Instant due = never;    // the end of the test, or the next announcement
    Instant defended_at{};  // RFC 5227, 2.4
  };

  explicit Addresses(const NetworkSettings& settings);

  Kind kind_of(const IpAddress& destination) const;
  bool is_own(const IpAddress& address) const { return find(address) != nullptr; }
  const Own* find(const IpAddress& address) const {
    const Place& place = place_of(address);
    return place.use == Place::Use::own ? &all_[place.own] : nullptr;
  }
  Own* find(const IpAddress& address) {
    return const_cast<Own*>(std::as_const(*this).find(address));
  }
  // All zeros when none of the family is ready. One on the destination's own prefix comes first,
  // then one that is not link-local, unless the destination is.
  IpAddress source_for(const IpAddress& destination) const;
  // A prefix of ours covers it.
  bool is_on_link(const IpAddress& address) const;
  // A solicited-node group of ours, or all nodes.
  bool listens_to(const IpAddress& group) const;

  // None comes or goes.
  std::span<Own> all() { return all_; }
  std::span<const Own> all() const { return all_; }

 private:
  struct Place {
    enum class Use : std::uint8_t { free, own, broadcast };
    IpAddress address;
    Use use = Use::free;
    std::uint16_t own = 0;  // in all_
  };

  using Halves = std::array<std::uint64_t, 2>;
  static Halves halves_of(const IpAddress& address) { return std::bit_cast<Halves>(address.bytes); }

  // Where it is, or where it would be. Without a key, unlike a connection's: what lies in the table
  // is the operator's, three quarters of it are free, and whoever aims at what lies densest gains a
  // few looks.
  const Place& place_of(const IpAddress& address) const {
    const Halves wanted = halves_of(address);
    std::uint64_t place = (wanted[0] * 3 ^ wanted[1]) * 0x9e3779b97f4a7c15 >> shift_;
    while (places_[place].use != Place::Use::free) {
      const Halves found = halves_of(places_[place].address);
      if (((found[0] ^ wanted[0]) | (found[1] ^ wanted[1])) == 0) break;
      place = (place + 1) & (places_.size() - 1);
    }
    return places_[place];
  }
  void enter(const IpAddress& address, Place::Use use, std::size_t own);

  bool any_;
  unsigned shift_ = 0;
  std::vector<Own> all_;
  std::vector<Place> places_;  // a power of two
};

}  // namespace godwit::dataplane::tcp
