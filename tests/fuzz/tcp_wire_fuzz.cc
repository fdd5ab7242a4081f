// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "dataplane/tcp/wire/arp.h"
#include "dataplane/tcp/wire/icmp.h"
#include "dataplane/tcp/wire/neighbour_discovery.h"
#include "dataplane/tcp/wire/tcp_header.h"

// Every header a frame may have, read from any bytes: nothing is read past the end (the sanitizer
// looks), views lie in the frame, and what is understood is written back with the same meaning.

namespace {

using namespace godwit;
using namespace godwit::dataplane::tcp;

bool lies_in(Bytes inner, Bytes outer) {
  return inner.empty() || (inner.data() >= outer.data() &&
                           inner.data() + inner.size() <= outer.data() + outer.size());
}

bool same(const Options& a, const Options& b) {
  const auto equal = [](const SequenceRange& one, const SequenceRange& other) {
    return one.begin == other.begin && one.end == other.end;
  };
  const bool stamps = a.timestamps.has_value() == b.timestamps.has_value() &&
                      (!a.timestamps || (a.timestamps->value == b.timestamps->value &&
                                         a.timestamps->echo == b.timestamps->echo));
  return a.mss == b.mss && a.window_scale == b.window_scale &&
         a.sack_permitted == b.sack_permitted && stamps &&
         std::ranges::equal(a.sack_blocks(), b.sack_blocks(), equal);
}

void check_options(Bytes bytes, bool is_syn) {
  Options options = parse_tcp_options(bytes, is_syn);
  const std::size_t size = tcp_options_size(options);
  GODWIT_CHECK(size <= tcp_options_size_max && size % 4 == 0);
  std::vector<std::uint8_t> written(size);
  write_tcp_options(written, options);
  const Options again = parse_tcp_options(written, is_syn);
  // Blocks that have no room beside the rest are left out, the last ones first.
  options.sack_count = std::min(options.sack_count, again.sack_count);
  GODWIT_CHECK(same(options, again));
}

void check_tcp(const IpPacket& packet) {
  const auto segment = parse_tcp(packet, true);
  if (!segment) return;
  GODWIT_CHECK(lies_in(segment->payload, packet.payload));
  GODWIT_CHECK(segment->flow.local == packet.destination);
  const Bytes payload = segment->payload;
  SegmentOut out{{segment->flow.remote, segment->flow.local, segment->flow.remote_port,
                  segment->flow.local_port},
                 segment->seq,
                 segment->ack,
                 segment->window,
                 segment->flags};
  out.payload = {&payload, 1};
  std::vector<std::uint8_t> bytes(tcp_size(out));
  write_tcp(bytes, out, ChecksumBy::us);
  IpPacket again = packet;
  again.payload = bytes;
  const auto reread = parse_tcp(again, false);
  GODWIT_CHECK(reread && reread->seq == segment->seq && reread->flags == segment->flags);
  GODWIT_CHECK(std::ranges::equal(reread->payload, segment->payload));
}

void check_icmp(const IpPacket& packet) {
  if (const auto message = parse_icmp(packet)) {
    GODWIT_CHECK(lies_in(message->body, packet.payload));
    const auto error = parse_icmp_error(packet, *message);
    GODWIT_CHECK(!error || error->flow.local == packet.destination);
  }
  // The parsers behind the checksum, which a fuzzer does not find.
  if (packet.payload.size() < icmp_header_size) return;
  IcmpMessage message;
  message.type = packet.payload[0];
  message.code = packet.payload[1];
  message.body = packet.payload.subspan(icmp_header_size);
  (void)parse_icmp_error(packet, message);
  const auto neighbour = parse_neighbour(packet, message);
  GODWIT_CHECK(!neighbour || !is_multicast(neighbour->target));
}

void check_ip(MutableBytes bytes) {
  if (bytes.empty()) return;
  const auto packet = bytes[0] >> 4 == 4 ? parse_ipv4(bytes, true) : parse_ipv6(bytes);
  if (!packet) {
    GODWIT_CHECK(drop_name(packet.error().drop).size() > 0);
    return;
  }
  GODWIT_CHECK(lies_in(packet->whole, bytes) && lies_in(packet->payload, packet->whole));
  GODWIT_CHECK(quote_size(*packet) <= packet->whole.size());
  (void)is_valid_udp(*packet);
  check_tcp(*packet);
  check_icmp(*packet);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::vector<std::uint8_t> bytes(data + 1, data + size);
  switch (data[0] % 4) {
    case 0:
      check_ip(bytes);
      break;
    case 1:
      check_options(bytes, (data[0] & 4) != 0);
      break;
    case 2:
      if (const auto header = parse_ethernet(bytes)) {
        check_ip(MutableBytes(bytes).subspan(header->size()));
      }
      break;
    default:
      if (const auto arp = parse_arp(bytes)) {
        std::vector<std::uint8_t> written(arp_size);
        write_arp(written, *arp);
        GODWIT_CHECK(std::ranges::equal(written, Bytes(bytes).first(arp_size)));
      }
  }
  return 0;
}
