// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/drop.h"

#include <array>

namespace godwit::dataplane::tcp {
namespace {

constexpr std::array<std::string_view, drop_count> names = {"short_frame",
                                                            "other_vlan",
                                                            "other_mac",
                                                            "bad_source_mac",
                                                            "unknown_ethertype",
                                                            "bad_arp",
                                                            "bad_neighbour",
                                                            "foreign_neighbour",
                                                            "duplicate_address",
                                                            "bad_ip_header",
                                                            "bad_ip_checksum",
                                                            "source_route",
                                                            "fragment",
                                                            "extension_headers",
                                                            "martian_source",
                                                            "martian_destination",
                                                            "not_our_address",
                                                            "unknown_protocol",
                                                            "group_address",
                                                            "bad_tcp_header",
                                                            "bad_tcp_checksum",
                                                            "bad_udp",
                                                            "closed_udp_port",
                                                            "bad_icmp",
                                                            "icmp_ignored",
                                                            "icmp_foreign",
                                                            "icmp_limited",
                                                            "no_route",
                                                            "no_frame",
                                                            "too_long",
                                                            "neighbour_unresolved",
                                                            "neighbour_unreachable",
                                                            "neighbour_table_full",
                                                            "address_not_ready"};
static_assert(!names.back().empty(), "each reason has its word");

}  // namespace

std::string_view drop_name(Drop drop) {
  return names[static_cast<std::size_t>(drop)];
}

}  // namespace godwit::dataplane::tcp
