// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"

// What holds between any two calls, looked at by tests and fuzz targets: it walks everything.

namespace godwit::dataplane::tcp {

std::string Tcp::first_broken_invariant() const {
  std::size_t used = 0;
  std::size_t orphaned = 0;
  std::size_t with_sender = 0;
  std::size_t with_receiver = 0;
  for (std::uint32_t index = 1; index < connections_.end(); ++index) {
    const Connection& connection = connections_[index];
    if (connection.state == State::closed) continue;
    ++used;
    orphaned += connection.reported ? 1 : 0;
    with_sender += connection.sender != 0 ? 1 : 0;
    with_receiver += connection.receiver != 0 ? 1 : 0;
    for (const char* broken :
         {broken_numbers(connection), broken_sender(connection), broken_receiver(connection)}) {
      if (broken != nullptr) return std::string(broken) + ", connection " + std::to_string(index);
    }
  }
  if (used != connections_.used()) return "a control block is neither used nor free";
  if (used != flows_.size()) return "the flow table and the control blocks differ";
  if (orphaned != orphans_) return "orphans are miscounted";
  if (used != open_ + orphans_) return "open connections are miscounted";
  if (with_sender != senders_.used()) return "a sender has no connection";
  if (with_receiver != receivers_.used()) return "a receiver has no connection";
  if (used == 0 && wheel_.size() != 0) return "a timer has no owner";
  if (with_sender == 0 && (blocks_.used() != 0 || sent_.used() != 0)) return "queues leak";
  if (used == 0 && tunings_.used() != 0) return "a tuning has no connection";
  if (with_receiver == 0 && (ranges_.used() != 0 || hold_memory_.held_bytes != 0)) {
    return "held bytes leak";
  }
  return {};
}

const char* Tcp::broken_numbers(const Connection& connection) const {
  if (before(connection.snd_nxt, connection.snd_una)) return "more is acknowledged than was sent";
  if (connection.synchronized() && before(connection.rcv_edge, connection.rcv_nxt)) {
    return "the window ends before it begins";
  }
  if (connection.fin_acked && !connection.fin_sent)
    return "a FIN is acknowledged that was not sent";
  // A turn sets the timer; until then it may be behind.
  if (!connection.in_turn && connection.timer.armed() != (connection.deadline() != never)) {
    return "the timer is not the deadline's";
  }
  return nullptr;
}

const char* Tcp::broken_sender(const Connection& connection) const {
  if (!connection.synchronized()) return nullptr;
  if (connection.sender == 0) {
    return connection.snd_una == connection.snd_nxt ? nullptr : "what is in flight has no sender";
  }
  const Sender& sender = senders_[connection.sender];
  std::uint32_t next = connection.snd_una;
  std::uint32_t sacked = 0;
  std::uint32_t lost = 0;
  std::uint32_t count = 0;
  for (std::uint32_t record = sender.board.head(); record != 0; record = sent_[record].next) {
    const SentSegment& segment = sent_[record];
    if (segment.begin != next || !after(segment.end, next)) return "records do not join";
    next = segment.end;
    if (segment.status == SentSegment::Status::sacked) sacked += segment.size();
    if (segment.status == SentSegment::Status::lost) lost += segment.size();
    ++count;
  }
  if (next != connection.snd_nxt) return "records do not cover what is in flight";
  if (sacked != sender.board.sacked() || lost != sender.board.lost() ||
      count != sender.board.count()) {
    return "the scoreboard's sums are wrong";
  }
  const std::uint32_t end = sender.queue.end() + (connection.fin_sent ? 1 : 0);
  if (after(connection.snd_nxt, end)) return "more was sent than is queued";
  if (sender.queue.begin() != earlier_of(connection.snd_una, sender.queue.end())) {
    return "the queue does not begin at the first unacknowledged byte";
  }
  if (!connection.in_turn && sender.board.empty() && sender.queue.empty()) {
    return "an idle connection has a sender";
  }
  if (!connection.in_turn && connection.retransmit_at == never) {
    return "nothing will send what waits";
  }
  return nullptr;
}

const char* Tcp::broken_receiver(const Connection& connection) const {
  if (connection.receiver == 0) return nullptr;
  const Receiver& receiver = receivers_[connection.receiver];
  if (receiver.empty()) return "a receiver holds nothing";
  if (receiver.listed != !receiver.out_of_order.empty()) return "a holder is not in the list";
  const std::uint32_t most = std::max(settings_.receive_window, settings_.receive_window_max);
  if (connection.tuning == 0 && receiver.ready.size() > most) return "more waits than the window";
  return nullptr;
}

}  // namespace godwit::dataplane::tcp
