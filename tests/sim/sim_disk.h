// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/random.h"
#include "queues/store.h"
#include "tests/sim/trace.h"

// The disk under the offline store: sixteen files, each with what is written and what is synced. A
// crash leaves what is synced. It can be told to be full, to fail, or to tear: then a commit that
// reported an error may be there after a crash all the same, as a write-ahead log can have it.

namespace godwit::sim {

class SimDisk {
 public:
  struct Message {
    std::uint32_t accepted_s = 0;
    std::uint32_t expires_s = 0;
    std::vector<std::uint8_t> bytes;
  };
  using Mailbox = std::map<std::uint64_t, Message>;  // by sequence
  using Owner = std::pair<std::uint64_t, std::uint16_t>;
  using Image = std::map<Owner, Mailbox>;

  // What goes wrong with a file, each by its own switch.
  struct Faults {
    bool full = false;  // commits with a message in them
    bool commits = false;
    bool tears = false;  // a commit that fails may survive a crash
    bool loads = false;  // also midway
    bool opens = false;
  };

  SimDisk(std::uint64_t seed, Trace& trace) : random_(seed), trace_(trace) {}

  Result<std::unique_ptr<queues::MessageStore>> open(unsigned file);
  // The process is gone: what was not synced is lost.
  void crash();
  void set_faults(unsigned file, const Faults& faults) { files_[file].faults = faults; }
  const Faults& faults(unsigned file) const { return files_[file].faults; }

  // The process is to die right after the step that commits next, with the commit synced or not.
  void crash_at_next_commit(bool synced) { crash_at_commit_ = synced; }
  bool take_crash() { return std::exchange(crashed_, false); }
  void forget_crash() { crash_at_commit_.reset(); }

  // What would be there after a crash now.
  const Mailbox* find(std::uint64_t account_id, std::uint16_t device) const;
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const File& file : files_) {
      for (const auto& [owner, mailbox] : file.synced) visit(owner, mailbox);
    }
  }

 private:
  class Store;
  struct Change {
    bool is_put = false;
    Owner owner;
    std::uint64_t sequence = 0;
    Message message;
  };
  struct File {
    Image written;
    Image synced;
    std::vector<Change> unsynced;
    std::vector<Change> torn;
    Faults faults;
  };

  static void change(Image& image, const Change& change);
  Result<void> apply(File& file, std::span<const queues::MessageStore::Operation> operations);
  void sync(File& file);

  std::array<File, queues::store_file_count> files_;
  SeededRandom random_;
  Trace& trace_;
  std::optional<bool> crash_at_commit_;
  bool crashed_ = false;
};

}  // namespace godwit::sim
