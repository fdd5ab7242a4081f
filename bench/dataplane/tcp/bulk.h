// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "bench/dataplane/tcp/wire.h"
#include "dataplane/tcp/stack.h"
#include "dataplane/tcp/wire/segmentation.h"

// One connection over which a server sends as much as is taken, in one thread and on virtual time.
// Only what the server does is measured, its user's part included. Not thread safe.

namespace godwit::bench {

// Frames of any size behind each other, all gone at once when they have been read. A card is at its
// end: what it shall cut is kept as it came, and cut where it is read.
class BulkWire {
 public:
  explicit BulkWire(const dataplane::tcp::PortFeatures& features) : features_(features) {}

  dataplane::tcp::PortFeatures features() const { return features_; }
  MutableBytes frame(std::size_t size);
  bool append(std::span<const Bytes> pieces);
  void send(const dataplane::tcp::TxHints& hints);
  // Calls take(MutableBytes frame, tcp::RxHints) for all there are, as the card makes them.
  template <typename Take>
  void drain(Take&& take);

  std::uint64_t handed_over() const { return handed_over_; }

 private:
  struct Entry {
    std::size_t at = 0;
    std::size_t size = 0;
    dataplane::tcp::TxHints hints;
  };

  const dataplane::tcp::PortFeatures features_;
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(std::size_t{4} << 20);
  std::vector<Entry> entries_;
  Entry open_;
  std::uint64_t handed_over_ = 0;
};

class Bulk {
 public:
  struct Result {
    double ns_each_kilobyte = 0;  // of 1000 bytes of payload
    std::uint64_t frames_out = 0;
    std::uint64_t segments_out = 0;
  };
  explicit Bulk(const dataplane::tcp::PortFeatures& features);

  // So many bytes from the server to the client.
  Result run(std::uint64_t bytes);

 private:
  struct Source {
    dataplane::tcp::Tcp* tcp = nullptr;
    std::vector<std::uint8_t> chunk = std::vector<std::uint8_t>(16'384, 'b');

    void on_open(ConnectionName name, bool) { on_writable(name, 0); }
    void on_bytes(ConnectionName, std::uint64_t, MutableBytes) {}
    void on_writable(ConnectionName name, std::uint64_t);
    void on_closed(ConnectionName, std::uint64_t, dataplane::io::CloseReason) {}
  };
  struct Drain {
    std::uint64_t received = 0;

    void on_open(ConnectionName, bool) {}
    void on_bytes(ConnectionName, std::uint64_t, MutableBytes lease) { received += lease.size(); }
    void on_writable(ConnectionName, std::uint64_t) {}
    void on_closed(ConnectionName, std::uint64_t, dataplane::io::CloseReason) {}
  };

  void client_turn();
  [[gnu::noinline]] void server_turn();

  BulkWire to_server_;
  BulkWire to_client_;
  SeededRandom random_{1};
  dataplane::tcp::Stack server_;
  dataplane::tcp::Stack client_;
  Source source_;
  Drain drain_;
  Instant now_{std::chrono::hours(1)};
};

}  // namespace godwit::bench
