// SPDX-License-Identifier: Apache-2.0
#include "dataplane/refusal_metric.h"
#include "tests/dataplane/home_fixture.h"

// What a home measures, on virtual time.

namespace godwit::dataplane {
namespace {

using queues::ShardHistogram;
using queues::ShardMetric;

class HomeMetricsTest : public HomeTest {
 protected:
  queues::HistogramSnapshot seen(ShardHistogram histogram) const {
    return counters_.snapshot(histogram);
  }
};

TEST_F(HomeMetricsTest, AgeIsToTheNanosecondWhateverTheClockStandsAt) {
  now_.instant += std::chrono::nanoseconds(999'999);
  attach();
  load();
  send(1, 10);
  now_.instant += std::chrono::nanoseconds(1'502'001);
  acknowledge(front(CommandKind::deliver)[0].sequence);
  EXPECT_EQ(seen(ShardHistogram::acknowledgement).sum, 1'502'001u);
  EXPECT_EQ(seen(ShardHistogram::settlement).sum, 1'502'001u);
}

TEST_F(HomeMetricsTest, AgeWhenMillisecondsHaveOutgrownAWord) {
  now_.instant = Instant{std::chrono::milliseconds(0xffffffffll)};
  restart();
  attach();
  load();
  send(1, 10);
  now_.instant += std::chrono::milliseconds(7);
  acknowledge(front(CommandKind::deliver)[0].sequence);
  EXPECT_EQ(seen(ShardHistogram::acknowledgement).sum, 7'000'000u);
}

TEST_F(HomeMetricsTest, ADeliveryNamesWhenItsMessageWasAccepted) {
  attach();
  load();
  now_.instant += std::chrono::nanoseconds(1);
  send(1, 10);
  const auto accepted = static_cast<std::uint64_t>(now_.instant.time_since_epoch().count());
  EXPECT_EQ(front(CommandKind::deliver)[0].sender, accepted);
}

TEST_F(HomeMetricsTest, WhatStorageHadIsNotMeasured) {
  send(1, 10);
  load();
  now_.instant += std::chrono::milliseconds(20);
  answer_puts(StoreReplyKind::committed);
  EXPECT_EQ(seen(ShardHistogram::settlement).count(), 1u) << "its sender has waited for the disk";
  EXPECT_EQ(seen(ShardHistogram::settlement).sum, 20'000'000u);
  attach();
  ASSERT_EQ(store_count(StoreRequestKind::load), 1u);
  const StoreRequest request = to_store_.back();
  queues::Buffer buffer = pool_.allocate(100);
  queues::write_envelope(buffer.writable(), 0, 1, false, "bob");
  reply({.kind = StoreReplyKind::loaded,
         .mailbox = request.mailbox,
         .sequence = request.sequence + 1,
         .buffer = buffer.release()});
  reply({.kind = StoreReplyKind::load_end, .mailbox = request.mailbox});
  ASSERT_EQ(front(CommandKind::deliver).size(), 1u);
  EXPECT_EQ(front(CommandKind::deliver)[0].sender, 0u);
  acknowledge(front(CommandKind::deliver)[0].sequence);
  EXPECT_EQ(counters_.get(ShardMetric::messages_acknowledged), 1u);
  EXPECT_EQ(seen(ShardHistogram::acknowledgement).count(), 0u);
}

TEST_F(HomeMetricsTest, DepthOfAMailboxAsEachMessageComes) {
  attach();
  load();
  for (std::uint32_t i = 1; i <= 4; ++i) send(i, i);
  EXPECT_EQ(seen(ShardHistogram::mailbox_messages).count(), 4u);
  EXPECT_EQ(seen(ShardHistogram::mailbox_messages).sum, 1u + 2 + 3 + 4);
}

TEST_F(HomeMetricsTest, MemoryIsWhatThePoolsHaveTaken) {
  constexpr ShardMetric pools[] = {ShardMetric::memory_accounts, ShardMetric::memory_mailboxes,
                                   ShardMetric::memory_entries, ShardMetric::memory_records};
  home_->publish_gauges();
  std::vector<std::uint64_t> empty;  // a pool has its list of what is free from the start
  for (const ShardMetric pool : pools) empty.push_back(counters_.get(pool));
  attach();
  load();
  send(1, 10);
  home_->publish_gauges();
  for (std::size_t i = 0; i < std::size(pools); ++i) {
    EXPECT_GT(counters_.get(pools[i]), empty[i]);
  }
}

TEST(RefusalMetric, EachConditionHasAPlace) {
  using protocol::Condition;
  const auto label = [](Condition condition) {
    return queues::shard_metrics[static_cast<std::size_t>(refusal_metric(condition))].label;
  };
  for (const Condition condition : {Condition::follows_refused, Condition::resource_constraint,
                                    Condition::item_not_found, Condition::service_unavailable}) {
    EXPECT_EQ(label(condition), "condition=\"" + std::string(protocol::to_text(condition)) + "\"");
  }
  EXPECT_EQ(label(Condition::remote_server_not_found), "condition=\"other\"");
}

}  // namespace
}  // namespace godwit::dataplane
