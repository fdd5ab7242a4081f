// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cerrno>

#include "dataplane/tcp/wire/tcp_header.h"
#include "tests/packetdrill/sockets.h"

// What a socket layer has to do with packets before the stack gets them.

namespace godwit::packetdrill {
namespace {

using namespace dataplane::tcp;

std::optional<IpPacket> parse(MutableBytes bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto packet = bytes[0] >> 4 == 4 ? parse_ipv4(bytes, true) : parse_ipv6(bytes);
  return packet ? std::optional(*packet) : std::nullopt;
}

// What an unreachable destination's code is called by the system.
constexpr std::array unreachable_v4 = {ENETUNREACH,  EHOSTUNREACH, ENOPROTOOPT,  ECONNREFUSED,
                                       EMSGSIZE,     EOPNOTSUPP,   ENETUNREACH,  EHOSTDOWN,
                                       ENONET,       ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
                                       EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH};
constexpr std::array unreachable_v6 = {ENETUNREACH,  EACCES, EHOSTUNREACH, EHOSTUNREACH,
                                       ECONNREFUSED, EACCES, EACCES};

}  // namespace

// The error that a message of ICMP stands for; 0 for what is none.
int error_of_icmp(Bytes packet) {
  std::vector<std::uint8_t> bytes(packet.begin(), packet.end());
  const auto parsed = parse(bytes);
  if (!parsed || parsed->payload.size() < 2) return 0;
  const std::uint8_t type = parsed->payload[0];
  const std::size_t code = parsed->payload[1];
  if (parsed->protocol == Protocol::icmp) {
    if (type == 3) return code < unreachable_v4.size() ? unreachable_v4[code] : EHOSTUNREACH;
    return type == 11 ? EHOSTUNREACH : type == 12 ? EPROTO : 0;
  }
  if (parsed->protocol == Protocol::icmp_v6) {
    if (type == 1) return code < unreachable_v6.size() ? unreachable_v6[code] : EPROTO;
    return type == 3 ? EHOSTUNREACH : type == 4 ? EPROTO : 0;
  }
  return 0;
}

// As many connections as the listener asked for, and one, wait to be accepted: what would make
// another is dropped, and comes again.
bool Sockets::refuses_more(Bytes packet) {
  std::vector<std::uint8_t> bytes(packet.begin(), packet.end());
  const auto parsed = parse(bytes);
  if (!parsed || parsed->protocol != Protocol::tcp) return false;
  const auto segment = parse_tcp(*parsed, true);
  if (!segment || segment->has(Flags::rst)) return false;
  const auto is_it = [&](ConnectionName name) {
    return machine_.tcp().flow_of(name) == segment->flow;
  };
  const File* listener = nullptr;
  for (const auto& [fd, file] : files_) {
    if (file.kind == Kind::stream && file.name.valid() && is_it(file.name)) return false;
    const bool here = file.phase == Phase::listening && file.port == segment->flow.local_port &&
                      (!file.bound.known() || file.bound == segment->flow.local);
    if (here) listener = &file;
  }
  if (listener == nullptr || listener->queue.size() <= listener->backlog) return false;
  return std::ranges::none_of(listener->queue, is_it);
}

}  // namespace godwit::packetdrill
