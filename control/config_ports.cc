// SPDX-License-Identifier: Apache-2.0
#include "control/config_ports.h"

#include <algorithm>

#include "base/ip_address.h"

namespace godwit::control {
namespace {

// "net_tap0,iface=gw0" is the device net_tap0, and "03:00.0" is 0000:03:00.0.
std::string name_of(const Config::Port& port) {
  const std::string name = port.device.substr(0, port.device.find(','));
  const bool short_pci = name.size() == 7 && name[2] == ':' && name[5] == '.';
  return short_pci ? "0000:" + name : name;
}

// Values that are well-formed, each by itself.
struct PortChecks {
  const std::vector<Config::Port>& ports;
  ConfigProblems problems{};
  std::vector<std::vector<IpPrefix>> addresses{};  // of each port

  void run() {
    for (std::size_t i = 0; i < ports.size(); ++i) {
      addresses.push_back(*parse_ip_prefixes(ports[i].addresses));
      check_alone(i);
      for (std::size_t before = 0; before < i; ++before) check_apart(before, i);
    }
  }

  void check_alone(std::size_t index) {
    const Config::Port& port = ports[index];
    if (port.device.empty()) {
      add(index, "device = \"\"", "the backend \"dpdk\" needs one");
    }
    if (addresses[index].empty()) {
      return add(index, "addresses = \"\"", "the backend \"dpdk\" needs one at least");
    }
    const auto gateways = parse_ip_prefixes(port.gateway);
    for (const IpPrefix& gateway : *gateways) {
      check_gateway(index, "gateway = \"" + port.gateway + "\"", gateway.address);
    }
    const auto routes = parse_ip_routes(port.routes);
    for (const IpRoute& route : *routes) {
      check_gateway(index, "routes = \"" + port.routes + "\"", route.gateway);
    }
  }

  void check_gateway(std::size_t index, const std::string& what, const IpAddress& gateway) {
    const bool link_local = gateway.bytes[0] == 0xfe && (gateway.bytes[1] & 0xc0) == 0x80;
    const bool reachable = std::ranges::any_of(addresses[index], [&](const IpPrefix& one) {
      return one.address.is_v4() == gateway.is_v4() && one.contains(gateway);
    });
    if (link_local || reachable) return;
    add(index, what,
        ports.size() == 1 ? "a gateway is in the network of one of io.addresses"
                          : "a gateway is in the network of one of the addresses of its port");
  }

  // Which port a packet leaves by is told by its source address.
  void check_apart(std::size_t before, std::size_t index) {
    const std::string other = "[[io.port]] " + std::to_string(before + 1);
    if (!ports[index].device.empty() && name_of(ports[index]) == name_of(ports[before])) {
      add(index, "device = \"" + ports[index].device + "\"", other + " has that device");
    }
    for (const IpPrefix& here : addresses[index]) {
      for (const IpPrefix& there : addresses[before]) {
        if (here.address == there.address) {
          add(index, "addresses = \"" + ports[index].addresses + "\"",
              other + " has " + to_text(here.address) + " too; an address is on one port");
        } else if (here.contains(there.address) || there.contains(here.address)) {
          add(index, "addresses = \"" + ports[index].addresses + "\"",
              "the network of " + to_text(here.address) + " overlaps that of " +
                  to_text(there.address) + " of " + other + "; each port has networks of its own");
        }
      }
    }
  }

  void add(std::size_t index, const std::string& what, const std::string& why) {
    problems.push_back(port_label(ports.size(), index) + " " + what + ": " + why);
  }
};

bool is_address_of(const std::vector<std::vector<IpPrefix>>& addresses, const std::string& host) {
  const auto wanted = parse_ip_address(host);
  for (const auto& port : addresses) {
    for (const IpPrefix& one : port) {
      if (wanted && one.address == *wanted) return true;
    }
  }
  return false;
}

}  // namespace

std::string port_label(std::size_t count, std::size_t index) {
  return count == 1 ? "[io]" : "[[io.port]] " + std::to_string(index + 1) + ":";
}

ConfigProblems check_ports(const Config& config) {
  if (config.io.ports.size() > io_ports_max) {
    return {"[[io.port]]: " + std::to_string(config.io.ports.size()) + " devices; " +
            std::to_string(io_ports_max) + " are the most"};
  }
  PortChecks checks{config.io.ports};
  checks.run();
  const std::string host = parse_host_port(config.server.listen)->host;
  const bool anywhere = host == "0.0.0.0" || host == "::";
  const bool any_known =
      std::ranges::any_of(checks.addresses, [](const auto& port) { return !port.empty(); });
  if (!anywhere && any_known && !is_address_of(checks.addresses, host)) {
    const std::string of =
        config.io.ports.size() == 1 ? "io.addresses" : "the addresses of an [[io.port]]";
    checks.problems.push_back("[server] listen = \"" + config.server.listen +
                              "\": with the backend \"dpdk\" it is one of " + of +
                              ", 0.0.0.0 or [::]");
  }
  return std::move(checks.problems);
}

}  // namespace godwit::control
