// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "dataplane/tcp/ip/settings.h"

namespace godwit::dataplane::tcp {

// The addresses of the interface and whether each may be used: with duplicates looked for, an
// address is tentative for a second, and never used when somebody else has it (RFC 4862, 5.4; RFC
// 5227, 2.1). Not thread safe.
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
  const Own* find(const IpAddress& address) const;
  Own* find(const IpAddress& address);
  // All zeros when none of the family is ready. One on the destination's own prefix comes first,
  // then one that is not link-local, unless the destination is.
  IpAddress source_for(const IpAddress& destination) const;
  // A prefix of ours covers it.
  bool is_on_link(const IpAddress& address) const;
  // A solicited-node group of ours, or all nodes.
  bool listens_to(const IpAddress& group) const;

  std::vector<Own>& all() { return all_; }
  const std::vector<Own>& all() const { return all_; }

 private:
  bool any_;
  std::vector<Own> all_;
};

}  // namespace godwit::dataplane::tcp
