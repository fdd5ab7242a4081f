// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>
#include <time.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "apps/shard_thread.h"
#include "base/clock.h"
#include "base/random.h"
#include "client/load/crew.h"
#include "dataplane/io/stream.h"

// A crew on a thread of its own, over whatever network the gateway could be on too: the backend is
// a template argument, as a shard's is.
//
// Thread safety: everything by the thread that made it, while this one turns; it asks and is
// answered, and reads what is published about once a turn.

namespace godwit::apps {

using client::load::Crew;

struct LoadThreadOptions {
  std::string name;
  int core = -1;  // to stay on; negative for any
  dataplane::io::Endpoint server;
  std::vector<std::string> sources;  // addresses to connect from, in turn; none: the network's
  // A turn that found fewer events than a good batch waits so long for more, so that they cost less
  // each. It is time that every message takes longer.
  Duration gather{};
  bool never_sleeps = false;
  Crew::Options crew;
};

// What a running thread says of itself.
struct LoadStatus {
  std::uint64_t ready = 0;
  std::uint64_t wanted = 0;
  std::uint64_t connections = 0;
  std::uint64_t logins = 0;
  std::uint64_t due = 0;
  std::uint64_t sent = 0;
  std::uint64_t accepted = 0;
  std::uint64_t arrived = 0;
  std::uint64_t missing = 0;
  std::uint64_t undecided = 0;
  std::uint64_t loud = 0;   // is not quiet()
  std::uint64_t fault = 0;  // has one
};

class LoadThread {
 public:
  virtual ~LoadThread() = default;
  // Makes the crew on its thread, which takes a while for many accounts, and turns it. Errors: what
  // the network said.
  virtual Result<void> start() = 0;
  // Has the crew do something between two turns, and waits for it.
  virtual void ask(const std::function<void(Crew&, Instant)>& what) = 0;
  virtual LoadStatus status() const = 0;
  // CPU of the thread so far.
  virtual Duration cpu() const = 0;
  // The last error of the network, empty for none. Through ask().
  virtual const std::string& network_error() const = 0;
  virtual const std::string& io_description() const = 0;
  virtual void stop() = 0;
};

template <typename Io>
class LoadThreadOf final : public LoadThread, private client::load::LoadWire {
 public:
  LoadThreadOf(LoadThreadOptions options, std::unique_ptr<Io> io)
      : options_(std::move(options)), io_(std::move(io)) {}
  ~LoadThreadOf() override { stop(); }

  Result<void> start() override {
    std::promise<Result<void>> promise;
    auto started = promise.get_future();
    thread_ = std::thread([this, made = std::move(promise)]() mutable {
      prepare_thread(options_.name, options_.core);
      if constexpr (requires { io_->start(); }) {
        if (auto done = io_->start(); !done) return made.set_value(std::move(done));
      }
      description_ = io_->describe();
      ::pthread_getcpuclockid(::pthread_self(), &cpu_clock_);
      client::load::LoadWire& wire = *this;
      crew_ = std::make_unique<Crew>(options_.crew, wire, random_);
      members_.resize(options_.crew.count);
      running_ = true;
      made.set_value({});
      turn_until_stopped();
    });
    return started.get();
  }

  void ask(const std::function<void(Crew&, Instant)>& what) override {
    // Shared, because this thread may be gone on before the other has left set_value().
    const auto promise = std::make_shared<std::promise<void>>();
    auto done = promise->get_future();
    {
      const std::lock_guard lock(mutex_);
      asked_ = [this, &what, promise](Instant now) {
        what(*crew_, now);
        publish();
        promise->set_value();
      };
      is_asked_.store(true, std::memory_order_release);
    }
    io_->wake();
    done.wait();
  }

  LoadStatus status() const override {
    LoadStatus status;
    std::size_t i = 0;
    for (auto* field : fields(status)) *field = published_[i++].load(std::memory_order_relaxed);
    return status;
  }
  Duration cpu() const override {
    timespec time{};
    if (!running_ || ::clock_gettime(cpu_clock_, &time) != 0) return {};
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
  const std::string& network_error() const override { return network_error_; }
  const std::string& io_description() const override { return description_; }

  void stop() override {
    if (!thread_.joinable()) return;
    stopping_.store(true, std::memory_order_relaxed);
    io_->wake();
    thread_.join();
    running_ = false;
    crew_.reset();
    io_.reset();
  }

 private:
  static constexpr std::size_t field_count = 12;
  static constexpr std::size_t budget = 1024;
  // Fewer events than this are worth waiting for more, where that is wanted.
  static constexpr std::size_t good_batch = 32;
  static constexpr Duration longest_sleep = std::chrono::milliseconds(20);

  static std::array<std::uint64_t*, field_count> fields(LoadStatus& status) {
    return {&status.ready,   &status.wanted,    &status.connections, &status.logins,
            &status.due,     &status.sent,      &status.accepted,    &status.arrived,
            &status.missing, &status.undecided, &status.loud,        &status.fault};
  }
  // What the backend calls.
  struct Handler {
    LoadThreadOf& load;
    void on_open(ConnectionName name, bool) {
      load.crew_->on_opened(load.opening_[name.slot], monotonic_now());
    }
    void on_bytes(ConnectionName, std::uint64_t member, MutableBytes lease) {
      load.crew_->on_bytes(static_cast<std::uint32_t>(member), lease, monotonic_now());
    }
    void on_writable(ConnectionName, std::uint64_t member) {
      load.crew_->on_writable(static_cast<std::uint32_t>(member));
    }
    void on_closed(ConnectionName, std::uint64_t member, dataplane::io::CloseReason) {
      load.crew_->on_closed(static_cast<std::uint32_t>(member), monotonic_now());
    }
  };

  // LoadWire.
  bool open(std::uint32_t member) override {
    const std::string none;
    const std::string& source =
        options_.sources.empty() ? none : options_.sources[opened_++ % options_.sources.size()];
    const auto name = io_->connect(options_.server, source);
    if (!name) {
      network_error_ = name.error().message;
      return false;
    }
    io_->set_user(*name, member);
    members_[member] = *name;
    if (name->slot >= opening_.size()) opening_.resize(name->slot + std::size_t{1024});
    opening_[name->slot] = member;
    return true;
  }
  bool send(std::uint32_t member, Bytes bytes) override {
    return io_->send(members_[member], std::span(&bytes, 1)) == bytes.size();
  }
  void close(std::uint32_t member, bool abort) override {
    using dataplane::io::CloseMode;
    io_->close(members_[member], abort ? CloseMode::abort : CloseMode::graceful);
  }

  void turn_until_stopped() {
    Handler handler{*this};
    while (!stopping_.load(std::memory_order_relaxed)) {
      const Now now = read_clocks();
      if (is_asked_.load(std::memory_order_acquire)) answer(now.instant);
      const std::size_t done = crew_->turn(now.instant);
      const Instant deadline = options_.never_sleeps || done > 0
                                   ? now.instant
                                   : std::min(crew_->next_deadline(), now.instant + longest_sleep);
      const std::size_t events = io_->poll(now, budget, deadline, handler);
      publish();
      if (events > 0 && events < good_batch && options_.gather > Duration::zero()) {
        std::this_thread::sleep_for(options_.gather);
      }
    }
  }

  void answer(Instant now) {
    std::function<void(Instant)> what;
    {
      const std::lock_guard lock(mutex_);
      what = std::exchange(asked_, nullptr);
      is_asked_.store(false, std::memory_order_relaxed);
    }
    if (what) what(now);
  }

  void publish() {
    const auto& counters = crew_->counters();
    LoadStatus status{.ready = crew_->ready(),
                      .wanted = crew_->wanted(),
                      .connections = crew_->connections(),
                      .logins = counters.logins,
                      .due = counters.due,
                      .sent = counters.sent,
                      .accepted = counters.accepted,
                      .arrived = counters.arrived,
                      .missing = crew_->missing(),
                      .undecided = crew_->undecided(),
                      .loud = !crew_->quiet(),
                      .fault = !crew_->fault().empty()};
    std::size_t i = 0;
    for (const auto* field : fields(status)) {
      published_[i++].store(*field, std::memory_order_relaxed);
    }
  }

  const LoadThreadOptions options_;
  std::unique_ptr<Io> io_;
  SystemRandom random_;
  std::unique_ptr<Crew> crew_;
  std::vector<ConnectionName> members_;
  std::vector<std::uint32_t> opening_;  // by slot: whose connection that is
  std::size_t opened_ = 0;
  std::string network_error_;
  std::string description_;
  std::array<std::atomic<std::uint64_t>, field_count> published_{};
  std::mutex mutex_;
  std::function<void(Instant)> asked_;  // under mutex_
  std::atomic<bool> is_asked_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> running_{false};
  clockid_t cpu_clock_{};
  std::thread thread_;
};

}  // namespace godwit::apps
