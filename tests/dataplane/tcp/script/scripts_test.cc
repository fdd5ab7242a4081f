// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "tests/dataplane/tcp/script/player.h"

// Plays every script of tests/dataplane/tcp/scripts through a whole stack, over IPv4 and IPv6. Each
// is a test of its own, named after its rule.

namespace godwit::dataplane::tcp::script {
namespace {

struct Case {
  Script script;
  Family family;
};

std::vector<Case> cases() {
  const auto scripts = load(GODWIT_SCRIPTS);
  if (!scripts) {
    std::fprintf(stderr, "%s\n", scripts.error().message.c_str());
    std::abort();
  }
  std::vector<Case> all;
  for (const Script& script : *scripts) {
    for (const Family family : {Family::v4, Family::v6}) {
      if (is_for(script, family)) all.push_back({script, family});
    }
  }
  return all;
}

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.script.rule;
}

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  std::string name = info.param.family == Family::v4 ? "v4_" : "v6_";
  for (const char c : info.param.script.rule) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      name += c;
    } else if (name.back() != '_') {
      name += '_';
    }
  }
  return name;
}

class ScriptTest : public ::testing::TestWithParam<Case> {};

TEST_P(ScriptTest, Holds) {
  const std::string wrong = play(GetParam().script, GetParam().family);
  EXPECT_TRUE(wrong.empty()) << wrong;
}

INSTANTIATE_TEST_SUITE_P(Rules, ScriptTest, ::testing::ValuesIn(cases()), name_of);

TEST(Scripts, NoTwoHaveOneName) {
  std::set<std::string> rules;
  for (const Case& one : cases()) {
    if (one.family == Family::v4) {
      EXPECT_TRUE(rules.insert(one.script.rule).second) << one.script.rule;
    }
  }
}

std::string play_text(const std::string& text) {
  const auto scripts = parse("# rule: r\n" + text, "f");
  return scripts ? play(scripts->front(), Family::v4) : scripts.error().message;
}

// A script that asks for what does not come must fail, and say where.
TEST(Scripts, WrongOnesFail) {
  EXPECT_EQ(play_text("established\nsend 10\n> . seq 1 ack 1 len 10\n"), "");
  for (const char* wrong :
       {"established\nsend 10\n", "established\n> . seq 1 ack 1\n",
        "established\nsend 10\n> . seq 2 ack 1 len 10\n",
        "established\nsend 10\n> . seq 1 ack 2 len 10\n",
        "established\nsend 10\n> . seq 1 ack 1 len 11\n",
        "established\nsend 10\n> F. seq 1 ack 1 len 10\n",
        "established\nsend 10\n+0.1 > . seq 1 ack 1 len 10\n",
        "established\nsend 10\n> . seq 1 ack 1 len 10 <ts>\n", "established\nexpect received 1\n",
        "established\nexpect closed local\n", "established\nexpect state closing\n",
        "listen\n< S seq 0\n> S. seq 0 ack 1 <mss 1461>\n", "set mtu\n", "set nothing 1\n",
        "established\nsend x\n", "frob\n", "established\n< Z seq 1\n", ""}) {
    EXPECT_NE(play_text(wrong), "") << wrong;
  }
  EXPECT_NE(play_text("established\nsend 10\n> . seq 2 ack 1 len 10\n").find("f:4"),
            std::string::npos);
}

}  // namespace
}  // namespace godwit::dataplane::tcp::script
