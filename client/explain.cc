// SPDX-License-Identifier: Apache-2.0
#include "client/explain.h"

namespace godwit::client {

using protocol::Condition;
using protocol::StreamCondition;

std::string explain(const Refused& refused) {
  const std::string text = refused.text.empty() ? "" : ": " + refused.text;
  switch (refused.condition) {
    case Condition::item_not_found:
      return "no such account or device" + text;
    case Condition::resource_constraint:
      return "the gateway cannot keep it now (storage or a limit is full); try again later" + text;
    case Condition::remote_server_not_found:
      return "the gateway does not serve that domain" + text;
    case Condition::service_unavailable:
      return "the recipient does not take it (blocked or suspended)" + text;
    default:
      return std::string(protocol::to_text(refused.condition)) + text;
  }
}

Result<void> may_reconnect(const StreamEnded& ended, bool registering, const std::string& domain) {
  const std::string text = ended.text.empty() ? "" : ": " + ended.text;
  if (!ended.authenticated) {
    // Whoever said it had not proved to be the gateway. Believed in the one case that ends only
    // this version's hopes.
    if (ended.condition != StreamCondition::unsupported_version) return {};
    return fail(ErrorCode::refused, "the gateway speaks another protocol version; update");
  }
  switch (ended.condition) {
    case StreamCondition::conflict:
      if (registering) return fail(ErrorCode::refused, "registration refused" + text);
      return fail(ErrorCode::refused,
                  "another connection of this device took over; end it, or use another --home");
    case StreamCondition::not_authorized:
      if (registering) return fail(ErrorCode::refused, "registration refused" + text);
      return fail(ErrorCode::refused, "the gateway does not know this device; register again");
    case StreamCondition::account_suspended:
      return fail(ErrorCode::refused, "the account is suspended; ask the operator");
    case StreamCondition::account_removed:
      return fail(ErrorCode::refused, "the account was removed");
    case StreamCondition::host_unknown:
      return fail(ErrorCode::refused, "the gateway does not serve " + domain);
    case StreamCondition::unsupported_version:
      return fail(ErrorCode::refused, "the gateway speaks another protocol version; update");
    case StreamCondition::policy_violation:
      return fail(ErrorCode::refused, "the gateway refused this session" + text);
    default:
      return {};  // it may go better the next time
  }
}

}  // namespace godwit::client
