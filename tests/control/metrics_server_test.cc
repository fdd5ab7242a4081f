// SPDX-License-Identifier: Apache-2.0
// The metrics page over loopback: what is answered to which request, and the text itself.
#include "control/metrics_server.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "control/metrics_page.h"
#include "tests/control/socket_client.h"

namespace godwit::control {
namespace {

class MetricsServerTest : public testing::Test {
 protected:
  void SetUp() override { poller_ = std::move(*Poller::create()); }
  void TearDown() override {
    thread_.reset();
    server_.reset();
  }
  void start(MetricsServer::Options options = {}) {
    options.listen = {"127.0.0.1", 0};
    Result<std::unique_ptr<MetricsServer>> server =
        MetricsServer::create(*poller_, options, [] { return std::string("godwit_x 1\n"); });
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    thread_.emplace(*poller_);
  }
  std::string ask(std::string_view request) {
    SocketClient client = SocketClient::to_port(server_->port());
    client.send(request);
    std::string answer = client.read_all();
    EXPECT_TRUE(client.ended());
    return answer;
  }

  std::unique_ptr<Poller> poller_;
  std::unique_ptr<MetricsServer> server_;
  std::optional<PollerThread> thread_;
};

TEST_F(MetricsServerTest, GetYieldsThePage) {
  start();
  ASSERT_NE(server_->port(), 0);
  const std::string answer = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(answer.find("Content-Length: 11\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\ngodwit_x 1\n")) << answer;
}

TEST_F(MetricsServerTest, HeadYieldsTheHeadAlone) {
  start();
  const std::string answer = ask("HEAD /metrics HTTP/1.0\n\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(answer.ends_with("Content-Length: 11\r\n\r\n")) << answer;
}

TEST_F(MetricsServerTest, WhatElseIsAsked) {
  start();
  const std::pair<const char*, const char*> cases[] = {
      {"GET /metrics?name=x HTTP/1.1\r\n\r\n", "200 "},
      {"GET / HTTP/1.1\r\n\r\n", "404 "},
      {"GET /metricsx HTTP/1.1\r\n\r\n", "404 "},
      {"POST /metrics HTTP/1.1\r\n\r\n", "405 "},
      {"DELETE /metrics HTTP/1.1\r\n\r\n", "405 "},
      {"nonsense\r\n\r\n", "400 "},
      {"GET /metrics\r\n\r\n", "400 "},
      {"GET /metrics HTTP/2\r\n\r\n", "400 "},
      {"\r\n\r\n", "400 "},
      {" /metrics HTTP/1.1\r\n\r\n", "400 "},
  };
  for (const auto& [request, status] : cases) {
    EXPECT_TRUE(ask(request).starts_with(std::string("HTTP/1.1 ") + status)) << request;
  }
}

TEST_F(MetricsServerTest, RequestsUpToTheLimit) {
  start({.request_size_max = 100});
  const std::string head = "GET /metrics HTTP/1.1\r\nX: ";
  const auto of_size = [&](std::size_t size) {
    return head + std::string(size - head.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_TRUE(ask(of_size(99)).starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(ask(of_size(100)).starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(ask(head + std::string(100 - head.size(), 'x')).starts_with("HTTP/1.1 431 "));
}

TEST_F(MetricsServerTest, SlowAndSurplusConnectionsAreClosed) {
  start({.connections_max = 1, .idle_timeout = std::chrono::milliseconds(100)});
  SocketClient slow = SocketClient::to_port(server_->port());
  slow.send("GET /met");
  SocketClient surplus = SocketClient::to_port(server_->port());
  EXPECT_EQ(surplus.read_all(), "");
  EXPECT_EQ(slow.read_all(), "");
  EXPECT_TRUE(slow.ended());
  EXPECT_TRUE(ask("GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_F(MetricsServerTest, PortInUseIsAClearError) {
  start();
  const auto second = MetricsServer::create(*poller_, {.listen = {"127.0.0.1", server_->port()}},
                                            [] { return std::string(); });
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(std::to_string(server_->port())), std::string::npos);
  EXPECT_FALSE(
      MetricsServer::create(*poller_, {.listen = {"example", 1}}, [] { return std::string(); }));
}

TEST(MetricsPage, EveryMetricHasHelpTypeAndALineForEachSource) {
  queues::ShardCounters shards[2];
  queues::StorageCounters storage;
  ControlCounters control;
  shards[0].add(queues::ShardMetric::turns, 5);
  shards[1].set(queues::ShardMetric::sessions, 7);
  storage.add(queues::StorageMetric::commits, 3);
  control.add(ControlMetric::registrations_refused, 2);
  // Bounds are inclusive: 2048 ns is in the bucket that ends there, 2049 ns is not.
  shards[1].record(queues::ShardHistogram::delivery, 2048);
  shards[1].record(queues::ShardHistogram::delivery, 2049);
  storage.record(queues::StorageHistogram::batch_messages, 64);
  const std::string page = metrics_page({.shards = {&shards[0], &shards[1]},
                                         .storage = {&storage},
                                         .control = &control,
                                         .version = "9.9"});
  for (const char* line :
       {"godwit_build_info{version=\"9.9\"} 1\n", "godwit_turns_total{shard=\"0\"} 5\n",
        "godwit_turns_total{shard=\"1\"} 0\n", "godwit_sessions{shard=\"1\"} 7\n",
        "godwit_storage_commits_total{thread=\"0\"} 3\n", "godwit_registrations_refused_total 2\n",
        "# TYPE godwit_turns_total counter\n", "# TYPE godwit_sessions gauge\n",
        "godwit_handshakes_total{shard=\"1\",result=\"failed\"} 0\n",
        "# TYPE godwit_delivery_seconds histogram\n",
        "godwit_delivery_seconds_bucket{shard=\"1\",le=\"1.024e-06\"} 0\n",
        "godwit_delivery_seconds_bucket{shard=\"1\",le=\"2.048e-06\"} 1\n",
        "godwit_delivery_seconds_bucket{shard=\"1\",le=\"4.096e-06\"} 2\n",
        "godwit_delivery_seconds_bucket{shard=\"1\",le=\"+Inf\"} 2\n",
        "godwit_delivery_seconds_sum{shard=\"1\"} 4.097e-06\n",
        "godwit_delivery_seconds_count{shard=\"1\"} 2\n",
        "godwit_delivery_seconds_count{shard=\"0\"} 0\n",
        "godwit_storage_batch_messages_bucket{thread=\"0\",le=\"32\"} 0\n",
        "godwit_storage_batch_messages_bucket{thread=\"0\",le=\"64\"} 1\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line;
  }
  // Every sample follows the HELP and TYPE of its name, and no name comes twice.
  std::set<std::string> typed;
  std::map<std::string, int> samples;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) continue;
    if (line.starts_with("# TYPE ")) {
      const std::string name = line.substr(7, line.rfind(' ') - 7);
      EXPECT_TRUE(typed.insert(name).second) << name;
      EXPECT_EQ(name.ends_with("_total"), line.ends_with(" counter")) << name;
      continue;
    }
    std::string name = line.substr(0, line.find_first_of("{ "));
    for (const char* part : {"_bucket", "_sum", "_count"}) {
      const std::string whole = name.substr(0, name.rfind(part));
      if (name.ends_with(part) && typed.contains(whole)) name = whole;
    }
    EXPECT_TRUE(typed.contains(name)) << line;
    ++samples[name];
  }
  EXPECT_EQ(samples["godwit_turns_total"], 2);
  EXPECT_EQ(samples["godwit_handshakes_total"], 2 * 3);
  std::set<std::string_view> names{"build_info"};
  for (const auto& info : queues::shard_metrics) names.insert(info.name);
  for (const auto& info : queues::shard_histograms) names.insert(info.name);
  for (const auto& info : queues::storage_metrics) names.insert(info.name);
  for (const auto& info : queues::storage_histograms) names.insert(info.name);
  for (const auto& info : control_metrics) names.insert(info.name);
  EXPECT_EQ(samples.size(), names.size());
}

TEST(MetricsPage, DevicesAreToldApartByALabel) {
  queues::StackCounters stack;
  queues::PortCounters ports[2];
  stack.set(queues::StackMetric::retransmits, 4);
  ports[0].set(queues::PortMetric::packets_received, 5);
  ports[1].set(queues::PortMetric::packets_received, 6);
  ports[1].set(queues::PortMetric::ignored_ip, 7);
  const std::string page =
      metrics_page({.stacks = {&stack},
                    .ports = {{"shard=\"0\",port=\"net_tap0\"", &ports[0]},
                              {"shard=\"0\",port=\"0000:03:00.0\"", &ports[1]}},
                    .version = "1"});
  for (const char* line :
       {"godwit_network_packets_received_total{shard=\"0\",port=\"net_tap0\"} 5\n",
        "godwit_network_packets_received_total{shard=\"0\",port=\"0000:03:00.0\"} 6\n",
        "godwit_network_packets_ignored_total{shard=\"0\",port=\"0000:03:00.0\",layer=\"ip\"} 7\n",
        "godwit_tcp_retransmitted_total{shard=\"0\"} 4\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace godwit::control
