// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "control/config.h"

// The flags that name devices of our own and our addresses there, for programs that have them.
//
// The n-th --vdev or --pci is the n-th device; an --address or --gateway is that of the device flag
// before it, of the first device where there is none before it. So for one device their order does
// not matter. Given again for a device they add to each other.
//
// Thread safety: one thread.

namespace godwit::apps {

class PortFlags {
 public:
  // `virtual_example` is what --help shows for --vdev. The parsing of `app` ends before this does.
  void add_to(CLI::App& app, const std::string& virtual_example);
  // Over what a file has, device by device.
  void apply_to(std::vector<control::Config::Port>& ports) const;

 private:
  enum class Kind : std::uint8_t { device, address, gateway };
  struct Given {
    Kind kind;
    std::string value;
  };

  CLI::Option* add(CLI::App& app, const std::string& name, Kind kind, const std::string& help);

  std::vector<Given> given_;  // in the order of the command line
};

}  // namespace godwit::apps
