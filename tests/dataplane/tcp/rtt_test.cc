// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/rtt.h"

#include <gtest/gtest.h>

namespace godwit::dataplane::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Rtt, OneSecondBeforeAnyMeasurement) {  // RFC 6298, 2.1
  RttEstimator rtt;
  EXPECT_FALSE(rtt.known());
  EXPECT_EQ(rtt.timeout({}), seconds(1));
}

TEST(Rtt, FirstMeasurement) {  // 2.2: SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR
  RttEstimator rtt;
  rtt.add(milliseconds(100), Instant{});
  EXPECT_EQ(rtt.smoothed(), milliseconds(100));
  EXPECT_EQ(rtt.timeout({}), milliseconds(300));
}

TEST(Rtt, FollowingMeasurements) {  // 2.3: 3/4 RTTVAR + 1/4 |SRTT - R'|; 7/8 SRTT + 1/8 R'
  RttEstimator rtt;
  rtt.add(milliseconds(800), Instant{});
  rtt.add(milliseconds(1600), Instant{});
  EXPECT_EQ(rtt.smoothed(), milliseconds(900));
  EXPECT_EQ(rtt.timeout({}), milliseconds(900 + 4 * 500));
}

TEST(Rtt, SteadyMeasurementsEndAtTheMinimum) {
  RttEstimator rtt;
  for (int i = 0; i < 200; ++i) rtt.add(milliseconds(50), Instant{});
  const Settings settings;
  EXPECT_GE(rtt.timeout(settings), settings.rto_min);
  EXPECT_LE(rtt.timeout(settings), settings.rto_min + milliseconds(50));
}

TEST(Rtt, NeverOverTheMaximum) {
  RttEstimator rtt;
  rtt.add(seconds(59), Instant{});
  EXPECT_EQ(rtt.timeout({}), Settings{}.rto_max);
}

TEST(Rtt, TheLeastIsForgottenAfterFiveMinutes) {  // RFC 8985, 6.2, step 1: windowed
  RttEstimator rtt;
  rtt.add(milliseconds(10), Instant{seconds(1)});
  rtt.add(milliseconds(90), Instant{seconds(301)});
  EXPECT_EQ(rtt.least(), milliseconds(10));
  rtt.add(milliseconds(90), Instant{seconds(302)});
  EXPECT_EQ(rtt.least(), milliseconds(90));
}

}  // namespace
}  // namespace godwit::dataplane::tcp
