// SPDX-License-Identifier: Apache-2.0
#include "apps/port_flags.h"

#include <utility>

namespace godwit::apps {

using Port = control::Config::Port;

CLI::Option* PortFlags::add(CLI::App& app, const std::string& name, Kind kind,
                            const std::string& help) {
  const std::function<void(const std::string&)> take = [this, kind](const std::string& value) {
    given_.push_back({kind, value});
  };
  // Called for each by itself, which keeps the order among different flags.
  return app.add_option_function<std::string>(name, take, help)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->trigger_on_parse();
}

void PortFlags::add_to(CLI::App& app, const std::string& virtual_example) {
  add(app, "--vdev", Kind::device,
      "a virtual device for dpdk, as " + virtual_example + "; again for each further one");
  add(app, "--pci", Kind::device,
      "a network card for dpdk, as 0000:03:00.0; again for each further one");
  add(app, "--address", Kind::address,
      "of the device before it, ADDRESS/BITS, with commas between");
  add(app, "--gateway", Kind::gateway, "of that device, to what is in no network of these");
}

void PortFlags::apply_to(std::vector<Port>& ports) const {
  std::size_t named = 0;
  std::size_t current = 0;
  // The first of a kind takes the place of what the file has.
  std::vector<std::pair<bool, bool>> begun(1);
  const auto put = [](std::string& field, const std::string& value, bool& again) {
    field = again ? field + ", " + value : value;
    again = true;
  };
  for (const Given& one : given_) {
    if (one.kind == Kind::device) {
      current = named++;
      if (current == ports.size()) ports.emplace_back();
      if (current == begun.size()) begun.emplace_back();
      ports[current].device = one.value;
    } else if (one.kind == Kind::address) {
      put(ports[current].addresses, one.value, begun[current].first);
    } else {
      put(ports[current].gateway, one.value, begun[current].second);
    }
  }
}

}  // namespace godwit::apps
