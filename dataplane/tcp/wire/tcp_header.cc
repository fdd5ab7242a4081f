// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/tcp_header.h"

#include <algorithm>
#include <cstring>

#include "base/big_endian.h"
#include "base/result.h"
#include "dataplane/tcp/wire/checksum.h"

namespace godwit::dataplane::tcp {
namespace {

enum Kind : std::uint8_t {
  kind_end = 0,
  kind_nop = 1,
  kind_mss = 2,
  kind_window_scale = 3,
  kind_sack_permitted = 4,
  kind_sack = 5,
  kind_timestamps = 8,
};

constexpr std::size_t checksum_offset = 16;
// Two no-operations and the head of a timestamps option: what nearly every segment has for options,
// and nothing else (RFC 7323, appendix A).
constexpr std::uint32_t timestamps_head =
    kind_nop << 24 | kind_nop << 16 | kind_timestamps << 8 | 10;
constexpr std::size_t timestamps_size = 12;

void read_sack(ByteReader& in, Options& options) {
  const std::size_t count = in.remaining() / 8;
  if (count == 0 || count > sack_blocks_max || in.remaining() % 8 != 0) return;
  options.sack_count = static_cast<std::uint8_t>(count);
  for (std::size_t i = 0; i < count; ++i) options.sack[i] = {in.u32(), in.u32()};
}

// One option's data. A wrong length makes it mean nothing.
void read_option(std::uint8_t kind, Bytes data, bool is_syn, Options& options) {
  ByteReader in(data);
  if (kind == kind_mss && is_syn && data.size() == 2) options.mss = in.u16();
  if (kind == kind_window_scale && is_syn && data.size() == 1) options.window_scale = in.u8();
  if (kind == kind_sack_permitted && is_syn && data.empty()) options.sack_permitted = true;
  if (kind == kind_timestamps && data.size() == 8) {
    options.timestamps = Timestamps{in.u32(), in.u32()};
  }
  if (kind == kind_sack && !is_syn) read_sack(in, options);
}

bool sum_right(const IpPacket& packet) {
  Checksum checksum;
  add_pseudo_header(checksum, {packet.source, packet.destination,
                               static_cast<std::uint32_t>(packet.payload.size()),
                               static_cast<std::uint8_t>(Protocol::tcp)});
  checksum.add(packet.payload);
  return checksum.finish() == 0;
}

bool none_but_timestamps(const Options& options) {
  return !options.mss && !options.window_scale && !options.sack_permitted &&
         options.sack_count == 0;
}

std::size_t fixed_options_size(const Options& options) {
  std::size_t size = 0;
  if (options.mss) size += 4;
  if (options.timestamps) size += 12;
  if (options.sack_permitted && !options.timestamps) size += 4;
  if (options.window_scale) size += 4;
  return size;
}

std::size_t sack_blocks_written(const Options& options) {
  const std::size_t room = tcp_options_size_max - fixed_options_size(options);
  if (options.sack_count == 0 || room < 12) return 0;
  return std::min<std::size_t>(options.sack_count, (room - 4) / 8);
}

void write_nops(ByteWriter& out, int count) {
  for (; count > 0; --count) out.u8(kind_nop);
}

// Writes words and sums them up. Reading back what was just written in other sizes would wait.
class SummingWriter {
 public:
  SummingWriter(std::uint8_t* to, Checksum& checksum) : to_(to), checksum_(checksum) {}

  void u32(std::uint32_t value) {
    store_u32(to_, value);
    checksum_.add_u32(value);
    to_ += 4;
  }
  std::uint8_t* at() const { return to_; }

 private:
  std::uint8_t* to_;
  Checksum& checksum_;
};

// Header and options with a checksum of 0; adds what it writes to `checksum`. Returns its size.
std::size_t write_head(MutableBytes target, const SegmentOut& segment, Checksum& checksum) {
  const std::size_t options_size = tcp_options_size(segment.options);
  const std::size_t size = tcp_header_size + options_size;
  GODWIT_CHECK(target.size() >= size);
  SummingWriter out(target.data(), checksum);
  out.u32(std::uint32_t{segment.flow.local_port} << 16 | segment.flow.remote_port);
  out.u32(segment.seq);
  out.u32(segment.ack);
  out.u32(static_cast<std::uint32_t>(size / 4) << 28 | std::uint32_t{segment.flags} << 16 |
          segment.window);
  out.u32(0);  // checksum, and no urgent data ever
  if (none_but_timestamps(segment.options)) {
    if (segment.options.timestamps) {
      out.u32(timestamps_head);
      out.u32(segment.options.timestamps->value);
      out.u32(segment.options.timestamps->echo);
    }
    return size;
  }
  const MutableBytes options = target.subspan(tcp_header_size, options_size);
  write_tcp_options(options, segment.options);
  checksum.add(options);
  return size;
}

Checksum pseudo_sum(const SegmentOut& segment, std::size_t size) {
  Checksum checksum;
  add_pseudo_header(checksum,
                    {segment.flow.local, segment.flow.remote, static_cast<std::uint32_t>(size),
                     static_cast<std::uint8_t>(Protocol::tcp)});
  return checksum;
}

}  // namespace

Options parse_tcp_options(Bytes bytes, bool is_syn) {
  Options options;
  if (bytes.empty()) return options;
  if (bytes.size() == timestamps_size && load_u32(bytes.data()) == timestamps_head) {
    options.timestamps = Timestamps{load_u32(bytes.data() + 4), load_u32(bytes.data() + 8)};
    return options;
  }
  ByteReader in(bytes);
  while (!in.at_end()) {
    const std::uint8_t kind = in.u8();
    if (kind == kind_end) break;
    if (kind == kind_nop) continue;
    const std::uint8_t length = in.u8();
    if (!in.ok() || length < 2) break;
    const Bytes data = in.take(length - 2u);
    if (!in.ok()) break;
    read_option(kind, data, is_syn, options);
  }
  return options;
}

std::expected<SegmentIn, Drop> parse_tcp(const IpPacket& packet, bool checksum_good) {
  const MutableBytes bytes = packet.payload;
  if (bytes.size() < tcp_header_size) return std::unexpected(Drop::bad_tcp_header);
  const std::size_t header_size = (bytes[12] >> 4) * 4u;
  if (header_size < tcp_header_size || header_size > bytes.size()) {
    return std::unexpected(Drop::bad_tcp_header);
  }
  if (!checksum_good && !sum_right(packet)) return std::unexpected(Drop::bad_tcp_checksum);
  const std::uint8_t* const at = bytes.data();
  SegmentIn segment;
  segment.flow = {packet.destination, packet.source, load_u16(at + 2), load_u16(at)};
  segment.seq = load_u32(at + 4);
  segment.ack = load_u32(at + 8);
  segment.flags = at[13];
  segment.window = load_u16(at + 14);
  segment.urgent = load_u16(at + 18);
  if (segment.flow.local_port == 0 || segment.flow.remote_port == 0) {
    return std::unexpected(Drop::bad_tcp_header);
  }
  segment.ecn = packet.ecn;
  const Bytes options = bytes.subspan(tcp_header_size, header_size - tcp_header_size);
  segment.options = parse_tcp_options(options, segment.has(Flags::syn));
  segment.payload = bytes.subspan(header_size);
  return segment;
}

std::size_t tcp_options_size(const Options& options) {
  if (none_but_timestamps(options)) return options.timestamps ? timestamps_size : 0;
  const std::size_t blocks = sack_blocks_written(options);
  return fixed_options_size(options) + (blocks == 0 ? 0 : 4 + 8 * blocks);
}

void write_tcp_options(MutableBytes target, const Options& options) {
  ByteWriter out(target);
  if (options.mss) {
    out.u8(kind_mss);
    out.u8(4);
    out.u16(*options.mss);
  }
  if (options.timestamps || options.sack_permitted) {
    if (!options.sack_permitted || !options.timestamps) write_nops(out, 2);
    if (options.sack_permitted) {
      out.u8(kind_sack_permitted);
      out.u8(2);
    }
  }
  if (options.timestamps) {
    out.u8(kind_timestamps);
    out.u8(10);
    out.u32(options.timestamps->value);
    out.u32(options.timestamps->echo);
  }
  if (options.window_scale) {
    write_nops(out, 1);
    out.u8(kind_window_scale);
    out.u8(3);
    out.u8(*options.window_scale);
  }
  const std::size_t blocks = sack_blocks_written(options);
  if (blocks == 0) return;
  write_nops(out, 2);
  out.u8(kind_sack);
  out.u8(static_cast<std::uint8_t>(2 + 8 * blocks));
  for (const SequenceRange& block : options.sack_blocks().first(blocks)) {
    out.u32(block.begin);
    out.u32(block.end);
  }
}

std::size_t tcp_head_size(const SegmentOut& segment) {
  return tcp_header_size + tcp_options_size(segment.options);
}

std::size_t tcp_size(const SegmentOut& segment) {
  return tcp_head_size(segment) + payload_size(segment);
}

void write_tcp(MutableBytes target, const SegmentOut& segment, ChecksumBy by) {
  Checksum head;
  const std::size_t head_size = write_head(target, segment, head);
  std::size_t size = head_size;
  for (const Bytes& piece : segment.payload) {
    if (piece.empty()) continue;
    GODWIT_CHECK(piece.size() <= target.size() - size);
    std::memcpy(target.data() + size, piece.data(), piece.size());
    size += piece.size();
  }
  Checksum checksum = pseudo_sum(segment, size);
  if (by == ChecksumBy::port) {
    store_u16(target.data() + checksum_offset, checksum.sum());
    return;
  }
  checksum.add(head);
  if (size > head_size) checksum.add(target.subspan(head_size, size - head_size));
  store_u16(target.data() + checksum_offset, checksum.finish());
}

void write_tcp_head_to_cut(MutableBytes target, const SegmentOut& segment) {
  Checksum unused;
  write_head(target, segment, unused);
  store_u16(target.data() + checksum_offset, pseudo_sum(segment, 0).sum());
}

}  // namespace godwit::dataplane::tcp
