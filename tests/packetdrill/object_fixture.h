// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include <string>

#include "tests/packetdrill/tool.h"

// A tool with what most scripts begin with, over either family.

namespace godwit::packetdrill {

using namespace dataplane::tcp;

class ObjectTest : public ::testing::TestWithParam<const char*> {
 protected:
  void write(int fd, const std::string& text) {
    EXPECT_EQ(tool.calls.write(tool.u, fd, text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  void data_arrives(std::uint32_t seq, const std::string& text) {
    const Bytes pieces[] = {as_bytes(text)};
    SegmentOut segment = tool.segment(Flags::ack | Flags::psh, seq, tool.our_isn + 1);
    segment.payload = pieces;
    tool.arrives(segment);
  }
  std::string read(int fd, std::size_t size = 100) {
    std::string text(size, 0);
    const ssize_t got = tool.calls.read(tool.u, fd, text.data(), size);
    error = got < 0 ? errno : 0;
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }
  void make_nonblocking(int fd) {
    EXPECT_EQ(tool.calls.fcntl(tool.u, fd, F_SETFL, long{O_RDWR | O_NONBLOCK}), 0);
  }
  int socket() {
    return tool.calls.socket(tool.u, tool.us.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM,
                             IPPROTO_TCP);
  }
  int connect(int fd) {
    sockaddr_storage to = tool.remote_address(8080);
    tool.peer_port = 8080;
    const int result =
        tool.calls.connect(tool.u, fd, reinterpret_cast<sockaddr*>(&to), tool.address_size());
    error = result < 0 ? errno : 0;
    return result;
  }
  // Takes the SYN of a connection from here.
  bool take_syn() {
    const auto syn = tool.leaves();
    if (!syn || syn->segment.flags != Flags::syn) return false;
    tool.us = syn->segment.flow.remote;
    tool.our_port = syn->segment.flow.remote_port;
    tool.our_isn = syn->segment.seq;
    return true;
  }

  Tool tool{GetParam()};
  int set(int fd, int level, int name, int value) {
    const int result = tool.calls.setsockopt(tool.u, fd, level, name, &value, sizeof value);
    error = result < 0 ? errno : 0;
    return result;
  }
  int get(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    const int result = tool.calls.getsockopt(tool.u, fd, level, name, &value, &size);
    error = result < 0 ? errno : 0;
    return value;
  }
  ::tcp_info info(int fd) {
    ::tcp_info told{};
    socklen_t size = sizeof told;
    EXPECT_EQ(tool.calls.getsockopt(tool.u, fd, IPPROTO_TCP, TCP_INFO, &told, &size), 0);
    return told;
  }
  void ack_arrives(std::uint32_t bytes, std::uint16_t window = 65535) {
    SegmentOut segment = tool.segment(Flags::ack, 1, tool.our_isn + 1 + bytes);
    segment.window = window;
    tool.arrives(segment);
  }

  int error = 0;
};

}  // namespace godwit::packetdrill
