// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dataplane/tcp/reassembly.h"

namespace godwit::dataplane::tcp {

// What a connection needs while it holds bytes its user cannot have yet.
struct Receiver {
  Reassembly out_of_order;
  ReadyQueue ready;
  // In the list of those that hold bytes out of order, by when they began to.
  std::uint32_t owner = 0;
  std::uint32_t next = 0;
  std::uint32_t prev = 0;
  bool listed = false;

  bool empty() const { return out_of_order.empty() && ready.empty(); }
};

}  // namespace godwit::dataplane::tcp
