// SPDX-License-Identifier: Apache-2.0
#include "protocol/stanza.h"

namespace godwit::protocol {

std::string_view to_text(ParseError error) {
  switch (error) {
    case ParseError::truncated:
      return "ends inside a structure";
    case ParseError::unknown_type:
      return "unknown stanza type";
    case ParseError::malformed:
      return "malformed";
    case ParseError::too_large:
      return "over a size limit";
  }
  return "unknown";
}

std::string_view to_text(Condition condition) {
  switch (condition) {
    case Condition::bad_request:
      return "bad-request";
    case Condition::conflict:
      return "conflict";
    case Condition::feature_not_implemented:
      return "feature-not-implemented";
    case Condition::forbidden:
      return "forbidden";
    case Condition::internal_server_error:
      return "internal-server-error";
    case Condition::item_not_found:
      return "item-not-found";
    case Condition::jid_malformed:
      return "jid-malformed";
    case Condition::not_acceptable:
      return "not-acceptable";
    case Condition::not_allowed:
      return "not-allowed";
    case Condition::not_authorized:
      return "not-authorized";
    case Condition::policy_violation:
      return "policy-violation";
    case Condition::recipient_unavailable:
      return "recipient-unavailable";
    case Condition::remote_server_not_found:
      return "remote-server-not-found";
    case Condition::resource_constraint:
      return "resource-constraint";
    case Condition::service_unavailable:
      return "service-unavailable";
    case Condition::follows_refused:
      return "follows-refused";
  }
  return "unknown";
}

std::string_view to_text(StreamCondition condition) {
  switch (condition) {
    case StreamCondition::bad_format:
      return "bad-format";
    case StreamCondition::conflict:
      return "conflict";
    case StreamCondition::connection_timeout:
      return "connection-timeout";
    case StreamCondition::host_unknown:
      return "host-unknown";
    case StreamCondition::not_authorized:
      return "not-authorized";
    case StreamCondition::policy_violation:
      return "policy-violation";
    case StreamCondition::resource_constraint:
      return "resource-constraint";
    case StreamCondition::system_shutdown:
      return "system-shutdown";
    case StreamCondition::internal_server_error:
      return "internal-server-error";
    case StreamCondition::unsupported_version:
      return "unsupported-version";
    case StreamCondition::account_suspended:
      return "account-suspended";
    case StreamCondition::account_removed:
      return "account-removed";
  }
  return "unknown";
}

}  // namespace godwit::protocol
