// SPDX-License-Identifier: Apache-2.0
#include "dataplane/address_limits.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

// Each limit at, below and above it, on virtual time; the table when it is full; a long run against
// a plain model.

namespace godwit::dataplane {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

IpAddress v4(std::uint32_t number) {
  return IpAddress::v4({static_cast<std::uint8_t>(number >> 24),
                        static_cast<std::uint8_t>(number >> 16),
                        static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
}

class AddressLimitsTest : public testing::Test {
 protected:
  AddressLimits make(const AddressRules& rules, std::size_t addresses_max = 1000) {
    return AddressLimits({.rules = rules, .addresses_max = addresses_max, .hash_key = key_});
  }
  Instant now{seconds(1000)};
  const IpAddress one = *parse_ip_address("192.0.2.1");
  const IpAddress other = *parse_ip_address("192.0.2.2");

 private:
  crypto::HashKey key_;
};

TEST_F(AddressLimitsTest, WithoutRulesNobodyIsKnown) {
  AddressLimits limits = make({});
  for (int i = 0; i < 1000; ++i) {
    const auto answer = limits.admit(one, now);
    EXPECT_EQ(answer.admission, Admission::welcome);
    EXPECT_EQ(answer.place, 0u);
  }
  limits.failed(0, now);
  limits.logged_in(0);
  limits.left(0, true, now);
  EXPECT_TRUE(limits.may_register(0, now));
  EXPECT_EQ(limits.known(), 0u);
}

TEST_F(AddressLimitsTest, OpenConnections) {
  AddressLimits limits = make({.open_max = 3});
  std::vector<AddressLimits::Place> places;
  for (int i = 0; i < 3; ++i) {
    const auto answer = limits.admit(one, now);
    ASSERT_EQ(answer.admission, Admission::welcome) << i;
    places.push_back(answer.place);
    limits.logged_in(answer.place);  // counts on
  }
  EXPECT_EQ(limits.admit(one, now).admission, Admission::too_many_open);
  EXPECT_EQ(limits.admit(other, now).admission, Admission::welcome);
  limits.left(places[0], false, now);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::welcome);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::too_many_open);
}

TEST_F(AddressLimitsTest, ConnectionsThatHaveNotLoggedIn) {
  AddressLimits limits = make({.starting_max = 2});
  const auto first = limits.admit(one, now);
  const auto second = limits.admit(one, now);
  EXPECT_EQ(second.admission, Admission::welcome);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::too_many_starting);
  limits.logged_in(first.place);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::welcome);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::too_many_starting);
  limits.left(second.place, true, now);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::welcome);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::too_many_starting);
}

TEST_F(AddressLimitsTest, NewConnectionsInATime) {
  AddressLimits limits = make({.connections = {.every = milliseconds(100), .burst = 5}});
  const auto come_and_go = [&] {
    const auto answer = limits.admit(one, now);
    if (answer.admission == Admission::welcome) limits.left(answer.place, true, now);
    return answer.admission;
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(come_and_go(), Admission::welcome) << i;
  EXPECT_EQ(come_and_go(), Admission::too_fast);
  EXPECT_EQ(limits.admit(other, now).admission, Admission::welcome);
  now += milliseconds(100) - Duration(1);
  EXPECT_EQ(come_and_go(), Admission::too_fast);
  now += Duration(1);
  EXPECT_EQ(come_and_go(), Admission::welcome);
  EXPECT_EQ(come_and_go(), Admission::too_fast) << "one, and a refused one costs nothing";
  now += milliseconds(500);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(come_and_go(), Admission::welcome) << i;
  EXPECT_EQ(come_and_go(), Admission::too_fast);
}

TEST_F(AddressLimitsTest, FailedHandshakesInATime) {
  AddressLimits limits = make({.failures = {.every = seconds(1), .burst = 2}});
  const auto fail_once = [&] {
    const auto answer = limits.admit(one, now);
    if (answer.admission != Admission::welcome) return answer.admission;
    limits.failed(answer.place, now);
    limits.left(answer.place, true, now);
    return answer.admission;
  };
  EXPECT_EQ(fail_once(), Admission::welcome);
  EXPECT_EQ(fail_once(), Admission::welcome);
  EXPECT_EQ(fail_once(), Admission::failed_too_often);
  EXPECT_EQ(limits.admit(other, now).admission, Admission::welcome);
  now += seconds(1) - Duration(1);
  EXPECT_EQ(fail_once(), Admission::failed_too_often);
  now += Duration(1);
  const auto good = limits.admit(one, now);
  EXPECT_EQ(good.admission, Admission::welcome);
  limits.left(good.place, true, now);
  EXPECT_EQ(fail_once(), Admission::welcome) << "who does not fail pays nothing";
  EXPECT_EQ(fail_once(), Admission::failed_too_often);
}

TEST_F(AddressLimitsTest, Registrations) {
  AddressLimits limits = make({.registrations = {.every = seconds(60), .burst = 2}});
  const auto place = limits.admit(one, now).place;
  EXPECT_TRUE(limits.may_register(place, now));
  EXPECT_TRUE(limits.may_register(place, now));
  EXPECT_FALSE(limits.may_register(place, now));
  limits.left(place, true, now);  // leaving does not help
  const auto again = limits.admit(one, now).place;
  EXPECT_FALSE(limits.may_register(again, now));
  EXPECT_TRUE(limits.may_register(limits.admit(other, now).place, now));
  now += seconds(60);
  EXPECT_TRUE(limits.may_register(again, now));
  EXPECT_FALSE(limits.may_register(again, now));
}

TEST_F(AddressLimitsTest, TheExemptAndTheUnknownAreNotLimited) {
  AddressRules rules{.open_max = 1};
  rules.exempt[0] = *parse_ip_prefix("127.0.0.0/8");
  rules.exempt[1] = *parse_ip_prefix("::1");
  rules.exempt_count = 2;
  AddressLimits limits = make(rules);
  for (const char* text : {"127.0.0.1", "127.9.9.9", "::1", "::"}) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(limits.admit(*parse_ip_address(text), now).admission, Admission::welcome) << text;
    }
  }
  EXPECT_EQ(limits.known(), 0u);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::welcome);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::too_many_open);
}

TEST_F(AddressLimitsTest, ASlash64IsOneAddress) {
  AddressLimits limits = make({.open_max = 1});
  EXPECT_EQ(limits.admit(*parse_ip_address("2001:db8::1"), now).admission, Admission::welcome);
  EXPECT_EQ(limits.admit(*parse_ip_address("2001:db8::2"), now).admission,
            Admission::too_many_open);
  EXPECT_EQ(limits.admit(*parse_ip_address("2001:db8:0:1::2"), now).admission, Admission::welcome);
}

TEST_F(AddressLimitsTest, AnAddressIsForgottenWithItsLastDebt) {
  AddressLimits limits = make({.open_max = 9, .connections = {.every = seconds(1), .burst = 1}});
  limits.left(limits.admit(one, now).place, true, now);
  EXPECT_EQ(limits.known(), 1u);
  now += seconds(1);
  limits.left(limits.admit(other, now).place, true, now);
  EXPECT_EQ(limits.known(), 1u) << "the first had recovered";
  AddressLimits plain = make({.open_max = 9});
  plain.left(plain.admit(one, now).place, true, now);
  EXPECT_EQ(plain.known(), 0u) << "nothing to remember";
}

TEST_F(AddressLimitsTest, AFullTableForgetsWhoHasBeenAwayLongest) {
  AddressLimits limits = make({.connections = {.every = seconds(60), .burst = 1}}, 3);
  for (std::uint32_t i = 1; i <= 3; ++i) limits.left(limits.admit(v4(i), now).place, true, now);
  EXPECT_EQ(limits.known(), 3u);
  const auto fourth = limits.admit(v4(4), now);
  EXPECT_EQ(fourth.admission, Admission::welcome);
  EXPECT_EQ(limits.known(), 3u);
  EXPECT_EQ(limits.admit(v4(2), now).admission, Admission::too_fast) << "remembered";
  EXPECT_EQ(limits.admit(v4(3), now).admission, Admission::too_fast);
  EXPECT_EQ(limits.admit(v4(1), now).admission, Admission::welcome) << "forgotten";
}

TEST_F(AddressLimitsTest, ATableFullOfConnectionsRefusesNewAddresses) {
  AddressLimits limits = make({.open_max = 5}, 2);
  const auto first = limits.admit(v4(1), now);
  EXPECT_EQ(limits.admit(v4(2), now).admission, Admission::welcome);
  EXPECT_EQ(limits.admit(v4(3), now).admission, Admission::table_full);
  EXPECT_EQ(limits.admit(v4(1), now).admission, Admission::welcome) << "a known one is not new";
  limits.left(first.place, true, now);
  EXPECT_EQ(limits.admit(v4(3), now).admission, Admission::table_full);
  limits.left(first.place, true, now);
  EXPECT_EQ(limits.admit(v4(3), now).admission, Admission::welcome);
}

TEST_F(AddressLimitsTest, RulesMayChangeMeanwhile) {
  AddressLimits limits = make({.open_max = 1});
  const auto first = limits.admit(one, now);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::too_many_open);
  limits.set_rules({.open_max = 2});
  EXPECT_EQ(limits.admit(one, now).admission, Admission::welcome);
  EXPECT_EQ(limits.admit(one, now).admission, Admission::too_many_open);
  limits.set_rules({});
  EXPECT_EQ(limits.admit(one, now).place, 0u);
  limits.left(first.place, true, now);
  EXPECT_EQ(limits.known(), 1u);
}

TEST_F(AddressLimitsTest, AShareOfTheRules) {
  AddressRules rules{.open_max = 1600,
                     .starting_max = 1,
                     .connections = {.every = milliseconds(10), .burst = 400},
                     .registrations = {}};
  EXPECT_EQ(share_of(rules, 1).open_max, 1600u);
  const AddressRules share = share_of(rules, 16);
  EXPECT_EQ(share.open_max, 130u);  // 100 and 3 times 10
  EXPECT_EQ(share.starting_max, 1u);
  EXPECT_EQ(share.connections, (Allowance{milliseconds(160), 40}));
  EXPECT_FALSE(share.registrations.limited());
}

// Addresses come, fail, register and leave at random; a map without bounds says what must come out.
TEST_F(AddressLimitsTest, AgreesWithAPlainModel) {
  const AddressRules rules{.open_max = 4,
                           .starting_max = 3,
                           .connections = {.every = milliseconds(100), .burst = 5},
                           .failures = {.every = milliseconds(300), .burst = 2}};
  struct Known {
    std::uint32_t open = 0, starting = 0;
    Meter connections, failures;
  };
  struct Open {
    std::uint32_t address;
    AddressLimits::Place place;
    bool starting;
  };
  AddressLimits limits = make(rules, 2000);
  std::map<std::uint32_t, Known> model;
  std::vector<Open> open;
  SeededRandom random(7);
  std::array<int, 6> seen{};
  for (int i = 0; i < 60'000; ++i) {
    now += milliseconds(random.below(5));
    if (random.below(5) < 3 || open.empty()) {
      const auto number = static_cast<std::uint32_t>(random.below(20));
      Known& known = model[number];
      Admission wanted = Admission::welcome;
      if (known.open >= 4) {
        wanted = Admission::too_many_open;
      } else if (known.starting >= 3) {
        wanted = Admission::too_many_starting;
      } else if (!known.failures.has_room(rules.failures, now)) {
        wanted = Admission::failed_too_often;
      } else if (!known.connections.take(rules.connections, now)) {
        wanted = Admission::too_fast;
      }
      const auto answer = limits.admit(v4(number), now);
      ASSERT_EQ(answer.admission, wanted) << i;
      ++seen[static_cast<std::size_t>(wanted)];
      if (wanted != Admission::welcome) continue;
      ++known.open;
      ++known.starting;
      open.push_back({number, answer.place, true});
      continue;
    }
    const std::size_t at = random.below(open.size());
    Open& connection = open[at];
    Known& known = model[connection.address];
    if (connection.starting && random.below(3) == 0) {
      connection.starting = false;
      --known.starting;
      limits.logged_in(connection.place);
      continue;
    }
    if (connection.starting && random.below(2) == 0) {
      known.failures.take(rules.failures, now);
      limits.failed(connection.place, now);
    }
    --known.open;
    known.starting -= connection.starting;
    limits.left(connection.place, connection.starting, now);
    connection = open.back();
    open.pop_back();
  }
  for (std::size_t i = 0; i < 5; ++i) EXPECT_GT(seen[i], 10) << i;
  for (const Open& connection : open) limits.left(connection.place, connection.starting, now);
  now += seconds(10);
  for (std::uint32_t i = 0; i < 200; ++i) {
    limits.left(limits.admit(v4(1'000'000), now).place, true, now);
    now += seconds(1);
  }
  EXPECT_LE(limits.known(), 1u) << "all debts are paid";
}

}  // namespace
}  // namespace godwit::dataplane
