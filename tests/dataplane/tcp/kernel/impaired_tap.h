// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tcp/ip/port.h"
#include "dataplane/tcp/wire/icmp.h"
#include "tests/dataplane/tcp/card.h"
#include "tests/dataplane/tcp/impaired_link.h"

// A tap of the kernel's with a bad network in front of it: what our stack sends passes the network
// on its way to the kernel, and the other way round.
//
// Only TCP is impaired: ARP and neighbour discovery ask three times and no more, so that a loss of
// 30 % would make the kernel give up before it sends a byte. And no more than syn_losses_max of the
// packets that open connections are lost each way: both sides wait a second after the first, and
// twice as long after each further one.
//
// Thread safety: one thread. The time is what advance() last said.

namespace godwit::dataplane::tcp {

// Where the headers of a frame without a VLAN tag begin, and whether it is TCP.
struct FrameView {
  explicit FrameView(const Frame& frame) {
    if (frame.size() < ethernet_header_size + ipv4_header_size) return;
    const int type = frame[12] << 8 | frame[13];
    v4 = type == static_cast<int>(EtherType::ipv4);
    v6 = type == static_cast<int>(EtherType::ipv6);
    constexpr auto tcp_number = static_cast<std::uint8_t>(Protocol::tcp);
    const std::size_t header = v4 ? (frame[ethernet_header_size] & 15U) * 4 : ipv6_header_size;
    const std::size_t protocol_at = ethernet_header_size + (v4 ? 9 : 6);
    transport = ethernet_header_size + header;
    tcp = (v4 || v6) && frame[protocol_at] == tcp_number && frame.size() >= transport + 20;
    syn = tcp && (frame[transport + 13] & 2) != 0;
  }
  bool v4 = false;
  bool v6 = false;
  bool tcp = false;
  bool syn = false;
  std::size_t transport = 0;
};

class ImpairedTap {
 public:
  static constexpr std::size_t syn_losses_max = 1;

  struct Direction {
    explicit Direction(const Impairment& impairment, std::uint64_t seed)
        : bad(impairment, seed), good(Impairment{.delay = impairment.delay}, seed) {}
    ImpairedLink<Frame> bad;
    ImpairedLink<Frame> good;
    std::size_t syn_losses = 0;
    std::size_t too_big = 0;  // packets that the router told of
  };

  // REQUIRES: root. valid() says whether it could be made; the interface goes with it.
  ImpairedTap(const std::string& interface, const Impairment& impairment, std::uint64_t seed)
      : descriptor_(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)),
        to_kernel_(impairment, seed),
        to_stack_(impairment, seed + 1) {
    to_kernel_.bad.set_corrupt(corrupt_byte);
    to_stack_.bad.set_corrupt(corrupt_byte);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
    valid_ = descriptor_ >= 0 && ::ioctl(descriptor_, TUNSETIFF, &request) == 0;
  }
  ~ImpairedTap() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  ImpairedTap(const ImpairedTap&) = delete;
  ImpairedTap& operator=(const ImpairedTap&) = delete;

  bool valid() const { return valid_; }
  int descriptor() const { return descriptor_; }
  const Direction& to_kernel() const { return to_kernel_; }
  const Direction& to_stack() const { return to_stack_; }

  void set_impairment(const Impairment& impairment) {
    to_kernel_.bad.set(impairment);
    to_stack_.bad.set(impairment);
  }
  struct PathMtu {
    std::size_t v4 = 1500;
    std::size_t v6 = 1500;
    bool silent = false;  // the router tells nobody; packets to our stack are spared
  };
  // From now on; a router on the way drops larger packets and tells who sent them.
  void set_path_mtu(const PathMtu& mtu) { path_mtu_ = mtu; }

  void advance(Instant now) { now_ = now; }
  Instant next_delivery() const {
    return std::min({to_kernel_.bad.next_delivery(), to_kernel_.good.next_delivery(),
                     to_stack_.bad.next_delivery(), to_stack_.good.next_delivery()});
  }

  void from_stack(Frame frame) { cross(std::move(frame), to_kernel_, to_stack_); }
  // Hands the kernel what has arrived.
  void deliver_to_kernel() {
    for (auto frame = take(to_kernel_); frame; frame = take(to_kernel_)) {
      // A tap that is full loses the packet, as networks do.
      [[maybe_unused]] const ssize_t written = ::write(descriptor_, frame->data(), frame->size());
    }
  }
  // Puts what the kernel has sent on its way.
  void fetch_from_kernel() {
    std::uint8_t room[2048];
    for (ssize_t got; (got = ::read(descriptor_, room, sizeof room)) > 0;) {
      cross(Frame(room, room + got), to_stack_, to_kernel_);
    }
  }
  std::optional<Frame> take_for_stack() { return take(to_stack_); }

 private:
  // Any byte that a checksum covers. IPv6 has none for the first eight of its header.
  static void corrupt_byte(Frame& frame, RandomSource& random) {
    const std::size_t first = ethernet_header_size + (FrameView(frame).v6 ? 8 : 0);
    const std::size_t at = first + random.below(frame.size() - first);
    frame[at] ^= static_cast<std::uint8_t>(1 + random.below(255));
  }

  void cross(Frame frame, Direction& way, Direction& back) {
    const FrameView view(frame);
    const std::size_t size = frame.size();
    const std::size_t mtu = view.v4 ? path_mtu_.v4 : path_mtu_.v6;
    const bool spared = path_mtu_.silent && &way == &to_stack_;
    if (view.tcp && !spared && size > ethernet_header_size + mtu) {
      ++way.too_big;
      if (!path_mtu_.silent) back.good.send(too_big(frame, view.v4, mtu), size, now_);
      return;
    }
    if (!view.tcp || (view.syn && way.syn_losses == syn_losses_max)) {
      way.good.send(std::move(frame), size, now_);
      return;
    }
    const std::size_t lost = way.bad.counters().lost;
    way.bad.send(std::move(frame), size, now_);
    if (view.syn) way.syn_losses += way.bad.counters().lost - lost;
  }

  // What a router says of a packet that does not fit (RFC 1191, 4; RFC 4443, 3.2).
  static Frame too_big(Frame& frame, bool v4, std::size_t mtu) {
    const MutableBytes bytes = MutableBytes(frame).subspan(ethernet_header_size);
    const auto packet = v4 ? parse_ipv4(bytes, false) : parse_ipv6(bytes);
    GODWIT_CHECK(packet.has_value());
    const std::size_t header = ip_header_size(v4);
    const std::size_t quoted = quote_size(*packet);
    Frame out(ethernet_header_size + header + icmp_header_size + quoted);
    std::copy_n(frame.begin() + 6, 6, out.begin());
    std::copy_n(frame.begin(), 6, out.begin() + 6);
    std::copy_n(frame.begin() + 12, 2, out.begin() + 12);
    const IpAddress router = *parse_ip_address(v4 ? "10.66.0.254" : "fd66::fe");
    const MutableBytes ip = MutableBytes(out).subspan(ethernet_header_size);
    write_ip(ip, {.source = router,
                  .destination = packet->source,
                  .protocol = v4 ? Protocol::icmp : Protocol::icmp_v6,
                  .payload_size = icmp_header_size + quoted});
    write_icmp(
        ip.subspan(header), router, packet->source,
        {.type = static_cast<std::uint8_t>(v4 ? IcmpType::v4_unreachable : IcmpType::v6_too_big),
         .code = static_cast<std::uint8_t>(v4 ? 4 : 0),
         .rest = static_cast<std::uint32_t>(mtu),
         .body = packet->whole.first(quoted)});
    return out;
  }

  std::optional<Frame> take(Direction& way) {
    auto frame = way.good.take(now_);
    return frame ? std::move(frame) : way.bad.take(now_);
  }

  const int descriptor_;
  bool valid_ = false;
  Direction to_kernel_;
  Direction to_stack_;
  PathMtu path_mtu_;
  Instant now_{};
};

// Our stack's end of the tap: a PacketLink, with a card between the two that completes checksums
// and cuts segments, or none.
class TapLink {
 public:
  TapLink(ImpairedTap& tap, const PortFeatures& card) : tap_(tap), card_(card) {}

  void attach() {}
  template <typename Handle>
  std::size_t receive(std::size_t budget, Handle&& handle) {
    tap_.fetch_from_kernel();
    std::size_t done = 0;
    for (; done < budget; ++done) {
      auto frame = tap_.take_for_stack();
      if (!frame) break;
      handle(MutableBytes(*frame), RxHints{});
    }
    return done;
  }
  PortFeatures features() const { return card_; }
  MutableBytes frame(std::size_t size) {
    open_.resize(size);
    return open_;
  }
  bool append(std::span<const Bytes> pieces) {
    for (const Bytes piece : pieces) open_.insert(open_.end(), piece.begin(), piece.end());
    return true;
  }
  void send(const TxHints& hints) {
    uncut_ += hints.segment_size > 0 ? 1 : 0;
    for (Frame& frame : Card::send(open_, hints)) tap_.from_stack(std::move(frame));
  }
  std::size_t uncut() const { return uncut_; }  // packets that the card has cut
  void flush() { tap_.deliver_to_kernel(); }
  bool unsent() const { return false; }
  bool arm() { return true; }
  void disarm() {}
  void heard() {}
  int interrupt_descriptor() const { return tap_.descriptor(); }

 private:
  ImpairedTap& tap_;
  const PortFeatures card_;
  Frame open_;
  std::size_t uncut_ = 0;
};

}  // namespace godwit::dataplane::tcp
