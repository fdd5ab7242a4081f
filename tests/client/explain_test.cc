// SPDX-License-Identifier: Apache-2.0
#include "client/explain.h"

#include <gtest/gtest.h>

namespace godwit::client::test {
namespace {

using protocol::Condition;
using protocol::StreamCondition;

TEST(Explain, EveryRefusalHasASentenceAndKeepsTheGatewaysWords) {
  std::string before;
  for (int i = 1; i <= 16; ++i) {
    const auto condition = static_cast<Condition>(i);
    const std::string bare = explain({.condition = condition});
    EXPECT_FALSE(bare.empty());
    EXPECT_NE(bare, before) << "each its own";
    EXPECT_EQ(explain({.condition = condition, .text = "in words"}), bare + ": in words");
    before = bare;
  }
  EXPECT_EQ(explain({.condition = Condition::item_not_found}), "no such account or device");
  EXPECT_EQ(explain({.condition = Condition::not_acceptable}), "not-acceptable");
}

TEST(Explain, EndsThatMayGoBetterTheNextTimeAreNoError) {
  for (const StreamCondition condition :
       {StreamCondition::bad_format, StreamCondition::connection_timeout,
        StreamCondition::resource_constraint, StreamCondition::system_shutdown,
        StreamCondition::internal_server_error}) {
    for (const bool registering : {false, true}) {
      EXPECT_TRUE(may_reconnect({.condition = condition}, registering, "localhost").has_value())
          << protocol::to_text(condition);
    }
  }
}

TEST(Explain, FinalEndsSayWhatToDo) {
  const struct {
    StreamCondition condition;
    bool registering;
    const char* says;
  } cases[] = {
      {StreamCondition::conflict, false, "another --home"},
      {StreamCondition::conflict, true, "registration refused: words"},
      {StreamCondition::not_authorized, false, "register again"},
      {StreamCondition::not_authorized, true, "registration refused: words"},
      {StreamCondition::account_suspended, false, "ask the operator"},
      {StreamCondition::account_removed, false, "removed"},
      {StreamCondition::host_unknown, true, "does not serve example.org"},
      {StreamCondition::unsupported_version, false, "update"},
      {StreamCondition::policy_violation, false, "refused this session: words"},
  };
  for (const auto& [condition, registering, says] : cases) {
    const auto may =
        may_reconnect({.condition = condition, .text = "words"}, registering, "example.org");
    ASSERT_FALSE(may.has_value()) << protocol::to_text(condition);
    EXPECT_EQ(may.error().code, ErrorCode::refused);
    EXPECT_NE(may.error().message.find(says), std::string::npos) << may.error().message;
  }
}

// An attacker on the way could otherwise end a device for good with one packet.
TEST(Explain, BeforeTheServerProvedItselfOnlyTheVersionIsBelieved) {
  for (int i = 0; i <= 255; ++i) {
    const auto condition = static_cast<StreamCondition>(i);
    EXPECT_EQ(may_reconnect({.condition = condition, .authenticated = false}, false, "localhost")
                  .has_value(),
              condition != StreamCondition::unsupported_version);
  }
}

}  // namespace
}  // namespace godwit::client::test
