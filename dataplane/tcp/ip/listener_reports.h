// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "dataplane/tcp/wire/listener_discovery.h"

namespace godwit::dataplane::tcp {

// When to tell routers and switches of the groups we listen to, so that those which forward groups
// only to their listeners (RFC 4541) let neighbour solicitations for us pass. Two unasked reports
// at the start (RFC 3810, 6.1), and an answer to each query after a time that is drawn; in the
// words of version 1 for a while after a router of version 1 was heard (RFC 3810, 8.2.1).
//
// One timer for all groups: they are few and told in one report. Not thread safe; no clock.
class ListenerReports {
 public:
  // `random` outlives it.
  ListenerReports(std::vector<IpAddress> groups, RandomSource& random)
      : groups_(std::move(groups)), random_(&random) {}

  const std::vector<IpAddress>& groups() const { return groups_; }

  // The interface begins to listen, or the link is back.
  void start(Instant now);
  void on_query(const ListenerQuery& query, Instant now);

  struct Report {
    ListenerRecord record = ListenerRecord::is_listening;
    bool version_1 = false;
  };
  // What is to be sent now.
  std::optional<Report> take_due(Instant now);
  Instant next_deadline() const { return groups_.empty() ? never : std::min(unasked_, answer_); }

 private:
  Duration draw(Duration most);

  std::vector<IpAddress> groups_;
  RandomSource* random_;
  std::uint8_t unasked_left_ = 0;
  Instant unasked_ = never;
  Instant answer_ = never;
  Instant version_1_until_ = Instant::min();
};

}  // namespace godwit::dataplane::tcp
