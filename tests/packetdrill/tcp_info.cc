// SPDX-License-Identifier: Apache-2.0
#include <linux/tcp.h>

#include <algorithm>
#include <cstring>

#include "tests/packetdrill/sockets.h"

// TCP_INFO: what the stack knows of a connection, in the system's form.

namespace godwit::packetdrill {
namespace {

using dataplane::tcp::ConnectionInfo;
using dataplane::tcp::Sender;
using State = dataplane::tcp::State;

constexpr std::uint8_t state_close = 7;
constexpr std::uint8_t state_listen = 10;
constexpr std::uint32_t threshold_none = 0x7fffffff;  // as the system says it

std::uint8_t kernel_state(State state) {
  switch (state) {
    case State::syn_sent:
      return 2;
    case State::syn_received:
      return 3;
    case State::established:
      return 1;
    case State::fin_wait_1:
      return 4;
    case State::fin_wait_2:
      return 5;
    case State::close_wait:
      return 8;
    case State::closing:
      return 11;
    case State::last_ack:
      return 9;
    default:
      return state_close;
  }
}

// Open, disorder, recovery, loss; the system's CWR is part of our open.
std::uint8_t congestion_state(const ConnectionInfo& info) {
  if (info.phase == Sender::Phase::recovery) return TCP_CA_Recovery;
  if (info.phase == Sender::Phase::loss) return TCP_CA_Loss;
  return info.sacked > 0 ? TCP_CA_Disorder : TCP_CA_Open;
}

std::uint32_t microseconds(Duration time) {
  return static_cast<std::uint32_t>(time / std::chrono::microseconds(1));
}

void fill_sending(::tcp_info& out, const ConnectionInfo& info) {
  const std::uint32_t mss = std::max<std::uint32_t>(info.mss, 1);
  out.tcpi_ca_state = congestion_state(info);
  out.tcpi_backoff = info.backoff;
  out.tcpi_retransmits = info.backoff;
  out.tcpi_snd_mss = info.mss;
  out.tcpi_snd_cwnd = info.congestion_window / mss;
  out.tcpi_snd_ssthresh = info.slow_start_threshold == dataplane::tcp::Cubic::threshold_none
                              ? threshold_none
                              : info.slow_start_threshold / mss;
  out.tcpi_unacked = info.unacked;
  out.tcpi_sacked = info.sacked;
  out.tcpi_lost = info.lost;
  out.tcpi_total_retrans = info.retransmitted;
  out.tcpi_notsent_bytes = info.unsent;
  out.tcpi_bytes_acked = info.acknowledged;
  out.tcpi_snd_wnd = info.send_window;
  out.tcpi_reordering = 3;
  out.tcpi_rtt = microseconds(info.rtt);
  out.tcpi_rttvar = microseconds(info.rtt_variance);
  out.tcpi_min_rtt = microseconds(info.rtt_least);
  out.tcpi_rto = microseconds(info.timeout) << std::min<unsigned>(info.backoff, 6);
}

}  // namespace

std::vector<std::uint8_t> Sockets::tcp_info(const File& file) {
  constexpr std::uint32_t ack_delay_us = 40'000;
  ::tcp_info out{};
  out.tcpi_state = file.phase == Phase::listening ? state_listen : state_close;
  if (const auto info = machine_.tcp().info(file.name)) {
    out.tcpi_state = kernel_state(info->state);
    out.tcpi_options = static_cast<std::uint8_t>(
        (info->timestamps ? TCPI_OPT_TIMESTAMPS : 0) | (info->sack ? TCPI_OPT_SACK : 0) |
        (info->scaling ? TCPI_OPT_WSCALE : 0) | (info->ecn ? TCPI_OPT_ECN : 0));
    fill_sending(out, *info);
    out.tcpi_probes = info->probes;
    out.tcpi_snd_wscale = info->send_scale & 0xf;
    out.tcpi_rcv_wscale = info->receive_scale & 0xf;
    out.tcpi_ato = ack_delay_us;
    out.tcpi_rcv_mss = info->receive_mss;
    out.tcpi_advmss = info->mss_told;
    out.tcpi_pmtu = 1500;
    out.tcpi_rcv_space = info->receive_space;
    out.tcpi_rcv_ssthresh = info->receive_window;
    out.tcpi_bytes_received = info->received;
    const auto since = [&](Instant then) {
      return static_cast<std::uint32_t>((machine_.now() - then) / std::chrono::milliseconds(1));
    };
    out.tcpi_last_data_sent = since(info->last_sent);
    out.tcpi_last_data_recv = since(info->last_heard);
    out.tcpi_last_ack_recv = since(info->last_heard);
  }
  std::vector<std::uint8_t> bytes(sizeof out);
  std::memcpy(bytes.data(), &out, sizeof out);
  return bytes;
}

}  // namespace godwit::packetdrill
