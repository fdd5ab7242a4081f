// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/device_queue.h"

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>

namespace godwit::dataplane::io::dpdk {

DeviceQueue::DeviceQueue(EthernetDevice& device, std::uint16_t shard)
    : device_(device),
      shard_(shard),
      tx_queue_(shard % device.tx_queues()),
      shares_tx_(device.tx_queues() < device.shards()) {
  if (shard < device.rx_queues() && device.rx_interrupts()) {
    interrupt_descriptor_ = rte_eth_dev_rx_intr_ctl_q_get_fd(device.port(), shard);
  }
}

DeviceQueue::~DeviceQueue() {
  if (open_ != nullptr) rte_pktmbuf_free(open_);
  for (std::uint16_t i = 0; i < tx_count_; ++i) rte_pktmbuf_free(tx_[i]);
}

void DeviceQueue::attach() {
  // Without a number of its own a thread works too, only without a cache.
  if (!attached_) attached_ = rte_lcore_id() != LCORE_ID_ANY || rte_thread_register() == 0;
}

std::uint16_t DeviceQueue::fetch(rte_mbuf** packets, std::size_t count) {
  if (shard_ >= device_.rx_queues()) return 0;
  const std::uint16_t got =
      rte_eth_rx_burst(device_.port(), shard_, packets, static_cast<std::uint16_t>(count));
  counters_.rx_packets += got;
  constexpr std::uint16_t ahead = 3;
  for (std::uint16_t i = 0; i < std::min(got, ahead); ++i) {
    rte_prefetch0(rte_pktmbuf_mtod(packets[i], void*));
  }
  return got;
}

MutableBytes DeviceQueue::bytes_of(rte_mbuf* packet, RxFacts& facts) {
  counters_.rx_bytes += packet->pkt_len;
  // Never with the sizes of buffer asked for, but the driver's word is not what memory rests on.
  if (packet->nb_segs != 1) return {};
  constexpr std::uint64_t ip_good = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
  constexpr std::uint64_t l4_good = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  const std::uint64_t l4 = packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  const std::uint64_t ip = packet->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
  // IPv6 has no header checksum, so the driver may leave that unknown.
  facts.checksums_good = device_.offloads().rx_checksum && l4 == l4_good &&
                         (ip == ip_good || ip == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN);
  return {rte_pktmbuf_mtod(packet, std::uint8_t*), packet->data_len};
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
  return {rte_pktmbuf_mtod(open_, std::uint8_t*), size};
}

void DeviceQueue::send(std::size_t size, const TxWork& work) {
  if (open_ == nullptr) return;
  rte_mbuf* packet = open_;
  open_ = nullptr;
  packet->data_len = static_cast<std::uint16_t>(size);
  packet->pkt_len = static_cast<std::uint32_t>(size);
  if (work.ip_checksum || work.tcp_checksum) {
    packet->l2_len = work.ethernet_size;
    packet->l3_len = work.ip_size;
    packet->l4_len = work.tcp_size;
    packet->ol_flags |= work.ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
    if (work.ip_checksum) packet->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    if (work.tcp_checksum) packet->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
  }
  counters_.tx_bytes += size;
  if (tx_count_ == tx_.size()) flush();
  if (tx_count_ == tx_.size()) {
    ++counters_.tx_dropped;
    rte_pktmbuf_free(packet);
    return;
  }
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
  counters_.tx_packets += sent;
  std::copy(tx_.begin() + sent, tx_.begin() + tx_count_, tx_.begin());
  tx_count_ = static_cast<std::uint16_t>(tx_count_ - sent);
}

bool DeviceQueue::arm() {
  if (interrupt_descriptor_ < 0) return true;
  if (rte_eth_dev_rx_intr_enable(device_.port(), shard_) != 0) return true;
  // A packet that came before the interrupt was on rings no bell.
  return rte_eth_rx_queue_count(device_.port(), shard_) <= 0;
}

void DeviceQueue::disarm() {
  if (interrupt_descriptor_ >= 0) rte_eth_dev_rx_intr_disable(device_.port(), shard_);
}

}  // namespace godwit::dataplane::io::dpdk
