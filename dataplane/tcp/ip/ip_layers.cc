// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/ip_layers.h"

#include <algorithm>

#include "base/result.h"

namespace godwit::dataplane::tcp {

IpLayers::IpLayers(std::span<const NetworkSettings> networks, std::span<const PortView> ports,
                   RandomSource& random) {
  GODWIT_CHECK(networks.size() == ports.size() && check(networks));
  for (std::size_t port = 0; port < networks.size(); ++port) {
    layers_.push_back(std::make_unique<IpLayer>(networks[port], ports[port], random));
    mtus_.push_back(static_cast<std::uint32_t>(networks[port].mtu));
  }
}

void IpLayers::start(Instant now) {
  for (const auto& layer : layers_) layer->start(now);
}

void IpLayers::expire(Instant now) {
  for (const auto& layer : layers_) layer->expire(now);
}

Instant IpLayers::next_deadline() const {
  Instant next = never;
  for (const auto& layer : layers_) next = std::min(next, layer->next_deadline());
  return next;
}

Segmentation IpLayers::segmentation() const {
  Segmentation most;
  for (const auto& layer : layers_) {
    const Segmentation& one = layer->segmentation();
    most.v4 = std::max(most.v4, one.v4);
    most.v6 = std::max(most.v6, one.v6);
    if (one.packet_max == 0) continue;
    most.packet_max =
        most.packet_max == 0 ? one.packet_max : std::min(most.packet_max, one.packet_max);
  }
  return most;
}

std::optional<std::size_t> IpLayers::port_of(const IpAddress& address) const {
  for (std::size_t port = 0; port < count(); ++port) {
    if (at(port).addresses().is_own(address)) return port;
  }
  return std::nullopt;
}

IpAddress IpLayers::source_for(const IpAddress& remote) const {
  if (count() == 1) return at(0).addresses().source_for(remote);
  IpAddress best;
  int best_bits = -1;
  for (const auto& layer : layers_) {
    const auto bits = layer->routes().match(remote);
    const IpAddress source = layer->addresses().source_for(remote);
    if (!bits || !source.known() || *bits <= best_bits) continue;
    best_bits = *bits;
    best = source;
  }
  return best;
}

}  // namespace godwit::dataplane::tcp
