// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "base/clock.h"
#include "base/random.h"
#include "base/token_bucket.h"
#include "dataplane/tcp/ip/addresses.h"
#include "dataplane/tcp/ip/counters.h"
#include "dataplane/tcp/ip/listener_reports.h"
#include "dataplane/tcp/ip/neighbours.h"
#include "dataplane/tcp/ip/port.h"
#include "dataplane/tcp/ip/routes.h"
#include "dataplane/tcp/ip/settings.h"
#include "dataplane/tcp/wire/arp.h"
#include "dataplane/tcp/wire/icmp.h"
#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/neighbour_discovery.h"
#include "dataplane/tcp/wire/segment.h"

namespace godwit::dataplane::tcp {

// The network half of the stack: frames in, TCP segments and what routers say of ours out; segments
// in, frames out. Answers ARP, neighbour discovery, echo and what nobody listens to by itself, each
// within a rate. Every packet that goes no further is counted by its reason.
//
// Not thread safe; no clock of its own: it knows the time of the last call that had it. Takes all
// its memory when made.
class IpLayer {
 public:
  // `settings` passed check(). `port` and `random` outlive the layer.
  IpLayer(const NetworkSettings& settings, PortView port, RandomSource& random);
  IpLayer(const IpLayer&) = delete;
  IpLayer& operator=(const IpLayer&) = delete;

  // Announces the addresses, or looks for others that have them. To be called once, and again when
  // the link comes back.
  void start(Instant now);

  using Received = std::variant<std::monostate, SegmentIn, IcmpError>;
  // What a frame holds for TCP; its payload views the frame.
  Received receive(MutableBytes frame, RxHints hints, Instant now);

  // The flow that a frame seems to be of, with nothing checked: all zeros where that is not seen at
  // once. For who wants to know beforehand what memory it will need.
  void peek(Bytes frame, Flow& flow) const;

  // Sends a segment, or drops it and counts why. Both addresses are of one family. The time is that
  // of the last receive() or expire().
  void transmit(const SegmentOut& segment);
  // What transmit() has the port cut. Larger ones, and all where it is none, are cut here.
  const Segmentation& segmentation() const { return segmentation_; }

  void expire(Instant now);
  // Not later than the next thing that is due; expire() then finds perhaps nothing to do.
  Instant next_deadline() const;

  const Addresses& addresses() const { return addresses_; }
  const Routes& routes() const { return routes_; }
  const Neighbours& neighbours() const { return neighbours_; }
  const IpCounters& counters() const { return counters_; }

 private:
  // A packet being made: in a frame of the port, or where it waits for a neighbour.
  struct Outgoing {
    MutableBytes packet;  // empty: there is no way, which has been counted; or it may not wait
    std::uint16_t link_size = 0;
    bool waiting = false;
  };
  enum class MayWait : std::uint8_t { no, yes };

  // Going out (ip_output.cc).
  Outgoing open(const IpAddress& destination, std::size_t size, MayWait may_wait = MayWait::yes);
  Outgoing open_to(const MacAddress& mac, EtherType type, std::size_t size);
  Outgoing open_waiting(const IpAddress& neighbour, std::size_t size);
  void send(const Outgoing& out, TxHints hints = {});
  void transmit_one(const SegmentOut& segment);
  bool transmit_uncut(const SegmentOut& segment);
  void send_waiting(const IpAddress& neighbour);
  bool send_icmp(const IpAddress& source, const IpAddress& destination, const IcmpOut& message);

  // The link (link_input.cc).
  Received receive_ethernet(MutableBytes frame, RxHints hints);
  bool is_for_us(const MacAddress& destination) const;
  void receive_arp(Bytes packet);
  bool settle_conflict(const IpAddress& address, const MacAddress& claimed_by);
  void receive_neighbour(const IpPacket& packet, const IcmpMessage& message);
  void receive_solicitation(const IpPacket& packet, const NeighbourMessage& message);
  void receive_advertisement(const NeighbourMessage& message);
  void receive_listener_query(const IpPacket& packet, const IcmpMessage& message);

  // Questions and announcements (link_output.cc).
  void solicit(const Neighbours::Solicitation& solicitation);
  void send_arp(const MacAddress& to, const Arp& arp);
  void send_neighbour(const MacAddress& to, const IpAddress& source, const IpAddress& destination,
                      const NeighbourMessage& message);
  void announce(const IpAddress& address);
  void probe(const IpAddress& address);
  void advance(Addresses::Own& own);
  void report_listening(ListenerReports::Report report);
  void send_report(const IpAddress& destination, std::size_t size, auto&& write);

  // IP (ip_input.cc).
  Received receive_packet(MutableBytes packet, RxHints hints, bool link_group);
  Received receive_tcp(const IpPacket& packet, RxHints hints, bool group);
  Received receive_icmp(const IpPacket& packet, bool group);
  std::optional<Drop> refuse_addresses(const IpPacket& packet, Addresses::Kind destination) const;
  void refuse_protocol(const IpPacket& packet, bool group);

  // Answers (ip_answers.cc).
  void answer_echo(const IpPacket& packet, const IcmpMessage& message);
  void answer_error(const IpPacket& packet, IcmpOut error, bool group_too);
  bool may_answer_error(const IpPacket& packet, bool group_too) const;

  void drop(Drop reason) { counters_.dropped(reason); }

  const NetworkSettings settings_;
  const PortView port_;
  const Segmentation segmentation_;
  const Routes routes_;
  Addresses addresses_;
  Neighbours neighbours_;
  ListenerReports reports_;
  IpCounters counters_;
  TokenBucket echo_rate_;
  TokenBucket error_rate_;
  TokenBucket neighbour_rate_;
  Instant addresses_due_ = never;
  Instant now_{};
};

}  // namespace godwit::dataplane::tcp
