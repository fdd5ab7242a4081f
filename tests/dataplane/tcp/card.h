// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/tcp/ip/port.h"
#include "dataplane/tcp/wire/checksum.h"

// What a card does with a frame that it is asked to complete, as cards' manuals have it: checksums
// from the sum it finds in the field, and a large TCP packet cut into segments. Made without the
// stack's own way of writing headers.

namespace godwit::dataplane::tcp {

using Frame = std::vector<std::uint8_t>;

class Card {
 public:
  // The frames that leave for one the stack handed over.
  static std::vector<Frame> send(const Frame& frame, const TxHints& hints) {
    if (hints.segment_size == 0) {
      Frame whole = frame;
      complete(whole, hints, 0);
      return {whole};
    }
    std::vector<Frame> out;
    const std::size_t head = hints.link_size + hints.ip_size + hints.tcp_size;
    const std::size_t total = frame.size() - head;
    for (std::size_t at = 0; at < total; at += hints.segment_size) {
      const std::size_t size = std::min<std::size_t>(hints.segment_size, total - at);
      Frame piece(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(head));
      const auto from = frame.begin() + static_cast<std::ptrdiff_t>(head + at);
      piece.insert(piece.end(), from, from + static_cast<std::ptrdiff_t>(size));
      number(piece, hints, at, out.size());
      const std::size_t tcp = hints.link_size + hints.ip_size;
      if (at + size < total) piece[tcp + 13] &= 0xff & ~0x09;  // FIN and PSH
      if (at > 0) piece[tcp + 13] &= 0x7f;                     // CWR
      complete(piece, hints, hints.tcp_size + size);
      out.push_back(std::move(piece));
    }
    return out;
  }

 private:
  static std::uint32_t get(const Frame& frame, std::size_t at, int bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | frame[at + static_cast<std::size_t>(i)];
    return value;
  }
  static void put(Frame& frame, std::size_t at, int bytes, std::uint32_t value) {
    for (int i = bytes; i-- > 0; value >>= 8) {
      frame[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value);
    }
  }
  // Lengths, the IPv4 identification and the sequence number.
  static void number(Frame& piece, const TxHints& hints, std::size_t at, std::size_t index) {
    const std::size_t ip = hints.link_size;
    const std::size_t size = piece.size() - ip;
    if (hints.v4) {
      put(piece, ip + 2, 2, static_cast<std::uint32_t>(size));
      put(piece, ip + 4, 2, get(piece, ip + 4, 2) + static_cast<std::uint32_t>(index));
    } else {
      put(piece, ip + 4, 2, static_cast<std::uint32_t>(size - hints.ip_size));
    }
    const std::size_t seq = ip + hints.ip_size + 4;
    put(piece, seq, 4, get(piece, seq, 4) + static_cast<std::uint32_t>(at));
  }
  // `length` is what the sum in TCP's field lacks.
  static void complete(Frame& frame, const TxHints& hints, std::size_t length) {
    const std::size_t ip = hints.link_size;
    const std::size_t tcp = ip + hints.ip_size;
    if (hints.ip_checksum) {
      Checksum header;
      header.add(Bytes(frame).subspan(ip, hints.ip_size));
      put(frame, ip + 10, 2, header.finish());
    }
    if (!hints.tcp_checksum) return;
    Checksum segment;
    segment.add_u16(static_cast<std::uint16_t>(length));
    segment.add(Bytes(frame).subspan(tcp));
    put(frame, tcp + 16, 2, segment.finish());
  }
};

}  // namespace godwit::dataplane::tcp
