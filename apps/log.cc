// SPDX-License-Identifier: Apache-2.0
#include "apps/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace godwit::apps {

void start_log(control::LogLevel level) {
  auto logger = spdlog::stderr_logger_mt("godwitd");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::set_default_logger(std::move(logger));
  set_log_level(level);
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
