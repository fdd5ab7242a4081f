// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// What routers and hosts say of our packets. Anybody can send that, so it counts only when it
// quotes something in flight, and ends no connection that stands (RFC 5927; RFC 1191, 8201).

namespace godwit::dataplane::tcp {

namespace {

// RFC 1191, 7.1: for routers that do not say what fits.
constexpr std::array<std::uint32_t, 6> plateaus = {8166, 4352, 2002, 1492, 1006, 552};

std::uint32_t plateau_below(std::uint32_t size) {
  const auto found = std::ranges::find_if(plateaus, [&](auto each) { return each < size; });
  return found == plateaus.end() ? plateaus.back() : *found;
}

}  // namespace

void Tcp::on_icmp(const IcmpError& error, Instant now, Events events) {
  now_ = now;
  const std::uint64_t place = hash_.place(error.flow);
  const std::uint32_t index = flows_.find(
      place, [&](std::uint32_t other) { return connections_[other].flow == error.flow; });
  if (index == 0) {
    ++counters_.icmp_ignored;
    return;
  }
  Connection& connection = connections_[index];
  const bool in_flight =
      !before(error.seq, connection.snd_una) && before(error.seq, connection.snd_nxt);
  if (!in_flight || connection.syn_due) {
    ++counters_.icmp_ignored;
    return;
  }
  if (error.kind == IcmpError::Kind::too_big) {
    // Only what is smaller than we send can be true.
    const std::uint32_t headers =
        (connection.flow.remote.is_v4() ? 40U : 60U) + (connection.timestamps ? 12U : 0U);
    const std::uint32_t size = connection.mss + headers;
    const std::uint32_t mtu = error.mtu == 0 ? plateau_below(size) : error.mtu;
    const std::uint16_t before_it = connection.mss;
    if (connection.synchronized() && mtu < size) lower_mss(connection, mtu);
    if (connection.mss == before_it) {
      ++counters_.icmp_ignored;
      return;
    }
    ++counters_.icmp_believed;
    ++counters_.path_mtu_lowered;
    // What was too big is sent again in smaller pieces, at once and without blame.
    if (connection.sender == 0) return;
    Sender& sender = senders_[connection.sender];
    for (std::uint32_t record = sender.board.head(); record != 0; record = sent_[record].next) {
      if (sent_[record].size() > connection.mss) sender.board.mark_lost(sent_, record);
    }
    into_turn(index);
    return;
  }
  // RFC 5927, 5.2: hard errors end what is not open yet, and nothing else.
  if (error.kind == IcmpError::Kind::unreachable_hard && !connection.synchronized()) {
    ++counters_.icmp_believed;
    finish(index, io::CloseReason::failed, events);
    return;
  }
  ++counters_.icmp_ignored;
}

}  // namespace godwit::dataplane::tcp
