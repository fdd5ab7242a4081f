// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "dataplane/tcp/wire/segment.h"

// What a port does with a segment that it is to cut, for those that cannot. Values; thread safe.

namespace godwit::dataplane::tcp {

// Goes through a payload that lies in pieces.
class PayloadReader {
 public:
  explicit PayloadReader(std::span<const Bytes> pieces) : pieces_(pieces) {}

  // The pieces of the next `size` bytes, which there are; valid until the next call.
  std::span<const Bytes> take(std::size_t size) {
    std::size_t count = 0;
    while (size > 0) {
      const Bytes rest = pieces_.front().subspan(offset_);
      const Bytes piece = rest.first(std::min(rest.size(), size));
      if (!piece.empty()) taken_[count++] = piece;
      size -= piece.size();
      offset_ += piece.size();
      if (offset_ == pieces_.front().size()) {
        pieces_ = pieces_.subspan(1);
        offset_ = 0;
      }
    }
    return std::span(taken_).first(count);
  }

 private:
  std::span<const Bytes> pieces_;
  std::size_t offset_ = 0;
  std::array<Bytes, payload_pieces_max> taken_{};
};

// Calls take(const SegmentOut&) for each segment of `whole`, in order.
template <typename Take>
void cut_segments(const SegmentOut& whole, Take&& take) {
  PayloadReader reader(whole.payload);
  SegmentOut segment = whole;
  segment.segment_size = 0;
  for (std::size_t left = payload_size(whole); left > 0;) {
    const std::size_t size = std::min<std::size_t>(left, whole.segment_size);
    left -= size;
    segment.payload = reader.take(size);
    segment.flags = whole.flags;
    if (left > 0) segment.flags &= static_cast<std::uint8_t>(~(Flags::psh | Flags::fin));
    take(segment);
    segment.seq += static_cast<std::uint32_t>(size);
  }
}

}  // namespace godwit::dataplane::tcp
