// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/ip_layer.h"

#include <algorithm>
#include <cstring>

#include "base/big_endian.h"
#include "base/result.h"

namespace godwit::dataplane::tcp {
namespace {

constexpr Duration duplicate_wait = std::chrono::seconds(1);         // RFC 4862, 5.1
constexpr Duration announcement_interval = std::chrono::seconds(2);  // RFC 5227, 1.1
constexpr std::uint8_t announcements = 2;

// The groups of our addresses, each once.
std::vector<IpAddress> groups_of(const NetworkSettings& settings, const Addresses& addresses) {
  std::vector<IpAddress> groups;
  if (settings.link == LinkMode::raw_ip || !settings.listener_reports) return groups;
  for (const Addresses::Own& own : addresses.all()) {
    if (own.prefix.address.is_v4()) continue;
    const IpAddress group = solicited_node_group(own.prefix.address);
    if (std::ranges::find(groups, group) == groups.end()) groups.push_back(group);
  }
  return groups;
}

// Drivers differ in whether they find the headers behind a tag that lies in the frame.
Segmentation segmentation_of(const NetworkSettings& settings, const PortView& port) {
  return settings.vlan ? Segmentation{} : port.features().segmentation;
}

}  // namespace

IpLayer::IpLayer(const NetworkSettings& settings, PortView port, RandomSource& random)
    : settings_(settings),
      port_(port),
      segmentation_(segmentation_of(settings, port)),
      routes_(settings),
      addresses_(settings),
      neighbours_(settings.neighbours, settings.link == LinkMode::ethernet ? settings.mtu : 0,
                  random),
      reports_(groups_of(settings, addresses_), random) {
  GODWIT_CHECK(check(settings));
}

void IpLayer::start(Instant now) {
  now_ = now;
  if (settings_.link == LinkMode::raw_ip) return;
  for (const IpRoute& route : settings_.routes) neighbours_.keep(route.gateway, now);
  for (Addresses::Own& own : addresses_.all()) {
    const bool check_it = settings_.detect_duplicates && own.state == Addresses::State::ready;
    if (check_it) own.state = Addresses::State::tentative;
  }
  // Before anything is asked of a group: a switch has to know where it goes (RFC 4862, 5.4.2).
  reports_.start(now);
  if (const auto report = reports_.take_due(now)) report_listening(*report);
  for (Addresses::Own& own : addresses_.all()) {
    own.announcements_left = announcements;
    own.due = now;
    if (own.state == Addresses::State::tentative) {
      own.due = now + duplicate_wait;
      probe(own.prefix.address);
    }
    addresses_due_ = std::min(addresses_due_, own.due);
  }
  expire(now);
}

// The next step of an address whose time has come.
void IpLayer::advance(Addresses::Own& own) {
  own.due = never;
  if (own.state == Addresses::State::duplicate) return;
  own.state = Addresses::State::ready;
  if (own.announcements_left == 0) return;
  --own.announcements_left;
  announce(own.prefix.address);
  if (own.announcements_left > 0) own.due = now_ + announcement_interval;
}

void IpLayer::expire(Instant now) {
  now_ = now;
  if (addresses_due_ <= now) {
    addresses_due_ = never;
    for (Addresses::Own& own : addresses_.all()) {
      if (own.due <= now) advance(own);
      addresses_due_ = std::min(addresses_due_, own.due);
    }
  }
  if (reports_.next_deadline() <= now) {
    if (const auto report = reports_.take_due(now)) report_listening(*report);
  }
  while (const auto expired = neighbours_.expire(now)) {
    if (expired->solicitation) solicit(*expired->solicitation);
    for (std::uint32_t i = 0; i < expired->lost_packets; ++i) drop(Drop::neighbour_unreachable);
  }
}

Instant IpLayer::next_deadline() const {
  return std::min({addresses_due_, neighbours_.next_deadline(), reports_.next_deadline()});
}

void IpLayer::peek(Bytes frame, Flow& flow) const {
  const std::size_t link_size = settings_.link == LinkMode::raw_ip ? 0
                                : settings_.vlan ? ethernet_header_size + vlan_tag_size
                                                 : ethernet_header_size;
  flow = {};
  if (frame.size() < link_size + ipv6_header_size) return;
  const std::uint8_t* const ip = frame.data() + link_size;
  const std::uint8_t* ports = ip + ipv4_header_size;
  constexpr auto protocol = static_cast<std::uint8_t>(Protocol::tcp);
  if (ip[0] == 0x45 && ip[9] == protocol) {
    flow.remote = IpAddress::v4({ip[12], ip[13], ip[14], ip[15]});
    flow.local = IpAddress::v4({ip[16], ip[17], ip[18], ip[19]});
  } else if (ip[0] >> 4 == 6 && ip[6] == protocol &&
             frame.size() >= link_size + ipv6_header_size + 4) {
    std::memcpy(flow.remote.bytes.data(), ip + 8, 16);
    std::memcpy(flow.local.bytes.data(), ip + 24, 16);
    ports = ip + ipv6_header_size;
  } else {
    return;
  }
  flow.remote_port = load_u16(ports);
  flow.local_port = load_u16(ports + 2);
}

IpLayer::Received IpLayer::receive(MutableBytes frame, RxHints hints, Instant now) {
  now_ = now;
  ++counters_.frames_in;
  counters_.bytes_in += frame.size();
  if (settings_.link == LinkMode::raw_ip) return receive_packet(frame, hints, false);
  return receive_ethernet(frame, hints);
}

}  // namespace godwit::dataplane::tcp
