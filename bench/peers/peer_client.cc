// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/peer_client.h"

#include <utility>

namespace godwit::bench {

Result<unsigned> PeerClient::on_bytes(MutableBytes bytes) {
  std::string joined = std::exchange(partial_, {});
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!joined.empty()) rest = joined.append(rest);
  arrived_ = 0;
  while (!rest.empty()) {
    const auto used = next(rest);
    if (!used) return std::unexpected(used.error());
    if (*used == 0) break;
    rest.remove_prefix(*used);
  }
  if (rest.size() > unit_size_max) {
    return fail(ErrorCode::malformed, "something that never ends");
  }
  partial_.assign(rest);
  return arrived_;
}

Result<void> PeerClient::arrived(std::string_view payload) {
  ++arrived_;
  return ledger_.arrived(payload);
}

}  // namespace godwit::bench
