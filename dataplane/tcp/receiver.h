// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/clock.h"
#include "dataplane/tcp/reassembly.h"

namespace godwit::dataplane::tcp {

// What a connection needs while it holds bytes its user cannot have yet.
struct Receiver {
  Reassembly out_of_order;
  ReadyQueue ready;

  bool empty() const { return out_of_order.empty() && ready.empty(); }
};

}  // namespace godwit::dataplane::tcp
