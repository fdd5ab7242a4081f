// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/clock.h"

namespace godwit::dataplane::io {

// The machine's clocks, which a test may put forward.
class RealTime {
 public:
  Now now() {
    Now now = read_clocks();
    now.instant += skipped_;
    return now;
  }
  void skip(Duration time) { skipped_ += time; }

 private:
  Duration skipped_{};
};

}  // namespace godwit::dataplane::io
