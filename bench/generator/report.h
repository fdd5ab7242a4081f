// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "bench/generator/scenario.h"

// The results for people and, as one JSON object a line, for programs. Pure functions.

namespace godwit::bench {

// The middle one; of an even number, the mean of the two.
double median(std::vector<double> values);

struct CostSummary {
  double relay_us = 0;
  double gateway_us = 0;
  double shard_us = 0;
  double ratio = 0;  // the median of the rounds' ratios
  double ratio_min = 0;
  double ratio_max = 0;
  double shard_ratio = 0;  // the same of the busiest thread alone
};
CostSummary summarise(const MessageCost& cost);

std::string table(const MessageCost& cost);
std::string table(const SessionCost& cost);
std::string json(const MessageCost& cost);
std::string json(const SessionCost& cost);
std::string json_machine(const std::string& idle);

}  // namespace godwit::bench
