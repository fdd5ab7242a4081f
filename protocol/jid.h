// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/limits.h"

// Addresses (RFC 7622, narrowed): `user@domain/device`. The user part is 1 to 64 bytes of a-z 0-9
// and . _ - +, the domain a lower-case host name or address literal, the device a number from 1 to
// 65535. Device 0 stands for the account: `user@domain`. Narrowing instead of PRECIS keeps
// comparison a memcmp.

namespace godwit::protocol {

// A view: the text it points into must outlive it.
struct JidView {
  std::string_view user;
  std::string_view domain;
  std::uint16_t device = 0;

  bool empty() const { return user.empty() && domain.empty(); }
  friend bool operator==(const JidView&, const JidView&) = default;
};

struct Jid {
  std::string user;
  std::string domain;
  std::uint16_t device = 0;

  Jid() = default;
  explicit Jid(const JidView& view) : user(view.user), domain(view.domain), device(view.device) {}
  operator JidView() const { return {user, domain, device}; }
  friend bool operator==(const Jid&, const Jid&) = default;
};

// Whether both are one domain. One's own is nearly always the same text in the same place, for
// read_jid gives the one that it was given.
inline bool is_same_domain(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.data() == b.data() || a == b);
}

bool is_valid_user(std::string_view user);
bool is_valid_domain(std::string_view domain);

// Upper case is an error, not folded: two spellings of one address would be two table entries.
Result<Jid> parse_jid(std::string_view text);
// The same as a view, for where no sentence is needed; allocates nothing.
std::optional<JidView> split_jid(std::string_view text);

// "user@domain" or "user@domain/device".
std::string to_text(const JidView& jid);

// Encoded JID: `head (1: digits packed, other domain, user size less one) · user · [size (1) ·
// domain] · device varint`. A user of digits only is always packed, the own domain never written
// out. `own_domain` costs one byte; it is the domain of the server on this connection, agreed at
// login, and both sides must use the same; empty means that none is agreed yet. Reading yields
// views into the input, or for the own domain and for packed digits into `scratch`.
struct JidScratch {
  char user[jid_user_size_max];
};
void write_jid(ByteWriter& out, const JidView& jid, std::string_view own_domain);
JidView read_jid(ByteReader& in, std::string_view own_domain, JidScratch& scratch);

}  // namespace godwit::protocol
