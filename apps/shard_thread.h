// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "dataplane/shard.h"
#include "queues/counters.h"
#include "queues/parker.h"

// A shard on a thread of its own, whatever its network: turned until it is told to stop, and asleep
// when there is nothing to do. What the gateway asks of it is asked a few times in its life, so it
// is an ordinary interface; the loop behind it knows its network's type.

namespace godwit::apps {

// What all shards are told of their end. Written by whoever ends the gateway, read by the shards.
struct StopRequest {
  std::atomic<bool> stopping{false};
  std::atomic<bool> draining{false};  // wait longer for what is not safe yet
  std::atomic<std::int64_t> spread_s{1};
};

class ShardThread {
 public:
  virtual ~ShardThread() = default;
  // Any thread, while the object lives.
  virtual void wake() = 0;
  // Makes the shard on its thread, and listens on `host`, port 0 for a free one. Returns the port.
  virtual Result<std::uint16_t> start(const std::string& host, std::uint16_t port,
                                      queues::Parker& parker) = 0;
  virtual void join() = 0;
  // In this order, with all threads joined: every home before any pool, the network last.
  virtual void destroy_shard() = 0;
  virtual void destroy_io() = 0;
  // What of the network is used, for the log; empty before start().
  virtual const std::string& io_description() const = 0;
};

struct ShardThreadOptions {
  std::string name;
  int core = -1;  // to stay on; negative for any
  bool never_sleeps = false;
  queues::ShardCounters& counters;
  const StopRequest& stop;
};

// The cores this process may use, at least one.
std::vector<int> available_cores();
// Pins the calling thread, unless `core` is negative, and names it.
void prepare_thread(const std::string& name, int core);

template <dataplane::io::StreamBackend Io>
class ShardThreadOf final : public ShardThread {
 public:
  using Shard = dataplane::Shard<Io>;
  // `make` is called on the shard's thread, where its memory is to be.
  using MakeShard = std::function<std::unique_ptr<Shard>(Io&)>;

  ShardThreadOf(ShardThreadOptions options, std::unique_ptr<Io> io, MakeShard make)
      : options_(std::move(options)), io_(std::move(io)), make_(std::move(make)) {}

  void wake() override { io_->wake(); }

  Result<std::uint16_t> start(const std::string& host, std::uint16_t port,
                              queues::Parker& parker) override {
    std::promise<Result<std::uint16_t>> promise;
    auto listening = promise.get_future();
    thread_ = std::thread([this, host, port, &parker, made = std::move(promise)]() mutable {
      prepare_thread(options_.name, options_.core);
      shard_ = make_(*io_);
      auto bound = io_->listen({.host = host, .port = port});
      description_ = io_->describe();
      const bool listens = bound.has_value();
      made.set_value(std::move(bound));
      if (listens) turn_until_stopped(parker);
    });
    return listening.get();
  }

  void join() override {
    if (thread_.joinable()) thread_.join();
  }
  void destroy_shard() override { shard_.reset(); }
  void destroy_io() override { io_.reset(); }
  const std::string& io_description() const override { return description_; }

 private:
  // The idle ladder: a while of turns without sleep, then sleep until the next timer or a wake-up.
  void turn_until_stopped(queues::Parker& parker) {
    constexpr int spins = 50;
    int idle = 0;
    Instant give_up = never;
    Now now = read_clocks();
    for (;;) {
      if (idle >= spins && !options_.never_sleeps && give_up == never) sleep(parker, now);
      const std::size_t done = shard_->turn(now, now.instant);
      const Now after = read_clocks();
      if (done > 0) {
        options_.counters.record(queues::ShardHistogram::turn,
                                 static_cast<std::uint64_t>((after.instant - now.instant).count()));
      }
      now = after;
      idle = done > 0 ? 0 : idle + 1;
      if (!options_.stop.stopping.load(std::memory_order_relaxed)) continue;
      if (give_up == never) give_up = begin_stop(now.instant);
      if ((shard_->drained() && idle > spins) || now.instant > give_up) return;
    }
  }

  void sleep(queues::Parker& parker, Now& now) {
    constexpr auto longest = std::chrono::seconds(1);
    parker.prepare();
    if (shard_->rings_empty()) {
      options_.counters.add(queues::ShardMetric::idle_sleeps);
      shard_->sleep(now, std::min(shard_->next_deadline(), now.instant + longest));
      now = read_clocks();
    }
    parker.awake();
  }

  // Until when to wait for what is not safe yet. A crash would lose nothing that was acknowledged
  // either, so who only says stop does not wait long.
  Instant begin_stop(Instant now) {
    constexpr auto stop_patience = std::chrono::seconds(3);
    constexpr auto drain_patience = std::chrono::seconds(60);
    io_->stop_listening();
    shard_->drain(std::chrono::seconds(options_.stop.spread_s.load(std::memory_order_relaxed)));
    const bool draining = options_.stop.draining.load(std::memory_order_relaxed);
    return now + (draining ? Duration(drain_patience) : Duration(stop_patience));
  }

  const ShardThreadOptions options_;
  std::unique_ptr<Io> io_;
  const MakeShard make_;
  std::unique_ptr<Shard> shard_;
  std::string description_;
  std::thread thread_;
};

}  // namespace godwit::apps
