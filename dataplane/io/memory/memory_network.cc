// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/memory/memory_network.h"

#include <algorithm>

#include "dataplane/io/memory/memory_backend.h"

namespace godwit::dataplane::io {

namespace memory {

void Link::poke(std::size_t side) {
  if (ends[side].backend != nullptr && ends[side].slot != not_accepted)
    ends[side].backend->mark_ready(ends[side].slot);
}

}  // namespace memory

Result<std::uint16_t> MemoryNetwork::listen(MemoryBackend& backend, const Endpoint& endpoint) {
  std::uint16_t port = endpoint.port;
  if (port == 0) {
    while (listeners_.contains(next_port_)) ++next_port_;
    port = next_port_++;
    if (next_port_ == 0) next_port_ = 49152;
  }
  listeners_[port].backends.push_back(&backend);
  return port;
}

void MemoryNetwork::stop_listening(MemoryBackend& backend) {
  for (auto entry = listeners_.begin(); entry != listeners_.end();) {
    std::erase(entry->second.backends, &backend);
    entry = entry->second.backends.empty() ? listeners_.erase(entry) : std::next(entry);
  }
}

MemoryBackend* MemoryNetwork::choose_listener(const Endpoint& endpoint) {
  const auto found = listeners_.find(endpoint.port);
  if (found == listeners_.end()) return nullptr;
  Listeners& listeners = found->second;
  return listeners.backends[listeners.next++ % listeners.backends.size()];
}

std::shared_ptr<memory::Link> MemoryNetwork::make_link() {
  auto link = std::make_shared<memory::Link>();
  link->id = ++last_link_;
  links_[link->id] = link;
  // Forgotten links go once they are most of the table.
  if (links_.size() > 1024 && links_.size() % 1024 == 0) {
    std::erase_if(links_, [](const auto& entry) { return entry.second.expired(); });
  }
  return link;
}

std::shared_ptr<memory::Link> MemoryNetwork::find(std::uint64_t link) {
  const auto found = links_.find(link);
  return found == links_.end() ? nullptr : found->second.lock();
}

void MemoryNetwork::hold(std::uint64_t id) {
  if (const auto link = find(id)) link->held = true;
}

void MemoryNetwork::release(std::uint64_t id) {
  const auto link = find(id);
  if (!link) return;
  link->held = false;
  link->poke(0);
  link->poke(1);
}

void MemoryNetwork::reset(std::uint64_t id) {
  const auto link = find(id);
  if (!link) return;
  link->reset = true;
  link->poke(0);
  link->poke(1);
}

std::size_t MemoryNetwork::allowed(const Transfer& transfer) const {
  return hook_ ? std::min(hook_(transfer), transfer.available) : transfer.available;
}

}  // namespace godwit::dataplane::io
