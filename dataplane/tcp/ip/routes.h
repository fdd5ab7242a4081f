// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/tcp/ip/settings.h"

namespace godwit::dataplane::tcp {

// Where a packet goes next: longest prefix first, over a few routes kept sorted. Fixed when made;
// thread safe.
class Routes {
 public:
  // What lies on the link comes from the addresses' prefixes, and fe80::/10 with IPv6.
  explicit Routes(const NetworkSettings& settings);

  // The destination itself when it is on the link, or a gateway; none when no route leads there.
  std::optional<IpAddress> next_hop(const IpAddress& destination) const;
  std::size_t size() const { return entries_.size(); }
  // How many bits the route has that leads there; none when no route does.
  std::optional<std::uint8_t> match(const IpAddress& destination) const;

 private:
  using Halves = std::array<std::uint64_t, 2>;
  struct Entry {
    IpPrefix destination;
    bool on_link = false;
    bool v4 = false;
    IpAddress gateway;
    Halves address{};  // as far as the prefix goes
    Halves mask{};
  };

  void add_link(const IpPrefix& prefix);
  static Entry entry_of(const IpPrefix& destination, const IpAddress* gateway);
  const Entry* find(const IpAddress& destination) const;

  std::vector<Entry> entries_;  // the longest prefixes first
};

}  // namespace godwit::dataplane::tcp
