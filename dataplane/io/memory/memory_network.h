// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dataplane/io/stream.h"

// A network inside one process: what joins MemoryBackends in tests and simulation. Nothing moves
// but in a backend's poll(), in an order fixed by the calls made, so a run repeats exactly. It has
// no clock and no randomness; a test bends it through the transfer hook (how many bytes may move
// now) and through hold, release and reset of a link.
//
// Thread safety: none, all backends of a network are driven by one thread. The network outlives its
// backends.

namespace godwit::dataplane::io {

class MemoryBackend;

namespace memory {

// Bytes in order; consumed ones are given back when they are most of the store.
class ByteQueue {
 public:
  std::size_t size() const { return bytes_.size() - begin_; }
  bool empty() const { return size() == 0; }
  void push(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  Bytes front(std::size_t size) const { return Bytes(bytes_).subspan(begin_, size); }
  void pop(std::size_t size) {
    begin_ += size;
    if (begin_ == bytes_.size()) {
      clear();
    } else if (begin_ * 2 > bytes_.size()) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
  }
  // Gives the memory back too: an idle connection holds no buffer.
  void clear() {
    bytes_ = {};
    begin_ = 0;
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t begin_ = 0;
};

// What is under way to one end.
struct Pipe {
  ByteQueue bytes;
  bool finished = false;  // a FIN follows the bytes
};

// One connection, seen from outside. Side 0 connected, side 1 accepted.
struct Link {
  static constexpr std::uint32_t not_accepted =
      UINT32_MAX;  // the slot while it waits at a listener
  struct End {
    MemoryBackend* backend = nullptr;  // none: this side is gone
    std::uint32_t slot = 0;
  };
  std::uint64_t id = 0;
  bool held = false;
  bool reset = false;
  std::array<Pipe, 2> towards;
  std::array<End, 2> ends;
  std::string connector;  // addresses, for peer_address
  std::string acceptor;

  // Has that side's backend look at its connection in its next poll.
  void poke(std::size_t side);
};

}  // namespace memory

class MemoryNetwork {
 public:
  struct Options {
    std::size_t window =
        256 * 1024;  // bytes under way to one end at most, as a kernel's buffers hold
  };
  // One movement about to happen.
  struct Transfer {
    std::uint64_t link = 0;
    bool arriving =
        false;  // from the network to a handler; else from a send queue into the network
    bool to_acceptor = false;
    std::size_t available = 0;  // bytes that could move, more than 0
  };
  // Returns how many of `available` bytes move now; 0 puts it off to the backend's next poll.
  using TransferHook = std::function<std::size_t(const Transfer&)>;

  MemoryNetwork() = default;
  explicit MemoryNetwork(const Options& options) : options_(options) {}
  MemoryNetwork(const MemoryNetwork&) = delete;
  MemoryNetwork& operator=(const MemoryNetwork&) = delete;

  void set_transfer_hook(TransferHook hook) { hook_ = std::move(hook); }
  // Nothing moves on a held link, in either direction, not even a FIN or reset, until it is
  // released.
  void hold(std::uint64_t link);
  void release(std::uint64_t link);
  // Both ends see a reset; bytes under way are lost.
  void reset(std::uint64_t link);

 private:
  friend class MemoryBackend;

  struct Listeners {
    std::vector<MemoryBackend*> backends;
    std::size_t next = 0;
  };

  Result<std::uint16_t> listen(MemoryBackend& backend, const Endpoint& endpoint);
  void stop_listening(MemoryBackend& backend);
  // The shard that takes the next connection to this endpoint, in turn; nullptr when none listens.
  MemoryBackend* choose_listener(const Endpoint& endpoint);
  std::shared_ptr<memory::Link> make_link();
  std::shared_ptr<memory::Link> find(std::uint64_t link);
  std::size_t allowed(const Transfer& transfer) const;

  const Options options_{};
  TransferHook hook_;
  std::map<std::uint16_t, Listeners> listeners_;
  std::unordered_map<std::uint64_t, std::weak_ptr<memory::Link>> links_;
  std::uint64_t last_link_ = 0;
  std::uint16_t next_port_ = 49152;
};

}  // namespace godwit::dataplane::io
