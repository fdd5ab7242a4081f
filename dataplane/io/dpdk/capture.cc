// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/capture.h"

#include <algorithm>

#include "dataplane/tcp/wire/ethernet.h"
#include "dataplane/tcp/wire/ip.h"

namespace godwit::dataplane::io::dpdk {

namespace {

// ICMP's header, and of what it quotes the IP header without options, ports and sequence number.
constexpr std::size_t other_header_bytes = 8 + 20 + 8;

std::size_t transport_header_bytes(const tcp::IpPacket& packet) {
  if (packet.protocol != tcp::Protocol::tcp) return other_header_bytes;
  // RFC 9293, 3.1: the data offset counts in words of four bytes.
  return packet.payload.size() < 13 ? packet.payload.size()
                                    : std::size_t{packet.payload[12]} / 16 * 4;
}

}  // namespace

std::size_t header_bytes(MutableBytes frame) {
  const auto limited = [&](std::size_t size) {
    return std::min({size, frame.size(), CapturedFrame::kept_max});
  };
  const auto header = tcp::parse_ethernet(frame);
  if (!header) return limited(tcp::ethernet_header_size);
  const MutableBytes packet = frame.subspan(header->size());
  const auto of = [&](const auto& parsed) {
    // Of what cannot be read, as little as tells what it is.
    if (!parsed) return limited(header->size() + tcp::ipv4_header_size);
    const auto before = static_cast<std::size_t>(parsed->payload.data() - frame.data());
    const std::size_t here = std::min(transport_header_bytes(*parsed), parsed->payload.size());
    return limited(before + here);
  };
  if (header->type == tcp::EtherType::ipv4) return of(tcp::parse_ipv4(packet, true));
  if (header->type == tcp::EtherType::ipv6) return of(tcp::parse_ipv6(packet));
  return limited(header->size() + other_header_bytes);
}

void Capture::start() {
  if (ring_ == nullptr) ring_ = std::make_unique<queues::SpscRing<CapturedFrame>>(ring_capacity);
  on_.store(true, std::memory_order_release);
}

void Capture::keep(MutableBytes frame, Now now, const CaptureNote& note) {
  CapturedFrame captured;
  captured.unix_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(now.wall.time_since_epoch()).count());
  captured.size = static_cast<std::uint32_t>(frame.size() + note.beyond);
  captured.kept = static_cast<std::uint16_t>(
      note.beyond == 0 ? header_bytes(frame) : std::min(frame.size(), CapturedFrame::kept_max));
  captured.port = static_cast<std::uint8_t>(note.port);
  std::copy_n(frame.begin(), captured.kept, captured.bytes.begin());
  if (!ring_->try_push(captured)) {
    lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return;
  }
  ring_->flush();
}

}  // namespace godwit::dataplane::io::dpdk
