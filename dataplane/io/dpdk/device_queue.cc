// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/device_queue.h"

#include <rte_epoll.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace godwit::dataplane::io::dpdk {

DeviceQueue::DeviceQueue(EthernetDevice& device, std::uint16_t shard, Steering* steering)
    : device_(device),
      shard_(shard),
      steering_(device.shards() > 1 ? steering : nullptr),
      tx_queue_(shard % device.tx_queues()),
      shares_tx_(device.tx_queues() < device.shards()) {
  GODWIT_CHECK(device.shards() == 1 || steering != nullptr);
  if (shard < device.rx_queues() && device.rx_interrupts()) open_interrupts();
}

void DeviceQueue::open_interrupts() {
  if (device_.is_tap()) {
    // The descriptor of the packets themselves: readable as long as there are any.
    interrupts_ = rte_eth_dev_rx_intr_ctl_q_get_fd(device_.port(), shard_);
    return;
  }
  // An epoll descriptor of its own: DPDK knows how each driver's interrupts are taken back.
  interrupts_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (rte_eth_dev_rx_intr_ctl_q(device_.port(), shard_, interrupts_, RTE_INTR_EVENT_ADD, nullptr) !=
      0) {
    ::close(std::exchange(interrupts_, -1));
  }
}

DeviceQueue::~DeviceQueue() {
  if (open_ != nullptr) rte_pktmbuf_free(open_);
  for (std::uint16_t i = 0; i < tx_count_; ++i) rte_pktmbuf_free(tx_[i]);
  Burst left;
  for (std::size_t count; steering_ != nullptr && (count = fetch_steered(left)) > 0;) {
    for (std::size_t i = 0; i < count; ++i) release(left[i]);
  }
  if (interrupts_ < 0 || device_.is_tap()) return;
  rte_eth_dev_rx_intr_ctl_q(device_.port(), shard_, interrupts_, RTE_INTR_EVENT_DEL, nullptr);
  ::close(interrupts_);
}

void DeviceQueue::attach() {
  // Without a number of its own a thread works too, only without a cache.
  if (!attached_) attached_ = rte_lcore_id() != LCORE_ID_ANY || rte_thread_register() == 0;
  if (!device_.is_tap()) return;
  // The driver learns of packets by a signal, and until then gives none: where the others block it,
  // it comes to a thread that wants them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGIO);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

std::size_t DeviceQueue::fetch(Burst& packets) {
  if (shard_ >= device_.rx_queues()) return 0;
  const std::uint16_t count =
      rte_eth_rx_burst(device_.port(), shard_, packets.data(), packets.size());
  counters_.rx_packets += count;
  for (std::size_t i = 0; i < count; ++i) prefetch(packets[i]);
  return count;
}

std::size_t DeviceQueue::fetch_steered(Burst& packets) {
  std::size_t count = 0;
  for (std::uint16_t from = 0; from < steering_->shards(); ++from) {
    if (from == shard_) continue;
    steering_->ring(from, shard_).drain(packets.size() - count, [&](rte_mbuf* packet) {
      packets[count++] = packet;
    });
  }
  return count;
}

std::size_t DeviceQueue::steer(Burst& packets, std::size_t count) {
  std::size_t own = 0;
  for (std::size_t i = 0; i < count; ++i) {
    rte_mbuf* packet = packets[i];
    const MutableBytes frame{rte_pktmbuf_mtod(packet, std::uint8_t*), packet->data_len};
    const std::uint16_t owner = steering_->owner_of(frame, shard_);
    if (owner == shard_ || owner == Steering::everyone) {
      packets[own++] = packet;
    } else {
      hand_to(owner, packet);
    }
    if (owner != Steering::everyone) continue;
    for (std::uint16_t other = 0; other < steering_->shards(); ++other) {
      if (other == shard_) continue;
      rte_mbuf* copy = rte_pktmbuf_copy(packet, device_.pool(shard_), 0, packet->pkt_len);
      if (copy != nullptr) hand_to(other, copy);
    }
  }
  return own;
}

void DeviceQueue::hand_to(std::uint16_t shard, rte_mbuf* packet) {
  if (steering_->ring(shard_, shard).try_push(packet)) {
    ++counters_.steered;
  } else {
    ++counters_.steer_dropped;
    rte_pktmbuf_free(packet);
  }
}

void DeviceQueue::wake_others() {
  for (std::uint16_t other = 0; other < steering_->shards(); ++other) {
    if (other != shard_ && steering_->ring(shard_, other).flush()) steering_->wake(other);
  }
}

MutableBytes DeviceQueue::bytes_of(rte_mbuf* packet, tcp::RxHints& hints) {
  counters_.rx_bytes += packet->pkt_len;
  // Never with the sizes of buffer asked for, but the driver's word is not what memory rests on.
  if (packet->nb_segs != 1) return {};
  const std::uint64_t l4 = packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  const std::uint64_t ip = packet->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
  // IPv6 has no header checksum, so the driver may leave that unknown.
  hints.checksums_good =
      device_.offloads().rx_checksums && l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD &&
      (ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD || ip == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN);
  return {rte_pktmbuf_mtod(packet, std::uint8_t*), packet->data_len};
}

void DeviceQueue::prefetch(rte_mbuf* packet) {
  rte_prefetch0(rte_pktmbuf_mtod(packet, void*));
}

void DeviceQueue::release(rte_mbuf* packet) {
  rte_pktmbuf_free(packet);
}

MutableBytes DeviceQueue::frame(std::size_t size) {
  if (open_ == nullptr) open_ = rte_pktmbuf_alloc(device_.pool(shard_));
  if (open_ == nullptr || size > rte_pktmbuf_tailroom(open_)) {
    ++counters_.no_buffers;
    return {};
  }
  GODWIT_CHECK(open_->next == nullptr);
  open_->data_len = static_cast<std::uint16_t>(size);
  open_->pkt_len = static_cast<std::uint32_t>(size);
  return {rte_pktmbuf_mtod(open_, std::uint8_t*), size};
}

// First the buffers, so that a refusal changes nothing.
bool DeviceQueue::append(std::span<const Bytes> pieces) {
  std::size_t left = 0;
  for (const Bytes piece : pieces) left += piece.size();
  rte_mempool* const pool = device_.pool(shard_);
  const std::size_t room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
  const std::size_t here = std::min<std::size_t>(rte_pktmbuf_tailroom(open_), left);
  const std::size_t more = (left - here + room - 1) / room;
  std::array<rte_mbuf*, EthernetDevice::chain_max> buffers{};
  if (more >= buffers.size() ||
      rte_pktmbuf_alloc_bulk(pool, buffers.data(), static_cast<unsigned>(more)) != 0) {
    ++counters_.no_buffers;
    return false;
  }
  open_->pkt_len += static_cast<std::uint32_t>(left);
  open_->nb_segs = static_cast<std::uint16_t>(1 + more);
  rte_mbuf* last = open_;
  rte_mbuf** next = buffers.data();
  for (Bytes piece : pieces) {
    while (!piece.empty()) {
      if (rte_pktmbuf_tailroom(last) == 0) last = last->next = *next++;
      const std::size_t size = std::min<std::size_t>(piece.size(), rte_pktmbuf_tailroom(last));
      std::memcpy(rte_pktmbuf_mtod_offset(last, void*, last->data_len), piece.data(), size);
      last->data_len = static_cast<std::uint16_t>(last->data_len + size);
      piece = piece.subspan(size);
    }
  }
  return true;
}

// What the driver wants besides, once for each packet: some add to what is written already.
bool DeviceQueue::prepare_cutting(rte_mbuf* packet, const tcp::TxHints& hints) {
  packet->l4_len = hints.tcp_size;
  packet->tso_segsz = hints.segment_size;
  packet->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
  if (rte_eth_tx_prepare(device_.port(), tx_queue_, &packet, 1) != 1) return false;
  ++counters_.tx_uncut;
  return true;
}

bool DeviceQueue::has_room_for(const rte_mbuf& packet) const {
  return tx_count_ < tx_.size() && tx_buffers_ + packet.nb_segs <= EthernetDevice::tx_buffers_max;
}

void DeviceQueue::send(const tcp::TxHints& hints) {
  rte_mbuf* packet = std::exchange(open_, nullptr);
  GODWIT_CHECK(packet != nullptr);
  if (hints.ip_checksum || hints.tcp_checksum) {
    packet->l2_len = hints.link_size;
    packet->l3_len = hints.ip_size;
    packet->ol_flags |= hints.v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
    if (hints.ip_checksum) packet->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    if (hints.tcp_checksum) packet->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
  }
  const bool ready = hints.segment_size == 0 || prepare_cutting(packet, hints);
  if (ready && !has_room_for(*packet)) flush();
  if (!ready || !has_room_for(*packet)) {
    ++counters_.tx_dropped;
    rte_pktmbuf_free(packet);
    return;
  }
  counters_.tx_bytes += packet->pkt_len;
  tx_buffers_ += packet->nb_segs;
  tx_[tx_count_++] = packet;
}

std::uint16_t DeviceQueue::transmit() {
  if (!shares_tx_) return rte_eth_tx_burst(device_.port(), tx_queue_, tx_.data(), tx_count_);
  std::atomic_flag& lock = device_.transmit_lock(tx_queue_);
  // Acquire matches the release below: the queue's descriptors as the last holder left them.
  if (lock.test_and_set(std::memory_order_acquire)) return 0;
  const std::uint16_t sent = rte_eth_tx_burst(device_.port(), tx_queue_, tx_.data(), tx_count_);
  lock.clear(std::memory_order_release);
  return sent;
}

void DeviceQueue::flush() {
  if (tx_count_ == 0) return;
  const std::uint16_t sent = transmit();
  stalled_ = sent > 0 ? 0 : std::min(stalled_ + 1, stalled_max);
  counters_.tx_packets += sent;
  std::copy(tx_.begin() + sent, tx_.begin() + tx_count_, tx_.begin());
  tx_count_ = static_cast<std::uint16_t>(tx_count_ - sent);
  // The driver may have freed the others.
  tx_buffers_ = 0;
  for (std::uint16_t i = 0; i < tx_count_; ++i) tx_buffers_ += tx_[i]->nb_segs;
}

bool DeviceQueue::arm() {
  for (std::uint16_t from = 0; steering_ != nullptr && from < steering_->shards(); ++from) {
    if (from != shard_ && !steering_->ring(from, shard_).consumer_empty()) return false;
  }
  if (interrupts_ < 0) return true;
  if (rte_eth_dev_rx_intr_enable(device_.port(), shard_) != 0) return true;
  // A packet that came before the interrupt was on rings no bell. Drivers that cannot count have a
  // descriptor that stays readable.
  return rte_eth_rx_queue_count(device_.port(), shard_) <= 0;
}

void DeviceQueue::disarm() {
  if (interrupts_ >= 0) rte_eth_dev_rx_intr_disable(device_.port(), shard_);
}

void DeviceQueue::heard() {
  if (device_.is_tap()) return;
  rte_epoll_event event;
  rte_epoll_wait(interrupts_, &event, 1, 0);
}

}  // namespace godwit::dataplane::io::dpdk
