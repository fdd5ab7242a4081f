// SPDX-License-Identifier: Apache-2.0
#include "apps/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "apps/log_limiter.h"

namespace godwit::apps {
namespace {

// Passes on what the limiter lets through; spdlog calls it under its own lock.
class LimitedSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LimitedSink(spdlog::sink_ptr to) : to_(std::move(to)) {}
  std::uint64_t suppressed() const { return suppressed_.load(std::memory_order_relaxed); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    const auto verdict = limiter_.take(text, message.time);
    if (!verdict.pass) {
      suppressed_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    to_->log(message);
    if (verdict.left_out == 0) return;
    const std::string note = std::to_string(verdict.left_out) + " lines of this kind left out: " +
                             std::string(LogLimiter::kind_of(text));
    to_->log({message.time, message.source, message.logger_name, message.level, note});
  }
  void flush_() override { to_->flush(); }
  void set_formatter_(std::unique_ptr<spdlog::formatter> formatter) override {
    to_->set_formatter(std::move(formatter));
  }

  const spdlog::sink_ptr to_;
  LogLimiter limiter_;
  std::atomic<std::uint64_t> suppressed_{0};
};

}  // namespace

std::function<std::uint64_t()> start_log(control::LogLevel level) {
  auto sink = std::make_shared<LimitedSink>(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto logger = std::make_shared<spdlog::logger>("godwitd", sink);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::set_default_logger(std::move(logger));
  set_log_level(level);
  return [sink] { return sink->suppressed(); };
}

void set_log_level(control::LogLevel level) {
  using control::LogLevel;
  switch (level) {
    case LogLevel::error:
      return spdlog::set_level(spdlog::level::err);
    case LogLevel::warning:
      return spdlog::set_level(spdlog::level::warn);
    case LogLevel::info:
      return spdlog::set_level(spdlog::level::info);
    case LogLevel::debug:
      return spdlog::set_level(spdlog::level::debug);
  }
}

}  // namespace godwit::apps
