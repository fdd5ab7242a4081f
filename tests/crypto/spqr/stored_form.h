// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "base/bytes.h"

namespace godwit::crypto::signal {

// What write() writes, which must be as long as write_size() says.
template <typename T>
std::vector<std::uint8_t> stored_form(const T& object) {
  std::vector<std::uint8_t> form(object.write_size());
  ByteWriter out(form);
  object.write(out);
  EXPECT_TRUE(out.ok());
  EXPECT_EQ(out.size(), form.size());
  return form;
}

}  // namespace godwit::crypto::signal
