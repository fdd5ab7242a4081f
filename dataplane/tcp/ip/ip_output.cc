// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dataplane/tcp/ip/ip_layer.h"
#include "dataplane/tcp/wire/cut_segments.h"
#include "dataplane/tcp/wire/tcp_header.h"

namespace godwit::dataplane::tcp {

// Room for an IP packet of `size` bytes on its way to `destination`.
IpLayer::Outgoing IpLayer::open(const IpAddress& destination, std::size_t size, MayWait may_wait) {
  if (size > settings_.mtu) {
    drop(Drop::too_long);
    return {};
  }
  if (settings_.link == LinkMode::raw_ip) return open_to({}, {}, size);
  const auto next = routes_.next_hop(destination);
  if (!next) {
    drop(Drop::no_route);
    return {};
  }
  const auto resolved = neighbours_.resolve(*next, now_);
  if (resolved.solicit) solicit({*next, {}});
  switch (resolved.kind) {
    case Neighbours::Resolution::Kind::ready:
      return open_to(resolved.mac, next->is_v4() ? EtherType::ipv4 : EtherType::ipv6, size);
    case Neighbours::Resolution::Kind::pending:
      if (may_wait == MayWait::no) return {{}, 0, true};
      return open_waiting(*next, size);
    case Neighbours::Resolution::Kind::full:
      break;
  }
  drop(Drop::neighbour_table_full);
  return {};
}

// With raw IP there is no header before the packet, and `mac` and `type` mean nothing.
IpLayer::Outgoing IpLayer::open_to(const MacAddress& mac, EtherType type, std::size_t size) {
  EthernetHeader header{mac, settings_.mac, settings_.vlan, type};
  const std::size_t link_size = settings_.link == LinkMode::raw_ip ? 0 : header.size();
  const MutableBytes frame = port_.frame(link_size + size);
  if (frame.empty()) {
    drop(Drop::no_frame);
    return {};
  }
  if (link_size > 0) write_ethernet(frame, header);
  return {frame.subspan(link_size), static_cast<std::uint16_t>(link_size), false};
}

IpLayer::Outgoing IpLayer::open_waiting(const IpAddress& neighbour, std::size_t size) {
  const std::size_t waited = neighbours_.waiting();
  const MutableBytes packet = neighbours_.wait(neighbour, size);
  // This one, or the one whose place it took.
  if (neighbours_.waiting() <= waited) drop(Drop::neighbour_unresolved);
  return {packet, 0, true};
}

// What waits is sent when its neighbour is known, complete as it is.
void IpLayer::send(const Outgoing& out, TxHints hints) {
  if (out.waiting) return;
  hints.link_size = out.link_size;
  ++counters_.frames_out;
  counters_.bytes_out += out.link_size + out.packet.size();
  port_.send(hints);
}

void IpLayer::send_waiting(const IpAddress& neighbour) {
  for (Bytes packet; !(packet = neighbours_.take_waiting(neighbour)).empty();) {
    const Outgoing out = open(neighbour, packet.size());
    if (out.packet.empty()) continue;
    std::ranges::copy(packet, out.packet.begin());
    send(out);
  }
}

void IpLayer::transmit(const SegmentOut& segment) {
  if (segment.segment_size == 0) return transmit_one(segment);
  if (transmit_uncut(segment)) return;
  cut_segments(segment, [&](const SegmentOut& each) { transmit_one(each); });
}

// Several segments as one, for the port to cut. False where that cannot be: it does not, its memory
// is short, or the neighbour is not known yet, and single packets may wait until it is.
bool IpLayer::transmit_uncut(const SegmentOut& segment) {
  const bool v4 = segment.flow.remote.is_v4();
  const std::size_t ip_size = ip_header_size(v4);
  const std::size_t head_size = tcp_head_size(segment);
  const std::size_t size = head_size + payload_size(segment);
  const std::size_t each_max =
      segmentation_.packet_max != 0 ? segmentation_.packet_max : settings_.mtu;
  if (ip_size + size > segmentation_.of(v4)) return false;
  if (ip_size + head_size + segment.segment_size > each_max) return false;
  const Outgoing out = open(segment.flow.remote, ip_size + head_size, MayWait::no);
  if (out.packet.empty()) return !out.waiting;
  IpOut header{segment.flow.local, segment.flow.remote, Protocol::tcp, size, segment.ecn};
  header.checksum = false;
  write_ip(out.packet, header);
  write_tcp_head_to_cut(out.packet.subspan(ip_size), segment);
  if (!port_.append(segment.payload)) return false;
  counters_.bytes_out += size - head_size;
  send(out, {.ip_checksum = v4,
             .tcp_checksum = true,
             .v4 = v4,
             .ip_size = static_cast<std::uint16_t>(ip_size),
             .tcp_size = static_cast<std::uint16_t>(head_size),
             .segment_size = segment.segment_size});
  return true;
}

void IpLayer::transmit_one(const SegmentOut& segment) {
  const bool v4 = segment.flow.remote.is_v4();
  const std::size_t ip_size = ip_header_size(v4);
  const std::size_t size = tcp_size(segment);
  const Outgoing out = open(segment.flow.remote, ip_size + size);
  if (out.packet.empty()) return;
  PortFeatures port = port_.features();
  if (out.waiting) port = {};
  IpOut header{segment.flow.local, segment.flow.remote, Protocol::tcp, size, segment.ecn};
  header.checksum = !port.ip_checksum;
  write_ip(out.packet, header);
  write_tcp(out.packet.subspan(ip_size), segment,
            port.tcp_checksum ? ChecksumBy::port : ChecksumBy::us);
  send(out, {.ip_checksum = v4 && port.ip_checksum,
             .tcp_checksum = port.tcp_checksum,
             .v4 = v4,
             .ip_size = static_cast<std::uint16_t>(ip_size)});
}

// True when it left, or waits for a neighbour.
bool IpLayer::send_icmp(const IpAddress& source, const IpAddress& destination,
                        const IcmpOut& message) {
  const bool v4 = destination.is_v4();
  const std::size_t ip_size = ip_header_size(v4);
  const std::size_t size = icmp_header_size + message.body.size();
  const Outgoing out = open(destination, ip_size + size);
  if (out.packet.empty()) return false;
  write_ip(out.packet, {source, destination, v4 ? Protocol::icmp : Protocol::icmp_v6, size});
  write_icmp(out.packet.subspan(ip_size), source, destination, message);
  send(out);
  return true;
}

}  // namespace godwit::dataplane::tcp
