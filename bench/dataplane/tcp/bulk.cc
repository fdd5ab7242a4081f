// SPDX-License-Identifier: Apache-2.0
#include "bench/dataplane/tcp/bulk.h"

#include <algorithm>
#include <cstring>

#include "bench/dataplane/tcp/cpu_time.h"
#include "bench/dataplane/tcp/pair.h"
#include "tests/dataplane/tcp/card.h"

namespace godwit::bench {

namespace {

constexpr std::uint16_t port = 7000;
constexpr Duration turn_time = std::chrono::microseconds(10);

}  // namespace

MutableBytes BulkWire::frame(std::size_t size) {
  if (open_.at + size > bytes_.size()) return {};
  open_.size = size;
  return {&bytes_[open_.at], size};
}

bool BulkWire::append(std::span<const Bytes> pieces) {
  for (const Bytes piece : pieces) {
    if (open_.at + open_.size + piece.size() > bytes_.size()) return false;
    std::memcpy(&bytes_[open_.at + open_.size], piece.data(), piece.size());
    open_.size += piece.size();
  }
  return true;
}

void BulkWire::send(const tcp::TxHints& hints) {
  open_.hints = hints;
  entries_.push_back(open_);
  open_.at += open_.size;
  ++handed_over_;
}

template <typename Take>
void BulkWire::drain(Take&& take) {
  const tcp::RxHints hints{.checksums_good = features_.tcp_checksum};
  for (const Entry& entry : entries_) {
    const MutableBytes bytes{&bytes_[entry.at], entry.size};
    if (entry.hints.segment_size == 0) {
      take(bytes, hints);
      continue;
    }
    const tcp::Frame frame(bytes.begin(), bytes.end());
    for (tcp::Frame& each : tcp::Card::send(frame, entry.hints)) take(MutableBytes(each), hints);
  }
  entries_.clear();
  open_ = {};
}

void Bulk::Source::on_writable(ConnectionName name, std::uint64_t) {
  const Bytes bytes(chunk);
  while (tcp->send(name, {&bytes, 1}) > 0) {
  }
}

// Receive windows stay at 256 KB, so that what is in flight stays in a core's cache.
Bulk::Bulk(const tcp::PortFeatures& features)
    : to_server_(features),
      to_client_(features),
      server_(settings_of({}, true), 1, random_, to_client_),
      client_(
          [] {
            auto settings = settings_of({}, false);
            settings.tcp.receive_window_max = settings.tcp.receive_window;
            return settings;
          }(),
          2, random_, to_server_) {
  source_.tcp = &server_.tcp();
  GODWIT_CHECK(server_.tcp().listen({}, port).has_value());
  server_.start(now_);
  client_.start(now_);
  for (int i = 0; i < 4; ++i) {
    server_turn();
    client_turn();
  }
  GODWIT_CHECK(client_.connect(*parse_ip_address("192.0.2.1"), port).has_value());
  for (int i = 0; i < 100; ++i) {
    client_turn();
    server_turn();
  }
}

Bulk::Result Bulk::run(std::uint64_t bytes) {
  const std::uint64_t end = drain_.received + bytes;
  const std::uint64_t before = drain_.received;
  const std::uint64_t frames = to_client_.handed_over();
  const std::uint64_t segments = server_.tcp().counters().segments_out;
  double ns = 0;
  while (drain_.received < end) {
    const std::uint64_t had = drain_.received;
    for (int i = 0; i < 64; ++i) {
      client_turn();
      const CpuTime start = cpu_time();
      server_turn();
      ns += ns_between(start, cpu_time());
    }
    GODWIT_CHECK(drain_.received > had);
  }
  return {ns / (static_cast<double>(drain_.received - before) / 1000),
          to_client_.handed_over() - frames, server_.tcp().counters().segments_out - segments};
}

// This is what callgrind is told to count (instructions).
void Bulk::server_turn() {
  to_server_.drain([&](MutableBytes frame, tcp::RxHints hints) {
    server_.receive(frame, hints, now_, source_);
  });
  server_.expire(now_, source_);
  server_.flush(now_, source_);
}

void Bulk::client_turn() {
  to_client_.drain(
      [&](MutableBytes frame, tcp::RxHints hints) { client_.receive(frame, hints, now_, drain_); });
  client_.expire(now_, drain_);
  client_.flush(now_, drain_);
  now_ += turn_time;
}

}  // namespace godwit::bench
