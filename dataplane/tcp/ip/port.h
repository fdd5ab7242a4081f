// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "dataplane/tcp/wire/segmentation.h"

// The seam below the stack: what carries frames. One port, or one queue pair of it, per shard.
// Frames in come by Stack::receive(); frames out leave here. Thread safety: the shard's thread.

namespace godwit::dataplane::tcp {

// What the port found out about a frame it received.
struct RxHints {
  bool checksums_good = false;  // of the IPv4 header and of TCP; false: not known
};

// A frame from a port; its bytes may be overwritten.
struct FrameIn {
  MutableBytes bytes;
  RxHints hints;
};

// What the port shall complete in a frame it sends.
struct TxHints {
  bool ip_checksum = false;   // the field is 0
  bool tcp_checksum = false;  // the field has the pseudo header's sum
  bool v4 = false;
  std::uint16_t link_size = 0;  // bytes of Ethernet header, with tag
  std::uint16_t ip_size = 0;    // bytes of IP header
  std::uint16_t tcp_size = 0;   // bytes of TCP header, where there is something to cut
  // Bytes of payload of each segment that the port cuts the packet into, the last one's may be
  // fewer; 0: it is one segment. Both checksums are then the port's, and the pseudo header's sum is
  // without a length.
  std::uint16_t segment_size = 0;
};

// What the port can complete.
struct PortFeatures {
  bool ip_checksum = false;
  bool tcp_checksum = false;
  Segmentation segmentation{};  // only with both checksums
};

// frame() gives room for one frame of `size` bytes, which the next send() sends; empty when there
// is none, and then the packet is lost. A frame that was not sent is given up by the next frame().
template <typename P>
concept Port = requires(P port, std::size_t size, const TxHints& hints) {
  { port.features() } -> std::same_as<PortFeatures>;
  { port.frame(size) } -> std::same_as<MutableBytes>;
  { port.send(hints) } -> std::same_as<void>;
};

// A port that cuts. append() copies bytes to the end of the open frame, beyond what frame() gave
// room for; false when there is no room, and then the frame is to be given up.
template <typename P>
concept CuttingPort = Port<P> && requires(P port, std::span<const Bytes> pieces) {
  { port.append(pieces) } -> std::same_as<bool>;
};

// Any port, which outlives its view.
class PortView {
 public:
  template <Port P>
  requires(!std::same_as<P, PortView>) explicit PortView(P& port)
      : object_(std::addressof(port)),
        frame_([](void* object, std::size_t size) { return static_cast<P*>(object)->frame(size); }),
        send_([](void* object, const TxHints& hints) { static_cast<P*>(object)->send(hints); }),
        features_(port.features()) {
    if constexpr (CuttingPort<P>) {
      append_ = [](void* object, std::span<const Bytes> pieces) {
        return static_cast<P*>(object)->append(pieces);
      };
    } else {
      features_.segmentation = {};
    }
  }

  const PortFeatures& features() const { return features_; }
  MutableBytes frame(std::size_t size) const { return frame_(object_, size); }
  void send(const TxHints& hints) const { send_(object_, hints); }
  // REQUIRES: features().segmentation.any().
  bool append(std::span<const Bytes> pieces) const { return append_(object_, pieces); }

 private:
  void* object_;
  MutableBytes (*frame_)(void*, std::size_t);
  void (*send_)(void*, const TxHints&);
  bool (*append_)(void*, std::span<const Bytes>) = nullptr;
  PortFeatures features_;
};

}  // namespace godwit::dataplane::tcp
