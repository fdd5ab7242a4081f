// SPDX-License-Identifier: Apache-2.0
#include "control/blocking.h"

#include <algorithm>
#include <expected>
#include <string>
#include <vector>

#include "protocol/node.h"
#include "protocol/stanza.h"

namespace godwit::control {

using protocol::Condition;
using protocol::IqType;
using protocol::NodeEvent;

namespace {

// A page of the list: with names of the longest kind it stays within control_stanza_size_max.
constexpr std::size_t items_per_page = 64;

struct Question {
  std::string element;
  std::string after;  // user part
  std::vector<std::string> users;
};

// The user part of an address of this server, without device.
std::expected<std::string, Condition> user_of(const protocol::NodeValue& value,
                                              std::string_view domain) {
  const auto jid = protocol::parse_jid(value.to_string());
  if (!jid || jid->device != 0) return std::unexpected(Condition::jid_malformed);
  if (jid->domain != domain) return std::unexpected(Condition::item_not_found);
  return jid->user;
}

std::expected<Question, Condition> read_question(Bytes node, std::string_view domain) {
  protocol::NodeReader reader(node, {domain});
  Question question;
  std::string element;
  std::size_t items = 0;
  for (;;) {
    switch (reader.next()) {
      case NodeEvent::element:
        element = reader.name();
        if (reader.depth() == 1) question.element = element;
        if (reader.depth() > 2 || (reader.depth() == 2 && element != "item")) {
          return std::unexpected(Condition::bad_request);
        }
        if (reader.depth() == 2) ++items;
        break;
      case NodeEvent::attribute: {
        const bool item = reader.depth() == 2 && reader.name() == "jid";
        const bool after = reader.depth() == 1 && reader.name() == "after";
        if (!item && !after) break;
        auto user = user_of(reader.value(), domain);
        if (!user) return std::unexpected(user.error());
        if (item) question.users.push_back(std::move(*user));
        if (after) question.after = std::move(*user);
        break;
      }
      case NodeEvent::end:
        // An item that names nobody must not turn "unblock these" into "unblock all".
        if (items != question.users.size()) return std::unexpected(Condition::bad_request);
        return question;
      case NodeEvent::error:
        return std::unexpected(Condition::bad_request);
      default:
        break;
    }
  }
}

bool write_list(ByteWriter& out, const Account& account, const Question& question,
                std::string_view domain) {
  auto first = std::ranges::upper_bound(account.blocks, question.after);
  if (question.after.empty()) first = account.blocks.begin();
  const auto left = static_cast<std::size_t>(account.blocks.end() - first);
  protocol::NodeWriter node(out, {domain});
  node.open("blocklist");
  if (left > items_per_page) node.attribute("more", std::uint32_t{1});
  for (std::size_t i = 0; i < std::min(left, items_per_page); ++i) {
    node.open("item").attribute(
        "jid", protocol::JidView{.user = first[static_cast<std::ptrdiff_t>(i)], .domain = domain});
    node.close();
  }
  node.close();
  return node.ok();
}

std::expected<bool, Condition> carry_out(const BlockingRequest& request, AccountStore& accounts,
                                         ByteWriter& list) {
  const auto type = static_cast<IqType>(request.iq.type);
  if (type != IqType::get && type != IqType::set) return false;  // an answer to nothing we asked
  if (request.iq.node.empty()) return std::unexpected(Condition::bad_request);
  const auto question = read_question(request.iq.node, request.domain);
  if (!question) return std::unexpected(question.error());
  const auto account = accounts.find(request.iq.user);
  if (!account) return std::unexpected(Condition::internal_server_error);
  if (!*account) return std::unexpected(Condition::item_not_found);
  if (type == IqType::get) {
    if (question->element != "blocklist") return std::unexpected(Condition::service_unavailable);
    if (!write_list(list, **account, *question, request.domain)) {
      return std::unexpected(Condition::internal_server_error);
    }
    return false;
  }
  Result<void> done{};
  if (question->element == "block") {
    if (question->users.empty()) return std::unexpected(Condition::bad_request);
    done = accounts.block((*account)->id, question->users);
  } else if (question->element == "unblock") {
    done = accounts.unblock((*account)->id, question->users);
  } else {
    return std::unexpected(Condition::service_unavailable);
  }
  if (done) return true;
  return std::unexpected(done.error().code == ErrorCode::limit ? Condition::resource_constraint
                                                               : Condition::internal_server_error);
}

}  // namespace

BlockingAnswer answer_blocking(const BlockingRequest& request, AccountStore& accounts,
                               MutableBytes out) {
  std::vector<std::uint8_t> node(protocol::control_stanza_size_max - 64);
  ByteWriter list(node);
  const auto changed = carry_out(request, accounts, list);
  ByteWriter stanza(out);
  if (changed) {
    GODWIT_CHECK(protocol::write(
        stanza, protocol::Iq{.type = IqType::result, .id = request.iq.id, .node = list.written()},
        {request.domain}));
  } else {
    GODWIT_CHECK(protocol::write(stanza, protocol::StanzaError{.kind = protocol::StanzaType::iq,
                                                               .id = request.iq.id,
                                                               .number = request.number,
                                                               .condition = changed.error()}));
  }
  return {.size = stanza.size(), .changed = changed && *changed};
}

}  // namespace godwit::control
