// SPDX-License-Identifier: Apache-2.0
#include "tests/packetdrill/tool.h"

#include <dlfcn.h>
#include <netinet/in.h>

namespace godwit::packetdrill {

using namespace dataplane::tcp;

Tool::Tool(const char* flags)
    : library_(::dlopen(PACKETDRILL_OBJECT, RTLD_NOW | RTLD_LOCAL)),
      v6_(std::string(flags).starts_with("ipv6")) {
  GODWIT_CHECK(library_ != nullptr);
  void* symbol = ::dlsym(library_, "packetdrill_interface_init");
  GODWIT_CHECK(symbol != nullptr);
  reinterpret_cast<void (*)(const char*, packetdrill_interface*)>(symbol)(flags, &calls);
  u = calls.userdata;
  us = *parse_ip_address(v6_ ? "2001:db8:7::1" : "192.0.2.7");
  peer = *parse_ip_address(v6_ ? "2001:db8::9" : "198.51.100.9");
}

Tool::~Tool() {
  calls.free(u);
  ::dlclose(library_);
}

void Tool::arrives(SegmentOut segment) {
  const auto packet = testing::tcp_packet(segment);
  EXPECT_EQ(calls.netdev_send(u, packet.data(), packet.size()), 0);
}

std::optional<Tool::Left> Tool::leaves() {
  packet_.assign(65536, 0);
  std::size_t size = packet_.size();
  Left left;
  if (calls.netdev_receive(u, packet_.data(), &size, &left.at_us) != 0 || size == 0) {
    return std::nullopt;
  }
  packet_.resize(size);
  left.at_us -= readings_;
  const auto packet = testing::parse_ip(packet_);
  GODWIT_CHECK(packet);
  const auto segment = parse_tcp(*packet, false);
  GODWIT_CHECK(segment);
  left.segment = *segment;
  left.payload.assign(segment->payload.begin(), segment->payload.end());
  return left;
}

long long Tool::now_us() {
  const long long clock = clock_us();
  return clock - ++readings_;
}

long long Tool::clock_us() {
  timeval time{};
  calls.gettimeofday(u, &time, nullptr);
  return time.tv_sec * 1'000'000LL + time.tv_usec;
}

SegmentOut Tool::segment(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack) const {
  return {{peer, us, peer_port, our_port}, seq, ack, 65535, flags};
}

socklen_t Tool::address_size() const {
  return v6_ ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

sockaddr_storage Tool::remote_address(std::uint16_t port) const {
  sockaddr_storage storage{};
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  std::memcpy(&four.sin_addr, peer.bytes.data() + 12, 4);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  std::memcpy(&six.sin6_addr, peer.bytes.data(), 16);
  std::memcpy(&storage, v6_ ? static_cast<const void*>(&six) : &four, address_size());
  return storage;
}

int Tool::listen(std::uint16_t port) {
  our_port = port;
  const int fd = calls.socket(u, v6_ ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  const int one = 1;
  EXPECT_EQ(calls.setsockopt(u, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
  sockaddr_storage any{};
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  std::memcpy(&any, v6_ ? static_cast<const void*>(&six) : &four, address_size());
  EXPECT_EQ(calls.bind(u, fd, reinterpret_cast<sockaddr*>(&any), address_size()), 0);
  EXPECT_EQ(calls.listen(u, fd, 8), 0);
  return fd;
}

int Tool::open(int listener) {
  ++peer_port;
  SegmentOut syn = segment(Flags::syn, 0, 0);
  syn.options.mss = 1000;
  arrives(syn);
  const auto answer = leaves();
  GODWIT_CHECK(answer && answer->segment.flags == (Flags::syn | Flags::ack));
  our_isn = answer->segment.seq;
  syn_ack_window = answer->segment.window;
  syn_ack_mss = answer->segment.options.mss.value_or(0);
  arrives(segment(Flags::ack, 1, our_isn + 1));
  return calls.accept(u, listener, nullptr, nullptr);
}

}  // namespace godwit::packetdrill
