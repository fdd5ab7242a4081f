// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "tests/dataplane/io/any_stream.h"

// Every backend, and every way in which io_uring has to do without one of the kernel's features,
// for the suites that all of them pass.

namespace godwit::dataplane::io {

struct NamedWorld {
  const char* name;
  AnyWorld (*make)();
};
std::vector<NamedWorld> worlds();

inline std::string world_name(const ::testing::TestParamInfo<NamedWorld>& info) {
  return info.param.name;
}

class Conformance : public TwoBackends<AnyWorld>, public ::testing::WithParamInterface<NamedWorld> {
 protected:
  Conformance() : TwoBackends(GetParam().make()) {}
};

}  // namespace godwit::dataplane::io
