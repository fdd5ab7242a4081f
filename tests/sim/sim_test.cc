// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/scratch.h"
#include "tests/sim/world.h"

// Some hundred seeds of the simulation, each a short life of a gateway with everything that can go
// wrong; scripts/sim runs more of them and repeats one.

namespace godwit::sim {
namespace {

class Seeds : public testing::Test {
 protected:
  // SIM_SEEDS: how many; instrumented builds run fewer.
  static std::uint64_t count() {
    const char* text = std::getenv("SIM_SEEDS");
    return text == nullptr ? 300 : std::strtoull(text, nullptr, 10);
  }

  Scratch scratch_;
};

TEST_F(Seeds, NothingAcknowledgedIsLostAndAllComesToRest) {
  Outcome total;
  for (std::uint64_t seed = 1; seed <= count(); ++seed) {
    // Known if the process ends here, too.
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE("again: scripts/sim --verbose --seed " + std::to_string(seed));
    const Outcome outcome = run(seed, scratch_.path());
    ASSERT_EQ(outcome.failure, "") << "seed " << seed;
    total.accepted += outcome.accepted;
    total.refused += outcome.refused;
    total.crashes += outcome.crashes;
  }
  // It tried what it is for.
  EXPECT_GT(total.accepted, count() * 10);
  EXPECT_GT(total.refused, count());
  EXPECT_GT(total.crashes, count());
}

TEST_F(Seeds, TheSameSeedIsTheSameRun) {
  for (const std::uint64_t seed : {3u, 7u, 20u, 26u}) {
    const Outcome first = run(seed, scratch_.path());
    const Outcome second = run(seed, scratch_.path());
    EXPECT_EQ(first.digest, second.digest) << seed;
    EXPECT_EQ(first.events, second.events) << seed;
    EXPECT_NE(first.digest, run(seed + 1, scratch_.path()).digest);
  }
}

}  // namespace
}  // namespace godwit::sim
