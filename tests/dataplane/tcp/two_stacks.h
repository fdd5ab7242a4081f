// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/wire/cut_segments.h"
#include "tests/dataplane/tcp/impaired_link.h"

// Two stacks and the network between them, on virtual time. Each side sends a stream of bytes that
// names their places, and checks what it gets.

namespace godwit::dataplane::tcp {

// A segment on its way, owning its bytes.
struct Carried {
  SegmentIn segment;
  std::vector<std::uint8_t> bytes;

  static Carried of(const SegmentOut& out) {
    Carried carried;
    carried.segment.flow = {out.flow.remote, out.flow.local, out.flow.remote_port,
                            out.flow.local_port};
    carried.segment.seq = out.seq;
    carried.segment.ack = out.ack;
    carried.segment.window = out.window;
    carried.segment.flags = out.flags;
    carried.segment.ecn = out.ecn;
    carried.segment.options = out.options;
    for (const Bytes piece : out.payload) {
      carried.bytes.insert(carried.bytes.end(), piece.begin(), piece.end());
    }
    return carried;
  }
  SegmentIn arrived() {
    segment.payload = bytes;
    return segment;
  }
};

// The byte of a stream at a place.
inline std::uint8_t stream_byte(std::uint64_t seed, std::uint64_t place) {
  const std::uint64_t z = (place / 8 + seed) * 0x9e3779b97f4a7c15;
  return static_cast<std::uint8_t>((z ^ z >> 29) >> (place % 8 * 8));
}

// A user of a stack: sends `to_send` bytes on each connection, then closes, and counts what comes.
class StreamUser {
 public:
  struct Stream {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    bool connected = false;
    bool closed = false;
    bool close_called = false;
    io::CloseReason reason = io::CloseReason::local;
  };

  StreamUser(std::uint64_t send_seed, std::uint64_t receive_seed, std::uint64_t to_send)
      : send_seed_(send_seed), receive_seed_(receive_seed), to_send_(to_send) {}

  void attach(Tcp& stack) { stack_ = &stack; }
  // Whether this side closes once it has sent everything and got `expected` bytes.
  void close_after(std::uint64_t expected) {
    closes_ = true;
    expected_ = expected;
  }

  void on_open(ConnectionName name, bool connected) {
    streams_[key(name)].connected = connected;
    names_.push_back(name);
    pump(name);
  }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    Stream& stream = streams_[key(name)];
    for (const std::uint8_t byte : lease) {
      if (byte != stream_byte(receive_seed_, stream.received++)) ++wrong_bytes_;
    }
    std::ranges::fill(lease, std::uint8_t{0xee});  // a lease may be overwritten
    pump(name);
  }
  void on_writable(ConnectionName name, std::uint64_t) { pump(name); }
  void on_closed(ConnectionName name, std::uint64_t, io::CloseReason reason) {
    Stream& stream = streams_[key(name)];
    if (stream.closed) ++closed_twice_;
    stream.closed = true;
    stream.reason = reason;
    ++closed_;
  }

  void pump(ConnectionName name) {
    Stream& stream = streams_[key(name)];
    while (stream.sent < to_send_) {
      std::vector<std::uint8_t> chunk(std::min<std::uint64_t>(chunk_, to_send_ - stream.sent));
      for (std::size_t i = 0; i < chunk.size(); ++i) {
        chunk[i] = stream_byte(send_seed_, stream.sent + i);
      }
      const Bytes whole = chunk;
      const std::size_t half = chunk.size() / 2;
      const std::vector<Bytes> pieces{whole.first(half), whole.subspan(half)};
      const std::size_t taken = stack_->send(name, pieces);
      EXPECT_TRUE(taken == 0 || taken == chunk.size());
      if (taken == 0) return;
      stream.sent += taken;
    }
    if (closes_ && !stream.close_called && stream.received >= expected_) {
      stream.close_called = true;
      stack_->close(name, io::CloseMode::graceful);
    }
  }

  void set_chunk(std::size_t chunk) { chunk_ = chunk; }
  const std::vector<ConnectionName>& names() const { return names_; }
  const Stream& stream(ConnectionName name) { return streams_[key(name)]; }
  std::size_t closed() const { return closed_; }
  std::size_t wrong_bytes() const { return wrong_bytes_; }
  std::size_t closed_twice() const { return closed_twice_; }

 private:
  static std::uint64_t key(ConnectionName name) {
    return std::uint64_t{name.slot} << 16 | name.generation;
  }

  const std::uint64_t send_seed_;
  const std::uint64_t receive_seed_;
  const std::uint64_t to_send_;
  std::uint64_t expected_ = 0;
  bool closes_ = false;
  std::size_t chunk_ = 7000;
  Tcp* stack_ = nullptr;
  std::unordered_map<std::uint64_t, Stream> streams_;
  std::vector<ConnectionName> names_;
  std::size_t closed_ = 0;
  std::size_t wrong_bytes_ = 0;
  std::size_t closed_twice_ = 0;
};

class TwoStacks {
 public:
  // How a stack's segments reach the link, which carries single ones.
  struct Port {
    ImpairedLink<Carried>* link = nullptr;
    Instant now{};
    std::size_t uncut = 0;
    std::function<void(const Carried&, Instant)> watch{};

    void transmit(const SegmentOut& segment) {
      if (segment.segment_size == 0) return transmit_one(segment);
      ++uncut;
      EXPECT_GT(payload_size(segment), segment.segment_size);
      cut_segments(segment, [&](const SegmentOut& each) { transmit_one(each); });
    }
    void transmit_one(const SegmentOut& segment) {
      Carried carried = Carried::of(segment);
      const std::size_t size = carried.bytes.size() + 52;
      // No segment is larger than its peer takes, options counted (RFC 6691).
      const Options& options = segment.options;
      const std::size_t sacks = options.sack_count == 0 ? 0 : 4 + 8 * options.sack_count;
      if (!carried.bytes.empty()) {
        const std::size_t most = segment.flow.remote.is_v4() ? 1460 : 1440;
        EXPECT_LE(carried.bytes.size() + (options.timestamps ? 12 : 0) + sacks, most);
      }
      if (watch) watch(carried, now);
      link->send(std::move(carried), size, now);
    }
  };

  TwoStacks(const Settings& settings, const Impairment& impairment, std::uint64_t seed)
      : random_(seed),
        there_(impairment, seed * 2 + 1),
        back_(impairment, seed * 2 + 2),
        client_port_{&there_},
        server_port_{&back_},
        client_(settings, 1, random_, client_port_),
        server_(settings, 2, random_, server_port_) {}

  static Flow flow_v6() {
    Flow flow{{}, {}, 0, 5222};
    flow.local.bytes = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    flow.remote.bytes = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
    return flow;
  }
  static Flow flow() {
    return {IpAddress::v4({10, 0, 0, 1}), IpAddress::v4({10, 0, 0, 2}), 0, 5222};
  }
  Tcp& client() { return client_; }
  Tcp& server() { return server_; }
  ImpairedLink<Carried>& there() { return there_; }
  ImpairedLink<Carried>& back() { return back_; }
  Instant now() const { return now_; }
  // Packets of several segments that either has left to its port.
  std::size_t uncut() const { return client_port_.uncut + server_port_.uncut; }
  void watch(std::function<void(const Carried&, Instant)> watch) {
    client_port_.watch = server_port_.watch = std::move(watch);
  }

  // Runs until nothing is left to happen, `done()`, or `limit` of virtual time. False at the limit.
  template <typename ClientUser, typename ServerUser, typename Done>
  bool run(ClientUser& client_user, ServerUser& server_user, Duration limit, Done&& done) {
    const Instant end = now_ + limit;
    while (!done()) {
      const Instant next = std::min({client_.next_deadline(), server_.next_deadline(),
                                     there_.next_delivery(), back_.next_delivery()});
      if (next == never) return true;
      now_ = std::max(now_, next);
      if (now_ > end) return false;
      client_port_.now = server_port_.now = now_;
      step(client_, client_user, back_);
      step(server_, server_user, there_);
    }
    return true;
  }

 private:
  template <typename User>
  void step(Tcp& stack, User& user, ImpairedLink<Carried>& from) {
    while (auto carried = from.take(now_)) stack.on_segment(carried->arrived(), now_, user);
    stack.expire(now_, user);
    stack.flush(now_, user);
  }

  SeededRandom random_;
  Instant now_{std::chrono::seconds(100)};
  ImpairedLink<Carried> there_;
  ImpairedLink<Carried> back_;
  Port client_port_;
  Port server_port_;
  Tcp client_;
  Tcp server_;
};

}  // namespace godwit::dataplane::tcp
