// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

// Test vectors: files beside the project where they are at hand, hexadecimal text everywhere.

namespace godwit::crypto::testing {

// None when the file is not there; a file that is there and is not JSON fails the test.
inline std::optional<nlohmann::json> read_vectors(const std::string& file) {
  std::ifstream in(GODWIT_VECTORS "/" + file);
  if (!in) return std::nullopt;
  nlohmann::json json = nlohmann::json::parse(in, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << file;
  return json;
}

inline std::vector<std::uint8_t> unhex(std::string_view text) {
  const auto bytes = from_hex(text);
  EXPECT_TRUE(bytes) << text;
  return bytes.value_or(std::vector<std::uint8_t>{});
}

template <std::size_t Size>
std::array<std::uint8_t, Size> unhex_array(std::string_view text) {
  const std::vector<std::uint8_t> bytes = unhex(text);
  std::array<std::uint8_t, Size> array{};
  EXPECT_EQ(bytes.size(), Size);
  if (bytes.size() == Size) std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

}  // namespace godwit::crypto::testing

#define GODWIT_VECTORS_OR_SKIP(json, file)                         \
  const auto json = ::godwit::crypto::testing::read_vectors(file); \
  if (!json) GTEST_SKIP() << "no vectors at " GODWIT_VECTORS "/" << (file)
