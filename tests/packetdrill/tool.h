// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/tcp/wire/segment.h"
#include "tests/dataplane/tcp/wire/packets.h"
#include "tests/packetdrill/interface.h"

// Loads the object as packetdrill does and does to it what a script's lines do.

namespace godwit::packetdrill {

class Tool {
 public:
  explicit Tool(const char* flags);
  ~Tool();
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  // A segment to the object. Numbers are as on the wire.
  void arrives(dataplane::tcp::SegmentOut segment);
  struct Left {
    dataplane::tcp::SegmentIn segment;
    std::vector<std::uint8_t> payload;
    long long at_us = 0;
  };
  // The next segment from it.
  std::optional<Left> leaves();
  // As bytes, IP header and all.
  const std::vector<std::uint8_t>& last_packet() const { return packet_; }
  // As if it were free to ask: each reading of the clock takes the object a microsecond.
  long long now_us();
  // What the clock says.
  long long clock_us();

  // A listening socket, and a connection that is opened to it from the next port, accepted.
  int listen(std::uint16_t port = 8080);
  int open(int listener);
  dataplane::tcp::SegmentOut segment(std::uint8_t flags, std::uint32_t seq,
                                     std::uint32_t ack) const;
  sockaddr_storage remote_address(std::uint16_t port) const;
  socklen_t address_size() const;

  packetdrill_interface calls{};
  void* u = nullptr;
  IpAddress us;
  IpAddress peer;
  std::uint16_t our_port = 8080;
  std::uint16_t peer_port = 5000;
  std::uint32_t our_isn = 0;
  std::uint16_t syn_ack_window = 0;  // of the latest open()
  std::uint16_t syn_ack_mss = 0;

 private:
  void* library_;
  bool v6_;
  std::atomic<long long> readings_{0};
  std::vector<std::uint8_t> packet_;
};

}  // namespace godwit::packetdrill
