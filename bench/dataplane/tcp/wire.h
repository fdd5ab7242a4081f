// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dataplane/tcp/ip/port.h"

namespace godwit::bench {

// One direction of a wire: frames in buffers that are used again as soon as all have been read, as
// a device's are. Frames beyond frames_max find no room, and are counted. Not thread safe.
class Wire {
 public:
  static constexpr std::size_t frames_max = 4096;
  static constexpr std::size_t frame_size_max = 1536;

  explicit Wire(bool offload) : offload_(offload) {}

  dataplane::tcp::PortFeatures features() const { return {offload_, offload_}; }
  MutableBytes frame(std::size_t size) {
    if (count_ == frames_max || size > frame_size_max) {
      ++lost_;
      return {};
    }
    sizes_[count_] = size;
    return {&bytes_[count_ * frame_size_max], size};
  }
  void send(const dataplane::tcp::TxHints&) { ++count_; }

  std::size_t size() const { return count_; }
  std::uint64_t lost() const { return lost_; }
  MutableBytes operator[](std::size_t index) {
    return {&bytes_[index * frame_size_max], sizes_[index]};
  }
  void clear() { count_ = 0; }
  dataplane::tcp::RxHints hints() const { return {offload_}; }

 private:
  const bool offload_;
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(frames_max * frame_size_max);
  std::vector<std::size_t> sizes_ = std::vector<std::size_t>(frames_max);
  std::size_t count_ = 0;
  std::uint64_t lost_ = 0;
};
static_assert(dataplane::tcp::Port<Wire>);

}  // namespace godwit::bench
