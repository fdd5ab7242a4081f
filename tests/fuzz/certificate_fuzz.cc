// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificate.h"

#include <algorithm>

// A certificate from a server nobody knows yet: any bytes are refused or read, and what is read is
// written back the same.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace godwit;
  const Bytes input(data, size);
  const auto certificate = crypto::decode_certificate(input);
  if (!certificate) {
    GODWIT_CHECK(certificate.error().code == ErrorCode::malformed);
    return 0;
  }
  const std::vector<std::uint8_t> written = crypto::encode(*certificate);
  GODWIT_CHECK(std::ranges::equal(written, input));
  GODWIT_CHECK(written.size() <= crypto::certificate_size_max);
  // The outcome is not asserted: a corpus may hold genuine ones.
  const auto verified = crypto::verify(*certificate, {.node_key = &certificate->node_key,
                                                      .name = certificate->name,
                                                      .now = certificate->not_before});
  GODWIT_CHECK(verified || !verified.error().message.empty());
  return 0;
}
