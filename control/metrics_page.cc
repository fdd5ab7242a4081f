// SPDX-License-Identifier: Apache-2.0
#include "control/metrics_page.h"

#include <span>

namespace godwit::control {
namespace {

void write_head(std::string& out, const queues::MetricInfo& info) {
  const std::string name = "godwit_" + std::string(info.name);
  out += "# HELP " + name + " " + std::string(info.help) + "\n# TYPE " + name +
         (info.kind == queues::MetricKind::counter ? " counter\n" : " gauge\n");
}

// One line for each source, labelled with its place; without a label when `label` is empty.
template <typename Metric>
void write_table(std::string& out, std::span<const queues::MetricInfo> infos,
                 const std::vector<const queues::Counters<Metric>*>& sources,
                 std::string_view label) {
  if (sources.empty()) return;
  for (std::size_t metric = 0; metric < infos.size(); ++metric) {
    write_head(out, infos[metric]);
    for (std::size_t source = 0; source < sources.size(); ++source) {
      out += "godwit_" + std::string(infos[metric].name);
      if (!label.empty()) out += "{" + std::string(label) + "=\"" + std::to_string(source) + "\"}";
      out += " " + std::to_string(sources[source]->get(static_cast<Metric>(metric))) + "\n";
    }
  }
}

}  // namespace

std::string metrics_page(const MetricsSources& sources) {
  std::string out;
  write_head(out, {"build_info", queues::MetricKind::gauge, "Always 1; the version is a label."});
  out += "godwit_build_info{version=\"" + sources.version + "\"} 1\n";
  write_table<queues::ShardMetric>(out, queues::shard_metrics, sources.shards, "shard");
  write_table<queues::StorageMetric>(out, queues::storage_metrics, sources.storage, "thread");
  if (sources.control != nullptr)
    write_table<ControlMetric>(out, control_metrics, {sources.control}, "");
  return out;
}

}  // namespace godwit::control
