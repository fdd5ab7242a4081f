// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <poll.h>

#include <memory>
#include <vector>

#include "dataplane/io/dpdk/dpdk_backend.h"
#include "dataplane/tcp/wire/tcp_header.h"
#include "tests/dataplane/io/dpdk/over_taps.h"
#include "tests/dataplane/tcp/card.h"
#include "tests/dataplane/tcp/two_stacks.h"

// Large packets of TCP are handed to DPDK's driver of a tap, which cuts them, and the kernel at the
// other end gets them: as frames, compared with what a card is to make of them, and as a stream.

namespace godwit::dataplane::io::dpdk {

namespace {

using tcp::Frame;

// Sends as much as is taken.
struct Sender {
  static constexpr std::size_t chunk = 50'000;
  DpdkBackend* backend = nullptr;
  std::uint64_t to_send = 0;
  std::uint64_t sent = 0;
  bool closed = false;

  void on_open(ConnectionName name, bool connected) {
    EXPECT_TRUE(connected);
    pump(name);
  }
  void on_bytes(ConnectionName, std::uint64_t, MutableBytes) {}
  void on_writable(ConnectionName name, std::uint64_t) { pump(name); }
  void on_closed(ConnectionName, std::uint64_t, CloseReason) { closed = true; }
  void pump(ConnectionName name) {
    std::vector<std::uint8_t> bytes(chunk);
    while (sent < to_send) {
      bytes.resize(std::min<std::uint64_t>(chunk, to_send - sent));
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = tcp::stream_byte(1, sent + i);
      const Bytes piece(bytes);
      if (backend->send(name, {&piece, 1}) == 0) return;
      sent += bytes.size();
    }
    backend->close(name, CloseMode::graceful);
  }
};

// The kernel's end of one connection.
class KernelReader {
 public:
  KernelReader() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    socklen_t size = sizeof any;
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&any), size);
    ::listen(listener_, 1);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &size);
    port_ = ntohs(any.sin_port);
  }
  ~KernelReader() {
    ::close(peer_);
    ::close(listener_);
  }
  KernelReader(const KernelReader&) = delete;
  KernelReader& operator=(const KernelReader&) = delete;

  // Of all segments that come, so many of 1000 are lost, whatever DPDK thinks of it.
  void lose(std::uint32_t of_1000) { lost_of_1000_ = of_1000; }
  void step() {
    if (peer_ < 0) {
      peer_ = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
      EXPECT_TRUE(peer_ < 0 || lost_of_1000_ == 0 || lose_segments());
    }
    std::uint8_t bytes[65536];
    for (ssize_t got; peer_ >= 0 && (got = ::recv(peer_, bytes, sizeof bytes, 0)) >= 0;) {
      for (ssize_t i = 0; i < got; ++i) {
        wrong += bytes[i] != tcp::stream_byte(1, received++);
      }
      ended = got == 0;
      if (ended) return;
    }
  }
  std::uint16_t port() const { return port_; }

  std::uint64_t received = 0;
  std::uint64_t wrong = 0;
  bool ended = false;

 private:
  // A filter before TCP: what it refuses has not come.
  bool lose_segments() const {
    const auto limit = static_cast<std::uint32_t>(std::uint64_t{UINT32_MAX} * lost_of_1000_ / 1000);
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, limit, 0, 1), BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0)};
    const sock_fprog program{.len = 4, .filter = code};
    return ::setsockopt(peer_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
  }

  const int listener_;
  int peer_ = -1;
  std::uint16_t port_ = 0;
  std::uint32_t lost_of_1000_ = 0;
};

class Tso : public OverTaps {
 protected:
  void open(const std::string& interface, bool segmentation = true) {
    ASSERT_NO_FATAL_FAILURE(open_tap(interface, {.device = {}, .segmentation = segmentation}));
    ASSERT_TRUE(kernel_->address("192.0.2.2"));
  }
  // A whole stream from our stack to the kernel.
  void transfer(std::uint64_t bytes, std::uint32_t lost_of_1000 = 0) {
    DpdkBackend::Options options{.shard = 0, .stack = {}, .description = "a tap"};
    options.stack.network.mac = device_->mac();
    options.stack.network.addresses = {*parse_ip_prefix("192.0.2.1/24")};
    backend_ =
        std::make_unique<DpdkBackend>(options, std::make_unique<DeviceQueue>(*device_, 0), random_);
    Sender sender{.backend = backend_.get(), .to_send = bytes};
    KernelReader reader;
    reader.lose(lost_of_1000);
    ASSERT_TRUE(backend_->connect({.host = "192.0.2.2", .port = reader.port()}).has_value());
    const Instant end = monotonic_now() + std::chrono::seconds(40);
    while (!reader.ended && monotonic_now() < end) {
      const Now now = read_clocks();
      backend_->poll(now, 256, now.instant, sender);
      reader.step();
    }
    EXPECT_EQ(reader.received, bytes);
    EXPECT_EQ(reader.wrong, 0u);
    EXPECT_TRUE(reader.ended);
    EXPECT_EQ(backend_->stack().tcp().first_broken_invariant(), "");
  }
  // Hands the driver a packet of so many bytes of payload, and returns what is to become of it.
  std::vector<Frame> hand_over(DeviceQueue& queue, std::size_t size, std::uint32_t seq) {
    std::vector<std::uint8_t> payload(size);
    for (std::size_t i = 0; i < size; ++i) payload[i] = tcp::stream_byte(seq, i);
    const Bytes all(payload);
    const Bytes pieces[] = {all.first(size / 3), all.subspan(size / 3)};
    tcp::SegmentOut segment{
        .flow = {IpAddress::v4({192, 0, 2, 1}), IpAddress::v4({192, 0, 2, 77}), 5210, 9},
        .seq = seq,
        .flags = tcp::Flags::ack | tcp::Flags::psh,
        .payload = pieces,
        .segment_size = segment_size};
    segment.options.timestamps = tcp::Timestamps{1, 2};
    const std::size_t head = tcp::tcp_head_size(segment);
    const MutableBytes room = queue.frame(14 + 20 + head);
    EXPECT_FALSE(room.empty());
    tcp::write_ethernet(
        room, {{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, device_->mac(), {}, tcp::EtherType::ipv4});
    tcp::IpOut ip{segment.flow.local, segment.flow.remote, tcp::Protocol::tcp, head + size};
    ip.checksum = false;
    tcp::write_ip(room.subspan(14), ip);
    tcp::write_tcp_head_to_cut(room.subspan(34), segment);
    Frame frame(room.begin(), room.end());
    frame.insert(frame.end(), payload.begin(), payload.end());
    EXPECT_TRUE(queue.append(pieces));
    const tcp::TxHints hints{.ip_checksum = true,
                             .tcp_checksum = true,
                             .v4 = true,
                             .link_size = 14,
                             .ip_size = 20,
                             .tcp_size = static_cast<std::uint16_t>(head),
                             .segment_size = segment_size};
    queue.send(hints);
    return tcp::Card::send(frame, hints);
  }
  // What the kernel hears of TCP, until there are so many or for two seconds.
  static std::vector<Frame> heard(int raw, std::size_t count) {
    std::vector<Frame> frames;
    for (int quiet = 0; frames.size() < count && quiet < 200;) {
      Frame frame(2048);
      const ssize_t got = ::recv(raw, frame.data(), frame.size(), 0);
      if (got < 0) {
        ++quiet;
        ::usleep(10'000);
        continue;
      }
      frame.resize(static_cast<std::size_t>(got));
      if (frame.size() > 34 && frame[12] == 8 && frame[13] == 0 && frame[23] == 6) {
        frames.push_back(std::move(frame));
      }
    }
    return frames;
  }

  static constexpr std::uint16_t segment_size = 1400;
  SystemRandom random_;
  std::unique_ptr<DpdkBackend> backend_;
};

TEST_F(Tso, TheDriverCutsAsACardDoes) {
  open("gws0");
  EXPECT_NE(device_->describe().find("segmentation offload over IPv4"), std::string::npos)
      << device_->describe();
  DeviceQueue queue(*device_, 0);
  queue.attach();
  const int raw = kernel_->raw_socket();
  ASSERT_GE(raw, 0);
  // The least, one with an end, and the largest.
  for (const std::size_t size : {segment_size + std::size_t{1}, std::size_t{20'003},
                                 std::size_t{tcp::uncut_segments_max} * segment_size}) {
    SCOPED_TRACE(size);
    const auto expected = hand_over(queue, size, static_cast<std::uint32_t>(size));
    queue.flush();
    const auto got = heard(raw, expected.size());
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], expected[i]) << i;
  }
  EXPECT_EQ(queue.counters().tx_uncut, 3u);
  EXPECT_EQ(queue.counters().tx_dropped, 0u);
  EXPECT_EQ(queue.counters().no_buffers, 0u);
  ::close(raw);
}

TEST_F(Tso, MoreThanABurstHoldsLeavesInOrder) {
  open("gws1");
  DeviceQueue queue(*device_, 0);
  queue.attach();
  const int raw = kernel_->raw_socket();
  ASSERT_GE(raw, 0);
  const int room = 8 << 20;
  ::setsockopt(raw, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  std::vector<Frame> expected;
  for (std::uint32_t i = 0; i < 12; ++i) {
    for (Frame& frame : hand_over(queue, 30'000, i * 30'000)) expected.push_back(std::move(frame));
  }
  queue.flush();
  EXPECT_FALSE(queue.unsent());
  EXPECT_EQ(heard(raw, expected.size()), expected);
  EXPECT_EQ(queue.counters().tx_packets, 12u);
  EXPECT_EQ(queue.counters().tx_dropped, 0u);
  ::close(raw);
}

TEST_F(Tso, WhatIsTooLargeForAChainFindsNoRoom) {
  open("gws2");
  DeviceQueue queue(*device_, 0);
  queue.attach();
  const std::vector<std::uint8_t> most(EthernetDevice::chain_max * 2048 - 66);
  const std::vector<std::uint8_t> one(1);
  const Bytes fits[] = {most};
  const Bytes too_large[] = {most, one};
  ASSERT_EQ(queue.frame(66).size(), 66u);
  EXPECT_FALSE(queue.append(too_large));
  EXPECT_EQ(queue.counters().no_buffers, 1u);
  ASSERT_EQ(queue.frame(66).size(), 66u);
  EXPECT_TRUE(queue.append(fits));
}

TEST_F(Tso, AStreamReachesTheKernelWhole) {
  open("gws3");
  transfer(10'000'000);
  const QueueCounters& counters = backend_->link().counters();
  EXPECT_GT(counters.tx_uncut, 100u);
  EXPECT_EQ(counters.tx_uncut, backend_->stack().tcp().counters().uncut_out);
  EXPECT_EQ(counters.tx_dropped + counters.no_buffers, 0u);
  EXPECT_GT(backend_->stack().tcp().counters().segments_out, 2 * counters.tx_packets);
}

TEST_F(Tso, AStreamReachesTheKernelWholeWhereSegmentsAreLost) {
  open("gws4");
  transfer(3'000'000, 20);
  EXPECT_GT(backend_->link().counters().tx_uncut, 50u);
  EXPECT_GT(backend_->stack().tcp().counters().retransmits, 10u);
}

TEST_F(Tso, SwitchedOffNothingIsLeftToTheDriver) {
  open("gws5", false);
  EXPECT_NE(device_->describe().find("no segmentation offload"), std::string::npos);
  transfer(1'000'000);
  EXPECT_EQ(backend_->link().counters().tx_uncut, 0u);
  EXPECT_GT(backend_->link().counters().tx_packets, 600u);
}

}  // namespace

}  // namespace godwit::dataplane::io::dpdk

int main(int argc, char** argv) {
  using godwit::dataplane::io::dpdk::OverTaps;
  return OverTaps::run(argc, argv, {.interfaces = "gws", .taps = 6});
}
