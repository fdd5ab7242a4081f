// SPDX-License-Identifier: Apache-2.0
#include "control/metrics_page.h"

#include <cstdio>
#include <span>

namespace godwit::control {
namespace {

void write_head(std::string& out, std::string_view name, std::string_view help,
                std::string_view type) {
  const std::string full = "godwit_" + std::string(name);
  out += "# HELP " + full + " " + std::string(help) + "\n# TYPE " + full + " " + std::string(type) +
         "\n";
}

std::string_view type_of(queues::MetricKind kind) {
  return kind == queues::MetricKind::counter ? "counter" : "gauge";
}

// "{a,b}" of those that are not empty, "" when none is left.
std::string braces(std::string_view a, std::string_view b) {
  if (a.empty() && b.empty()) return "";
  const std::string_view comma = a.empty() || b.empty() ? "" : ",";
  return "{" + std::string(a) + std::string(comma) + std::string(b) + "}";
}

std::string place(std::string_view label, std::size_t source) {
  return label.empty() ? "" : std::string(label) + "=\"" + std::to_string(source) + "\"";
}

// One line for each source, with its labels.
template <typename Source>
void write_table(std::string& out, std::span<const queues::MetricInfo> infos,
                 const std::vector<queues::LabelledCounters<Source>>& sources) {
  if (sources.empty()) return;
  for (std::size_t metric = 0; metric < infos.size(); ++metric) {
    const queues::MetricInfo& info = infos[metric];
    if (metric == 0 || infos[metric - 1].name != info.name) {
      write_head(out, info.name, info.help, type_of(info.kind));
    }
    for (const auto& [labels, counters] : sources) {
      out += "godwit_" + std::string(info.name) + braces(labels, info.label) + " " +
             std::to_string(counters->get(static_cast<typename Source::Which>(metric))) + "\n";
    }
  }
}

// Each labelled with its place; without a label when `label` is empty.
template <typename Source>
void write_table(std::string& out, std::span<const queues::MetricInfo> infos,
                 const std::vector<const Source*>& sources, std::string_view label) {
  std::vector<queues::LabelledCounters<Source>> labelled;
  for (std::size_t i = 0; i < sources.size(); ++i)
    labelled.push_back({place(label, i), sources[i]});
  write_table(out, infos, labelled);
}

std::string number(std::uint64_t value, queues::HistogramUnit unit) {
  if (unit == queues::HistogramUnit::count) return std::to_string(value);
  char text[32];
  return {text, static_cast<std::size_t>(
                    std::snprintf(text, sizeof text, "%.9g", static_cast<double>(value) * 1e-9))};
}

void write_histogram(std::string& out, const queues::HistogramInfo& info,
                     const queues::HistogramSnapshot& seen, const std::string& where) {
  const std::string name = "godwit_" + std::string(info.name);
  const auto bucket = [&](const std::string& bound, std::uint64_t count) {
    out += name + "_bucket" + braces(where, "le=\"" + bound + "\"") + " " + std::to_string(count) +
           "\n";
  };
  for (unsigned exponent = info.exponent_first; exponent <= info.exponent_last; ++exponent) {
    bucket(number(std::uint64_t{1} << exponent, info.unit), seen.count_upto(exponent));
  }
  bucket("+Inf", seen.count());
  out += name + "_sum" + braces(where, "") + " " + number(seen.sum, info.unit) + "\n";
  out += name + "_count" + braces(where, "") + " " + std::to_string(seen.count()) + "\n";
}

template <typename Which, typename Source>
void write_histograms(std::string& out, std::span<const queues::HistogramInfo> infos,
                      const std::vector<const Source*>& sources, std::string_view label) {
  if (sources.empty()) return;
  for (std::size_t index = 0; index < infos.size(); ++index) {
    write_head(out, infos[index].name, infos[index].help, "histogram");
    for (std::size_t source = 0; source < sources.size(); ++source) {
      write_histogram(out, infos[index], sources[source]->snapshot(static_cast<Which>(index)),
                      place(label, source));
    }
  }
}

}  // namespace

std::string metrics_page(const MetricsSources& sources) {
  std::string out;
  write_head(out, "build_info", "Always 1; the version is a label.", "gauge");
  out += "godwit_build_info{version=\"" + sources.version + "\"} 1\n";
  write_table(out, queues::shard_metrics, sources.shards, "shard");
  write_histograms<queues::ShardHistogram>(out, queues::shard_histograms, sources.shards, "shard");
  write_table(out, queues::port_metrics, sources.ports);
  write_table(out, queues::stack_metrics, sources.stacks, "shard");
  write_table(out, queues::storage_metrics, sources.storage, "thread");
  write_histograms<queues::StorageHistogram>(out, queues::storage_histograms, sources.storage,
                                             "thread");
  if (sources.control != nullptr) {
    write_table<ControlCounters>(out, control_metrics, {sources.control}, "");
  }
  return out;
}

}  // namespace godwit::control
