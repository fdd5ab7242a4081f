// SPDX-License-Identifier: Apache-2.0
#include "apps/qr_code.h"

#include <qrencode.h>

#include <memory>

namespace godwit::apps {

std::optional<std::vector<std::string>> qr_code(Bytes bytes) {
  constexpr int margin = 4;
  if (bytes.empty()) return std::nullopt;
  const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeData(static_cast<int>(bytes.size()), bytes.data(), 0, QR_ECLEVEL_L),
      &QRcode_free);
  if (!code) return std::nullopt;
  const auto is_light = [&](int row, int column) {
    const bool inside = row >= 0 && column >= 0 && row < code->width && column < code->width;
    return !inside || (code->data[row * code->width + column] & 1) == 0;
  };
  std::vector<std::string> lines;
  for (int row = -margin; row < code->width + margin; row += 2) {
    std::string line;
    for (int column = -margin; column < code->width + margin; ++column) {
      const bool above = is_light(row, column);
      const bool below = is_light(row + 1, column);
      line += above && below ? "\u2588" : above ? "\u2580" : below ? "\u2584" : " ";
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace godwit::apps
