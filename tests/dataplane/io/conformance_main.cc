// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/dataplane/io/tap_world.h"

int main(int argc, char** argv) {
  using godwit::dataplane::io::TapPort;
  testing::InitGoogleTest(&argc, argv);
  if (!TapPort::only().open()) {
    std::fprintf(stderr, "no port: %s\n", TapPort::only().missing().c_str());
  }
  const int result = RUN_ALL_TESTS();
  TapPort::only().close();
  return result;
}
