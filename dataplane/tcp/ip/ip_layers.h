// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/tcp/ip/ip_layer.h"

namespace godwit::dataplane::tcp {

// The ports of one stack: to each an IP layer of its own, with its addresses, routes and
// neighbours, which knows nothing of the others.
//
// A strong host (RFC 1122, 3.3.4.2): an address is on one port, is answered for there alone, and
// what comes from it leaves there, by that port's routes. So a connection stays on the port it
// came in on without a word of its own to remember it: its local address says which.
//
// As IpLayer: not thread safe, no clock of its own.
class IpLayers {
 public:
  // `networks` passed check(); to each its port. The ports and `random` outlive the layers.
  IpLayers(std::span<const NetworkSettings> networks, std::span<const PortView> ports,
           RandomSource& random);
  IpLayers(const IpLayers&) = delete;
  IpLayers& operator=(const IpLayers&) = delete;

  std::size_t count() const { return layers_.size(); }
  IpLayer& at(std::size_t port) { return *layers_[port]; }
  const IpLayer& at(std::size_t port) const { return *layers_[port]; }

  void start(Instant now);
  void expire(Instant now);
  Instant next_deadline() const;

  // As IpLayer::transmit, by the port that has the segment's local address. One that no port has
  // is left to the first, as a single port sends whatever it is given.
  void transmit(const SegmentOut& segment) {
    at(port_of(segment.flow.local).value_or(0)).transmit(segment);
  }
  // The most that any of the ports cuts: for one that cuts less its layer does. Of what they make
  // the least.
  Segmentation segmentation() const;
  // Bytes of the largest packet on the port that has an address.
  std::uint32_t mtu_from(const IpAddress& local) const { return mtus_[port_of(local).value_or(0)]; }

  // Which port has an address of ours; none when it is not ours.
  std::optional<std::size_t> port_of(const IpAddress& address) const;
  // Where to dial a peer from: an address of the port with the longest matching route, of those
  // that match alike of the first. All zeros when none leads there.
  IpAddress source_for(const IpAddress& remote) const;

 private:
  std::vector<std::unique_ptr<IpLayer>> layers_;
  std::vector<std::uint32_t> mtus_;
};

}  // namespace godwit::dataplane::tcp
