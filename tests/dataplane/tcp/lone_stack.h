// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dataplane/tcp/tcp.h"
#include "tests/dataplane/tcp/two_stacks.h"

// One stack on virtual time, with a test as its peer: the segments it sends are kept, those of the
// peer are made by hand.

namespace godwit::dataplane::tcp {

struct EventLog {
  struct Closed {
    ConnectionName name;
    std::uint64_t user;
    io::CloseReason reason;
  };
  std::vector<ConnectionName> opened;
  std::string bytes;
  std::size_t writable = 0;
  std::vector<Closed> closed;
  Tcp* stack = nullptr;
  bool pauses = false;  // in the first on_bytes

  void on_open(ConnectionName name, bool) { opened.push_back(name); }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    bytes += as_text(lease);
    if (pauses) stack->pause_receive(name);
  }
  void on_writable(ConnectionName, std::uint64_t) { ++writable; }
  void on_closed(ConnectionName name, std::uint64_t user, io::CloseReason reason) {
    closed.push_back({name, user, reason});
  }
  std::size_t events() const { return opened.size() + bytes.size() + writable + closed.size(); }
};

// The peer's half of one connection.
struct Peer {
  Flow flow;                 // as the stack sees it
  std::uint32_t seq = 1000;  // what it sends next
  std::uint32_t ack = 0;     // what it expects next
  std::uint16_t window = 60000;
  std::optional<Timestamps> timestamps;
};

class LoneStack {
 public:
  struct Sink {
    std::vector<Carried> segments;
    void transmit(const SegmentOut& segment) {
      Carried carried = Carried::of(segment);
      std::swap(carried.segment.flow.local, carried.segment.flow.remote);
      std::swap(carried.segment.flow.local_port, carried.segment.flow.remote_port);
      segments.push_back(std::move(carried));
    }
  };

  explicit LoneStack(const Settings& settings = {}) : tcp(settings, 1, random, sink) {
    log.stack = &tcp;
    EXPECT_TRUE(tcp.listen({}, 5222));
  }

  static Flow flow(std::uint16_t port, std::uint8_t host = 1) {
    return {IpAddress::v4({10, 0, 0, 2}), IpAddress::v4({10, 0, 1, host}), 5222, port};
  }

  SegmentIn segment(const Peer& peer, std::uint8_t flags) const {
    SegmentIn made;
    made.flow = peer.flow;
    made.seq = peer.seq;
    made.ack = peer.ack;
    made.window = peer.window;
    made.flags = flags;
    made.options.timestamps = peer.timestamps;
    return made;
  }
  void in(const SegmentIn& segment) {
    tcp.on_segment(segment, now, log);
    tcp.flush(now, log);
  }
  void in(Peer& peer, std::uint8_t flags, std::string payload = {}) {
    SegmentIn made = segment(peer, flags);
    made.payload = {reinterpret_cast<std::uint8_t*>(payload.data()), payload.size()};
    peer.seq += made.length();
    in(made);
  }
  // Time goes on, timers run.
  void wait(Duration duration) {
    const Instant end = now + duration;
    for (;;) {
      const Instant next = std::max(tcp.next_deadline(), now);
      if (next > end) break;
      now = next;
      tcp.expire(now, log);
      tcp.flush(now, log);
    }
    now = end;
    tcp.expire(now, log);
    tcp.flush(now, log);
  }
  void flush() { tcp.flush(now, log); }
  // What was sent since the last call.
  std::vector<Carried> out() { return std::exchange(sink.segments, {}); }

  // A passive open, through.
  Peer open(std::uint16_t port, const Options& options = {}, std::uint16_t window = 60000) {
    Peer peer{flow(port)};
    peer.window = window;
    SegmentIn syn = segment(peer, Flags::syn);
    syn.options = options;
    peer.timestamps = options.timestamps;
    flush();
    out();
    in(syn);
    ++peer.seq;
    const auto answers = out();
    EXPECT_EQ(answers.size(), 1u);
    if (answers.empty()) return peer;
    peer.ack = answers[0].segment.seq + 1;
    if (answers[0].segment.options.timestamps) {
      peer.timestamps->echo = answers[0].segment.options.timestamps->value;
    }
    in(peer, Flags::ack);
    EXPECT_EQ(log.opened.size(), ++opens_);
    return peer;
  }
  ConnectionName name() const { return log.opened.back(); }
  std::size_t send(ConnectionName to, std::string_view text) {
    const Bytes bytes = as_bytes(text);
    return tcp.send(to, std::span(&bytes, 1));
  }

  SeededRandom random{1};
  Sink sink;
  EventLog log;
  Instant now{std::chrono::seconds(1000)};
  Tcp tcp;

 private:
  std::size_t opens_ = 0;
};

}  // namespace godwit::dataplane::tcp
