// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/ip.h"

namespace godwit::dataplane::tcp {

bool is_link_local(const IpAddress& address) {
  if (address.is_v4()) return address.bytes[12] == 169 && address.bytes[13] == 254;
  return address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
}

}  // namespace godwit::dataplane::tcp
