// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "dataplane/tcp/tuning.h"

namespace godwit::packetdrill {

// The options of a socket as they were set, in the system's units. What is accepted from a listener
// begins with its. A value.
//
// Buffers: the system doubles what it is told, for its own headers, and says so when asked. What is
// told is what a peer may send and a user may write ahead.
struct SocketOptions {
  // 0, or an error's number below it.
  int set(int level, int name, const void* value, socklen_t size);
  // The value of an option that is a number; empty for one that is unknown or not a number.
  std::optional<int> get(int level, int name) const;
  // The same for the stack.
  dataplane::tcp::Tuning tuning(dataplane::tcp::Tuning base) const;
  // How long a SYN is tried for, by TCP_SYNCNT; 0: as long as the stack does.
  Duration syn_patience() const;
  // How much may be written ahead, and how much of it may be unsent for the socket to be writable.
  std::size_t send_buffer() const;
  std::size_t unsent_low() const;
  Duration receive_timeout() const { return receive_timeout_; }
  Duration send_timeout() const { return send_timeout_; }

  linger lingering{};
  std::string congestion = "cubic";

 private:
  int number(int level, int name) const;

  std::map<std::pair<int, int>, int> numbers_;  // that were set
  Duration receive_timeout_{0};                 // 0: none
  Duration send_timeout_{0};
};

}  // namespace godwit::packetdrill
