// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "base/result.h"
#include "protocol/frame.h"
#include "protocol/preamble.h"

// A connection's bytes as they come in: the preamble, then frames. What is told of the front of a
// stream must not depend on how much of it has come.

namespace {

using namespace godwit;
using namespace godwit::protocol;

void check_frames(Bytes stream, FrameLimits limits) {
  while (!stream.empty()) {
    const Split whole = split_frame(stream, limits);
    const std::size_t shown = std::min(stream.size(), length_prefix_size + 2);
    for (std::size_t size = 0; size < shown; ++size) {
      const Split part = split_frame(stream.first(size), limits);
      if (size < length_prefix_size) {
        GODWIT_CHECK(part.status == SplitStatus::need_more && part.wire_size == length_prefix_size);
      } else if (whole.status == SplitStatus::need_more) {
        GODWIT_CHECK(part.status == whole.status && part.wire_size == whole.wire_size);
      } else if (whole.status != SplitStatus::complete) {
        GODWIT_CHECK(part.status == whole.status);
      } else {
        GODWIT_CHECK(part.wire_size == whole.wire_size);
      }
    }
    if (whole.status == SplitStatus::need_more) GODWIT_CHECK(whole.wire_size > stream.size());
    if (whole.status != SplitStatus::complete) return;
    const Bytes body = frame_body(stream, whole);
    GODWIT_CHECK(body.size() >= limits.size_min && body.size() <= limits.size_max);
    std::array<std::uint8_t, length_prefix_size> length;
    write_frame_length(length, body.size());
    GODWIT_CHECK(std::ranges::equal(length, stream.first(length_prefix_size)));
    stream = stream.subspan(whole.wire_size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes stream(data, size);
  check_frames(stream, transport_frame_limits);
  if (size < preamble_size) return 0;
  PreambleBytes bytes;
  std::copy_n(data, bytes.size(), bytes.begin());
  const auto preamble = read_preamble(bytes);
  GODWIT_CHECK(!preamble || encode(*preamble) == bytes);
  check_frames(stream.subspan(preamble_size), handshake_frame_limits);
  check_frames(stream.subspan(preamble_size), hybrid_handshake_frame_limits);
  return 0;
}
