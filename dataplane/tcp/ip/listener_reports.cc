// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/listener_reports.h"

#include <algorithm>

namespace godwit::dataplane::tcp {
namespace {

constexpr std::uint8_t robustness = 2;                           // RFC 3810, 9.1
constexpr Duration unasked_interval = std::chrono::seconds(1);   // 9.11
constexpr Duration answer_within_max = std::chrono::minutes(1);  // bounds what a router asks
constexpr Duration version_1_time = std::chrono::seconds(2 * 125 + 10);  // 9.12

}  // namespace

Duration ListenerReports::draw(Duration most) {
  const auto ms = static_cast<std::uint64_t>(most / std::chrono::milliseconds(1));
  return std::chrono::milliseconds(random_->below(ms + 1));
}

void ListenerReports::start(Instant now) {
  unasked_left_ = robustness;
  unasked_ = now;
}

void ListenerReports::on_query(const ListenerQuery& query, Instant now) {
  if (query.version_1) version_1_until_ = now + version_1_time;
  const bool about_us =
      !query.group.known() || std::ranges::find(groups_, query.group) != groups_.end();
  if (!about_us) return;
  // A pending answer that comes earlier is one to this query too (6.2).
  answer_ = std::min(answer_, now + draw(std::min(query.answer_within, answer_within_max)));
}

std::optional<ListenerReports::Report> ListenerReports::take_due(Instant now) {
  const bool version_1 = now < version_1_until_;
  if (answer_ <= now) {
    answer_ = never;
    return Report{ListenerRecord::is_listening, version_1};
  }
  if (unasked_ > now) return std::nullopt;
  --unasked_left_;
  unasked_ = unasked_left_ > 0 ? now + draw(unasked_interval) : never;
  return Report{ListenerRecord::begins, version_1};
}

}  // namespace godwit::dataplane::tcp
