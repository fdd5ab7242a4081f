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
    for (const Addresses::Own& own : layers_.back()->addresses().all()) {
      places_.push_back({own.prefix.address, port});
    }
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

std::optional<std::size_t> IpLayers::port_of(const IpAddress& address) const {
  for (const Place& place : places_) {
    if (place.address == address) return place.port;
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
