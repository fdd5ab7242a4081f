// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/ethernet_device.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <algorithm>
#include <cstring>

#include "dataplane/io/dpdk/eal.h"
#include "dataplane/io/dpdk/log_capture.h"

namespace godwit::dataplane::io::dpdk {

namespace {

// Buffers of one shard: both descriptor rings full, a burst in hand in each direction, of which the
// one that leaves may be packets to be cut, and what the pool keeps near the core.
constexpr unsigned pool_cache = 256;
constexpr unsigned pool_buffers = 2 * EthernetDevice::descriptors + EthernetDevice::burst_max +
                                  EthernetDevice::tx_buffers_max + 2 * pool_cache;
constexpr std::uint64_t tx_cutting = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
// Ethernet's header with one VLAN tag, and the checksum some drivers leave in place.
constexpr std::uint32_t frame_overhead = 14 + 4 + 4;

// The same bits for each 16-bit lane, so that both directions of a flow give one number (Woo and
// Park, "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012).
constexpr std::uint8_t symmetric_key_byte(std::size_t i) {
  return i % 2 == 0 ? 0x6d : 0x5a;
}
constexpr std::size_t rss_key_size_max = 64;
// The driver of DPDK 22.11 puts a descriptor for each queue and direction into a message that has
// room for 8, and does not look.
constexpr std::uint16_t tap_queues_max = 4;

Error device_error(const std::string& device, const std::string& what, int code) {
  return {ErrorCode::io, device + ": " + what + ": " + rte_strerror(code < 0 ? -code : code)};
}

// Bytes of the largest packet. Drivers that name no MTU name the longest frame.
std::uint32_t mtu_max_of(const rte_eth_dev_info& info) {
  constexpr std::uint32_t frame_least = 14 + 4;  // Ethernet's header and checksum
  if (info.max_mtu != UINT16_MAX || info.max_rx_pktlen <= frame_least) return info.max_mtu;
  return std::min<std::uint32_t>(info.max_mtu, info.max_rx_pktlen - frame_least);
}

// "net_tap0,iface=gw0" is known to DPDK as "net_tap0".
std::string name_of(const std::string& device) {
  return device.substr(0, device.find(','));
}

}  // namespace

std::string to_text(const tcp::MacAddress& mac) {
  std::string text;
  for (const std::uint8_t byte : mac.bytes) {
    if (!text.empty()) text += ':';
    text += to_hex({&byte, 1});
  }
  return text;
}

Result<std::unique_ptr<EthernetDevice>> EthernetDevice::open(const DeviceOptions& options) {
  const std::string name = name_of(options.device);
  const std::string long_name = is_pci_address(name) && name.size() == 7 ? "0000:" + name : name;
  // What DPDK writes to standard error besides would bury the one line.
  LogCapture log;
  std::uint16_t port = 0;
  if (rte_eth_dev_get_port_by_name(long_name.c_str(), &port) != 0) {
    return fail(
        ErrorCode::not_found,
        options.device + " could not be made: is its interface there, its name spelt right?");
  }
  std::unique_ptr<EthernetDevice> device(new EthernetDevice(options, port));
  if (auto done = device->prepare(); !done) {
    Error error = done.error();
    const std::string said = log.text();
    if (error.code == ErrorCode::io && !said.empty()) error.message += " (DPDK: " + said + ")";
    return std::unexpected(std::move(error));
  }
  return device;
}

Result<void> EthernetDevice::prepare() {
  if (auto done = configure(); !done) return done;
  if (auto done = make_pools(); !done) return done;
  if (auto done = set_up_queues(); !done) return done;
  return begin();
}

Result<void> EthernetDevice::configure() {
  rte_eth_dev_info info{};
  if (const int code = rte_eth_dev_info_get(port_, &info); code != 0) {
    return std::unexpected(device_error(options_.device, "gives no information", code));
  }
  const std::uint32_t mtu_max = mtu_max_of(info);
  if (options_.mtu < info.min_mtu || options_.mtu > mtu_max) {
    return fail(ErrorCode::invalid, options_.device + " carries packets of " +
                                        std::to_string(info.min_mtu) + " to " +
                                        std::to_string(mtu_max) + " bytes, not of " +
                                        std::to_string(options_.mtu) + ": see io.mtu");
  }
  driver_ = info.driver_name;
  rx_queues_ = std::min(options_.shards, info.max_rx_queues);
  tx_queues_ = std::min(options_.shards, info.max_tx_queues);
  if (is_tap()) {
    rx_queues_ = std::min(rx_queues_, tap_queues_max);
    tx_queues_ = std::min(tx_queues_, tap_queues_max);
  }
  // A device without a redirection table may say that it hashes and still put packets anywhere.
  hardware_steering_ =
      rx_queues_ == 1 ? options_.shards == 1 : rx_queues_ == options_.shards && info.reta_size > 0;
  rte_eth_conf conf{};
  conf.rxmode.mtu = options_.mtu;
  std::array<std::uint8_t, rss_key_size_max> key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = symmetric_key_byte(i);
  if (rx_queues_ > 1) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP);
    if (info.hash_key_size > 0 && info.hash_key_size <= key.size()) {
      conf.rx_adv_conf.rss_conf.rss_key = key.data();
      conf.rx_adv_conf.rss_conf.rss_key_len = info.hash_key_size;
    }
  }
  choose_offloads(info, conf);
  conf.intr_conf.rxq = 1;
  int code = rte_eth_dev_configure(port_, rx_queues_, tx_queues_, &conf);
  rx_interrupts_ = code == 0;
  if (!rx_interrupts_) {
    conf.intr_conf.rxq = 0;
    code = rte_eth_dev_configure(port_, rx_queues_, tx_queues_, &conf);
  }
  if (code != 0) return std::unexpected(device_error(options_.device, "cannot be set up", code));
  transmit_locks_ = std::make_unique<std::atomic_flag[]>(tx_queues_);
  return {};
}

void EthernetDevice::choose_offloads(const rte_eth_dev_info& info, rte_eth_conf& conf) {
  const auto rx = [&](std::uint64_t flags) { return (info.rx_offload_capa & flags) == flags; };
  const auto tx = [&](std::uint64_t flags) { return (info.tx_offload_capa & flags) == flags; };
  constexpr std::uint64_t rx_sums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
  offloads_ = {.rx_checksums = rx(rx_sums),
               .tx = {.ip_checksum = tx(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM),
                      .tcp_checksum = tx(RTE_ETH_TX_OFFLOAD_TCP_CKSUM),
                      .segmentation = segmentation_of(info)}};
  if (offloads_.rx_checksums) conf.rxmode.offloads |= rx_sums;
  if (offloads_.tx.ip_checksum) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
  if (offloads_.tx.tcp_checksum) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
  if (offloads_.tx.segmentation.any()) conf.txmode.offloads |= tx_cutting;
}

// What is cut lies in several buffers, of which a driver takes so many to a packet.
tcp::Segmentation EthernetDevice::segmentation_of(const rte_eth_dev_info& info) const {
  constexpr std::uint64_t needed =
      tx_cutting | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
  if (!options_.segmentation || (info.tx_offload_capa & needed) != needed) return {};
  std::uint32_t buffers = chain_max;
  if (info.tx_desc_lim.nb_seg_max != 0) {
    buffers = std::min<std::uint32_t>(buffers, info.tx_desc_lim.nb_seg_max);
  }
  const std::uint32_t room = buffers * (buffer_room() - RTE_PKTMBUF_HEADROOM) - frame_overhead;
  const std::uint32_t bytes = std::min(tcp::uncut_bytes_max, room);
  if (!is_tap()) return {.v4 = bytes, .v6 = bytes};
  // This driver cuts by the library of DPDK, which in 22.11 knows IPv4 alone, and holds a segment
  // with its Ethernet header to be as long as a packet may be.
  return {.v4 = bytes, .packet_max = options_.mtu - std::uint32_t{tcp::ethernet_header_size}};
}

std::uint32_t EthernetDevice::buffer_room() const {
  return std::max<std::uint32_t>(RTE_MBUF_DEFAULT_BUF_SIZE,
                                 RTE_PKTMBUF_HEADROOM + options_.mtu + frame_overhead);
}

Result<void> EthernetDevice::make_pools() {
  const std::uint32_t room = buffer_room();
  // For the error alone: packets with their headers, and twice of it, for memory that is not in
  // hugepages was found to be used but by half.
  const std::uint32_t pool_mb = (2 * pool_buffers * (room + 256) >> 20) + 1;
  const std::uint32_t memory_mb = pool_mb * options_.shards * options_.devices;
  for (std::uint16_t shard = 0; shard < options_.shards; ++shard) {
    const std::string name = "godwit-" + std::to_string(port_) + "-" + std::to_string(shard);
    rte_mempool* pool = rte_pktmbuf_pool_create(name.c_str(), pool_buffers, pool_cache, 0,
                                                static_cast<std::uint16_t>(room), SOCKET_ID_ANY);
    if (pool == nullptr) {
      return fail(ErrorCode::io, options_.device + ": no memory for the packets of " +
                                     std::to_string(options_.shards) + " shards: io.memory_mb = " +
                                     std::to_string(memory_mb) + " is enough");
    }
    pools_.push_back(pool);
  }
  return {};
}

Result<void> EthernetDevice::set_up_queues() {
  std::uint16_t rx_ring = descriptors;
  std::uint16_t tx_ring = descriptors;
  if (const int code = rte_eth_dev_adjust_nb_rx_tx_desc(port_, &rx_ring, &tx_ring); code != 0) {
    return std::unexpected(device_error(options_.device, "takes no descriptors", code));
  }
  const int socket = rte_eth_dev_socket_id(port_);
  const auto node =
      socket < 0 ? static_cast<unsigned>(SOCKET_ID_ANY) : static_cast<unsigned>(socket);
  for (std::uint16_t queue = 0; queue < rx_queues_; ++queue) {
    const int code = rte_eth_rx_queue_setup(port_, queue, rx_ring, node, nullptr, pools_[queue]);
    if (code != 0) return std::unexpected(device_error(options_.device, "no receive queue", code));
  }
  for (std::uint16_t queue = 0; queue < tx_queues_; ++queue) {
    const int code = rte_eth_tx_queue_setup(port_, queue, tx_ring, node, nullptr);
    if (code != 0) return std::unexpected(device_error(options_.device, "no transmit queue", code));
  }
  return {};
}

Result<void> EthernetDevice::begin() {
  choose_mac();
  if (const int code = rte_eth_dev_start(port_); code != 0) {
    return std::unexpected(device_error(options_.device, "does not start", code));
  }
  running_ = true;
  // Some drivers take the setting and have none.
  rx_interrupts_ = rx_interrupts_ && rte_eth_dev_rx_intr_ctl_q_get_fd(port_, 0) >= 0;
  // Drivers that hear what is not for them anyway have no such switches.
  rte_eth_allmulticast_enable(port_);  // neighbour discovery
  if (is_tap() || driver_ == "net_af_packet" || driver_ == "net_af_xdp") {
    rte_eth_promiscuous_enable(port_);
  }
  return {};
}

// A tap shares its address with the kernel's interface, which is the other end: two hosts with one
// address. So ours differs in a bit.
void EthernetDevice::choose_mac() {
  rte_ether_addr address{};
  rte_eth_macaddr_get(port_, &address);
  std::memcpy(mac_.bytes.data(), address.addr_bytes, mac_.bytes.size());
  if (is_tap()) mac_.bytes[5] ^= 1;
}

EthernetDevice::~EthernetDevice() {
  if (running_) rte_eth_dev_stop(port_);
  rte_eth_dev_close(port_);
  for (rte_mempool* pool : pools_) rte_mempool_free(pool);
}

std::string EthernetDevice::describe() const {
  std::string text = options_.device + " (" + driver_ + ", " + to_text(mac_) + ", MTU " +
                     std::to_string(options_.mtu) + "): " + std::to_string(rx_queues_) +
                     " receive and " + std::to_string(tx_queues_) + " transmit queues, steered by ";
  text += hardware_steering_ ? "the hardware" : "software";
  text += offloads_.tx.tcp_checksum ? ", checksums by the hardware" : ", checksums by software";
  const tcp::Segmentation& cuts = offloads_.tx.segmentation;
  text += !cuts.any()    ? ", no segmentation offload"
          : cuts.v6 == 0 ? ", segmentation offload over IPv4"
                         : ", segmentation offload";
  text += rx_interrupts_ ? ", receive interrupts" : ", no receive interrupts";
  return text;
}

EthernetDevice::Link EthernetDevice::link() const {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(port_, &link) != 0) return {};
  const bool known = link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN;
  return {.up = link.link_status == RTE_ETH_LINK_UP, .megabits = known ? link.link_speed : 0};
}

std::vector<std::pair<std::string, std::uint64_t>> EthernetDevice::statistics() const {
  const int count = rte_eth_xstats_get(port_, nullptr, 0);
  if (count <= 0) return {};
  std::vector<rte_eth_xstat> values(static_cast<std::size_t>(count));
  std::vector<rte_eth_xstat_name> names(values.size());
  const auto size = static_cast<unsigned>(count);
  if (rte_eth_xstats_get(port_, values.data(), size) != count ||
      rte_eth_xstats_get_names(port_, names.data(), size) != count) {
    return {};
  }
  std::vector<std::pair<std::string, std::uint64_t>> statistics;
  for (const rte_eth_xstat& value : values) {
    statistics.emplace_back(names[value.id].name, value.value);
  }
  return statistics;
}

}  // namespace godwit::dataplane::io::dpdk
