// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

// The seam below the stack: what carries frames. One port, or one queue pair of it, per shard.
// Frames in come by Stack::receive(); frames out leave here. Thread safety: the shard's thread.

namespace godwit::dataplane::tcp {

// What the port found out about a frame it received.
struct RxHints {
  bool checksums_good = false;  // of the IPv4 header and of TCP; false: not known
};

// What the port shall complete in a frame it sends.
struct TxHints {
  bool ip_checksum = false;   // the field is 0
  bool tcp_checksum = false;  // the field has the pseudo header's sum
  bool v4 = false;
  std::uint16_t link_size = 0;  // bytes of Ethernet header, with tag
  std::uint16_t ip_size = 0;    // bytes of IP header
};

// What the port can complete.
struct PortFeatures {
  bool ip_checksum = false;
  bool tcp_checksum = false;
};

// frame() gives room for one frame of `size` bytes, which the next send() sends; empty when there
// is none, and then the packet is lost. A frame that was not sent is given up by the next frame().
template <typename P>
concept Port = requires(P port, std::size_t size, const TxHints& hints) {
  { port.features() } -> std::same_as<PortFeatures>;
  { port.frame(size) } -> std::same_as<MutableBytes>;
  { port.send(hints) } -> std::same_as<void>;
};

// Any port, which outlives its view.
class PortView {
 public:
  template <Port P>
  requires(!std::same_as<P, PortView>) explicit PortView(P& port)
      : object_(std::addressof(port)),
        frame_([](void* object, std::size_t size) { return static_cast<P*>(object)->frame(size); }),
        send_([](void* object, const TxHints& hints) { static_cast<P*>(object)->send(hints); }),
        features_(port.features()) {}

  const PortFeatures& features() const { return features_; }
  MutableBytes frame(std::size_t size) const { return frame_(object_, size); }
  void send(const TxHints& hints) const { send_(object_, hints); }

 private:
  void* object_;
  MutableBytes (*frame_)(void*, std::size_t);
  void (*send_)(void*, const TxHints&);
  PortFeatures features_;
};

}  // namespace godwit::dataplane::tcp
