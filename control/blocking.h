// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "control/account_store.h"
#include "queues/records.h"

// Blocking (XEP-0191): what an account asks of the server about the addresses it does not want to
// hear from.
//
//   get  <blocklist/>                       → result <blocklist><item jid='…'/>…</blocklist>
//   set  <block><item jid='…'/>…</block>    → result, empty; no item: bad-request
//   set  <unblock><item jid='…'/>…</unblock>→ result, empty; no item: every block ends
// Only whole accounts of this server can be blocked; docs/protocol.md has the elements' encoding.
// Thread safety: the account store's thread.

namespace godwit::control {

struct BlockingRequest {
  queues::ServerIq iq;
  std::uint32_t number = 0;  // the stanza's, for an error
  std::string_view domain;
};

struct BlockingAnswer {
  std::size_t size = 0;  // bytes of the encoded stanza
  bool changed = false;  // the account's home must hear
};

// Carries the request out and writes the answer, an iq result or an error stanza, into `out`, which
// has room for control_stanza_size_max.
BlockingAnswer answer_blocking(const BlockingRequest& request, AccountStore& accounts,
                               MutableBytes out);

}  // namespace godwit::control
