// SPDX-License-Identifier: Apache-2.0
#include "apps/godwitctl_print.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace godwit::apps {
namespace {

using nlohmann::json;

std::string plain(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// What a client calls itself is shown, so it must not be able to move the cursor.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text;
}

std::string cell(const json& row, const Column& column) {
  const auto found = row.find(column.field);
  if (found == row.end()) return "-";
  switch (column.form) {
    case Column::Form::time:
      return time_text(found->get<std::int64_t>());
    case Column::Form::past:
      return *found == 0 ? "-" : time_text(found->get<std::int64_t>());
    case Column::Form::age_ms:
      return age_text(found->get<std::uint64_t>() / 1000);
    case Column::Form::age_s:
      return age_text(found->get<std::uint64_t>());
    case Column::Form::yes_no:
      return found->get<bool>() ? "yes" : "no";
    default:
      break;
  }
  std::string text = printable(plain(*found));
  return text.empty() ? "-" : text;
}

bool to_the_right(const Column& column) {
  return column.form == Column::Form::number || column.form == Column::Form::age_ms ||
         column.form == Column::Form::age_s;
}

std::string line(const std::vector<std::string>& cells, const std::vector<Column>& columns,
                 const std::vector<std::size_t>& widths) {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths[i] - cells[i].size(), ' ');
    if (i > 0) out += "  ";
    out += to_the_right(columns[i]) ? padding + cells[i] : cells[i] + padding;
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

std::string field(std::string_view name, const std::string& value) {
  std::string out(name);
  out.resize(std::max<std::size_t>(out.size() + 1, 20), ' ');
  return out + value + "\n";
}

// Three digits that count.
std::string scaled(double value) {
  char text[32];
  const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

}  // namespace

std::string time_text(std::int64_t unix_seconds) {
  if (unix_seconds == 0) return "never";
  const std::time_t time = unix_seconds;
  std::tm parts{};
  if (::gmtime_r(&time, &parts) == nullptr) return "?";
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

std::string age_text(std::uint64_t seconds) {
  struct Unit {
    std::uint64_t seconds;
    std::string_view name;
  };
  constexpr Unit units[] = {{86'400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
  for (std::size_t i = 0; i + 1 < std::size(units); ++i) {
    if (seconds < units[i].seconds) continue;
    return std::to_string(seconds / units[i].seconds) + std::string(units[i].name) + " " +
           std::to_string(seconds % units[i].seconds / units[i + 1].seconds) +
           std::string(units[i + 1].name);
  }
  return std::to_string(seconds) + "s";
}

std::string duration_text(std::uint64_t nanoseconds) {
  struct Unit {
    double nanoseconds;
    const char* name;
  };
  constexpr Unit units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
  const auto value = static_cast<double>(nanoseconds);
  for (const Unit& unit : units) {
    if (value >= unit.nanoseconds) return scaled(value / unit.nanoseconds) + unit.name;
  }
  return "0ns";
}

std::string size_text(std::uint64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  return scaled(value) + units[unit];
}

std::string table(const json& rows, const std::vector<Column>& columns) {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns) lines[0].emplace_back(column.title);
  for (const json& row : rows) {
    std::vector<std::string>& cells = lines.emplace_back();
    for (const Column& column : columns) cells.push_back(cell(row, column));
  }
  std::vector<std::size_t> widths(columns.size());
  for (const auto& cells : lines) {
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string out;
  for (const auto& cells : lines) out += line(cells, columns, widths);
  return out;
}

std::string status_text(const json& answer) {
  std::string out;
  for (const json& warning : answer.at("warnings")) out += "WARNING: " + plain(warning) + "\n";
  if (!out.empty()) out += "\n";
  out += field("version", plain(answer.at("version")));
  out += field("uptime", age_text(answer.at("uptime_s").get<std::uint64_t>()));
  out += field("domain", plain(answer.at("domain")));
  out += field("operator key", plain(answer.at("operator_key")));
  out += field("node key", plain(answer.at("node_key")));
  out += field("certificate until", time_text(answer.at("certificate_ends").get<std::int64_t>()));
  out += field("shards", plain(answer.at("shards")));
  out += field("connections", plain(answer.at("connections")));
  out += field("sessions", plain(answer.at("sessions")));
  out += field("accounts", plain(answer.at("accounts")));
  out += field("in memory", plain(answer.at("messages_in_memory")) + " messages");
  out += field("at risk", plain(answer.at("messages_at_risk")) +
                              " messages, not yet acknowledged to their senders");
  out += field("registration", plain(answer.at("registration")));
  out += field("ack after", plain(answer.at("ack_after")));
  out += field("message store", plain(answer.at("store")));
  out += field("account store", plain(answer.at("account_store")));
  out += field("key store", plain(answer.at("key_store")));
  return out;
}

std::string account_text(const json& answer) {
  std::string out = field("account", plain(answer.at("account"))) +
                    field("status", plain(answer.at("status"))) +
                    field("created", time_text(answer.at("created").get<std::int64_t>()));
  std::string blocks;
  for (const json& blocked : answer.at("blocks"))
    blocks += (blocks.empty() ? "" : ", ") + plain(blocked);
  out += field("blocks", blocks.empty() ? "-" : blocks) + "\n";
  return out + table(answer.at("devices"), {{"DEVICE", "device", Column::Form::number},
                                            {"CREATED", "created", Column::Form::time},
                                            {"CLIENT", "client"},
                                            {"KEY", "key"}});
}

std::string shards_text(const json& answer) {
  using Form = Column::Form;
  return table(answer.at("shards"), {{"SHARD", "shard", Form::number},
                                     {"CONNECTIONS", "connections_open", Form::number},
                                     {"SESSIONS", "sessions", Form::number},
                                     {"RECEIVED", "messages_received_total", Form::number},
                                     {"DELIVERED", "messages_delivered_total", Form::number},
                                     {"IN MEMORY", "messages_in_memory", Form::number},
                                     {"AT RISK", "messages_at_risk", Form::number},
                                     {"BUFFERS", "buffer_pool_bytes", Form::number},
                                     {"RING FULL", "ring_full_total", Form::number}}) +
         "\n" +
         table(answer.at("storage"), {{"STORAGE", "thread", Form::number},
                                      {"COMMITS", "storage_commits_total", Form::number},
                                      {"FAILED", "storage_commit_failures_total", Form::number},
                                      {"STORED", "storage_messages_stored_total", Form::number},
                                      {"LOADED", "storage_messages_loaded_total", Form::number},
                                      {"EXPIRED", "storage_messages_expired_total", Form::number}});
}

std::string ports_text(const json& answer) {
  using Form = Column::Form;
  std::string out;
  for (const json& port : answer.at("ports")) {
    std::string addresses;
    for (const json& address : port.at("addresses")) {
      addresses += (addresses.empty() ? "" : ", ") + plain(address);
    }
    const auto megabits = port.at("megabits").get<std::uint64_t>();
    out += field("device", plain(port.at("description")));
    out += field("link", plain(port.at("link")) +
                             (megabits > 0 ? ", " + std::to_string(megabits) + " Mbit/s" : ""));
    out += field("addresses", addresses) + "\n";
    json rows = json::array();
    for (const auto& [name, value] : port.at("statistics").items()) {
      if (value != 0) rows.push_back({{"name", name}, {"value", value}});
    }
    out += table(rows, {{"DRIVER'S COUNTER", "name"}, {"", "value", Form::number}}) + "\n";
    out +=
        table(port.at("shards"), {{"SHARD", "shard", Form::number},
                                  {"RECEIVED", "network_packets_received_total", Form::number},
                                  {"SENT", "network_packets_sent_total", Form::number},
                                  {"UNSENT", "network_packets_unsent_total_ring", Form::number},
                                  {"STEERED", "network_packets_steered_total", Form::number},
                                  {"LOST", "network_packets_steered_lost_total", Form::number}}) +
        "\n";
  }
  out += table(answer.at("shards"), {{"SHARD", "shard", Form::number},
                                     {"AGAIN", "tcp_retransmitted_total", Form::number},
                                     {"TIMEOUTS", "tcp_timeouts_total", Form::number},
                                     {"HALF OPEN", "tcp_half_open", Form::number},
                                     {"COOKIES", "tcp_syn_cookies_sent_total", Form::number},
                                     {"BUFFERS", "tcp_buffer_bytes", Form::number},
                                     {"MEMORY", "tcp_memory_bytes", Form::number}});
  return out;
}

}  // namespace godwit::apps
