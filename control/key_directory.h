// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "control/sqlite.h"
#include "protocol/key_nodes.h"
#include "protocol/stanza.h"

// The key directory: what devices publish so that others can open Signal sessions with them while
// they are away (X3DH, section 3; PQXDH, section 3), in one SQLite file (WAL, synchronous=FULL).
//
// Rules:
//   - a generation is one life of a device's keys. A higher one replaces everything, and is the
//   only
//     way to another identity; a lower one is refused;
//   - within a generation an upload may be repeated: a key that is there, or was taken, changes
//     nothing. A known id with another key is refused, and so is an id below all that are
//     remembered;
//   - every signature is verified (XEdDSA over the serialized key) before anything is stored;
//   - a one-time key is given out once. Without one of the KEM the last resort is given, without
//   one
//     of the curve none;
//   - who asks for one device's keys more often than bundle_limit is refused.
// Calls of a batch are durable, all of them, when commit_batch() returns.
//
// Thread safety: one thread. Calls may block on the disk.

namespace godwit::control {

// Who asks, or whose keys are meant. Ids are the account store's, which never come back.
struct DeviceName {
  std::uint64_t account = 0;
  std::uint16_t device = 0;
};

class KeyDirectory {
 public:
  struct Options {
    std::string path;                  // or in_memory
    std::uint32_t page_count_max = 0;  // of 4096 bytes; 0: as many as the disk holds
  };
  static constexpr std::string_view in_memory = ":memory:";
  // Bundles of one device for one account: so many at once, then one each interval.
  static constexpr std::int64_t bundle_burst = 6;
  static constexpr std::chrono::seconds bundle_interval{600};
  // Of an account, over all devices.
  static constexpr std::int64_t account_burst = 1000;
  static constexpr std::chrono::seconds account_interval{10};
  // Ids of keys that were given out which are remembered, of a device and kind.
  static constexpr std::uint32_t taken_ids_max = 1000;
  // Below this a device hears that its keys run low.
  static constexpr std::uint32_t low = 20;

  // Makes the file when missing. Errors: as queues::bring_up_to_date.
  static Result<std::unique_ptr<KeyDirectory>> open(const Options& options);

  Result<void> begin_batch();
  Result<void> commit_batch();

  struct Uploaded {
    bool list_changed = false;      // a device's first keys, or another identity
    bool identity_changed = false;  // of a device that had another one
  };
  using Condition = protocol::Condition;
  // Nothing is changed when it is refused: bad_request (an upload that starts a generation without
  // identity, signed key and last resort), not_acceptable (a key of another type or a signature
  // that is wrong), conflict (see the rules), resource_constraint (more than one_time_keys_max).
  Result<std::expected<Uploaded, Condition>> upload(DeviceName device,
                                                    const protocol::PrekeyUpload& upload,
                                                    WallTime now);
  Result<protocol::PrekeyCount> count(DeviceName device);

  struct Device {
    std::uint16_t device = 0;
    std::uint32_t registration = 0;
    std::vector<std::uint8_t> identity;
  };
  // Those that have uploaded keys, by number.
  Result<std::vector<Device>> devices(std::uint64_t account);
  // For several devices() in a row; it ends before any other call. In a batch it changes nothing.
  Reading read_together() { return Reading(database_, reading_); }

  struct Bundle {
    std::uint32_t registration = 0;
    std::vector<std::uint8_t> identity;
    struct Key {
      std::uint32_t id = 0;
      std::vector<std::uint8_t> bytes;  // key and signature
    };
    Key signed_key;
    Key kem;
    std::optional<Key> one_time;
    bool last_resort = false;    // the KEM's
    protocol::PrekeyCount left;  // after this one
  };
  struct Requester {
    std::uint64_t account = 0;
    std::string_view user;
  };
  // Takes one key of each kind. Refused: item_not_found, policy_violation (too often).
  Result<std::expected<Bundle, Condition>> take_bundle(const Requester& requester,
                                                       DeviceName device, WallTime now);

  // User parts of who has taken a bundle of the account within contact_memory.
  static constexpr std::chrono::days contact_memory{180};
  Result<std::vector<std::string>> contacts(std::uint64_t account, WallTime now);

  struct Status {
    std::uint16_t device = 0;
    protocol::PrekeyCount keys;
    std::int64_t signed_at_s = 0;
    std::int64_t last_resort_at_s = 0;
    std::uint64_t bundles = 0;           // given out in this generation
    std::uint64_t last_resort_uses = 0;  // of these, without a one-time KEM key
  };
  Result<std::vector<Status>> status(std::uint64_t account);

  Result<void> forget_account(std::uint64_t account);
  // How many went, at most contacts_forgotten_max in one call.
  static constexpr int contacts_forgotten_max = 1000;
  Result<int> forget_old_contacts(WallTime now);

 private:
  enum class Kind : std::int64_t { one_time = 0, kem = 1 };
  struct Statements {
    Statement find, start, set_signed, set_last_resort, note_bundle, list;
    Statement find_key, add_key, count_keys, first_key, mark_taken, count_taken, lowest_taken,
        forget_taken, forget_keys;
    Statement find_fetch, set_fetch, contacts, forget_old_fetches;
    Statement forget_devices, forget_all_keys, forget_fetches;
  };
  struct Row {
    std::uint32_t generation = 0;
    std::uint32_t registration = 0;
    std::vector<std::uint8_t> identity;
    Bundle::Key signed_key;
    Bundle::Key last_resort;
  };
  struct Bucket {
    DeviceName device;
    std::int64_t burst = 0;
    std::chrono::seconds interval{};
  };

  explicit KeyDirectory(Database database) : database_(std::move(database)) {}
  Result<void> prepare(const Options& options);

  // The first error of a call is kept in error_; from then on these do nothing. take_error() ends
  // the call with it.
  bool step(Statement& statement);
  void run(Statement& statement);
  void run(const char* sql);
  Result<void> take_error();
  Statement& bind(Statement& statement, DeviceName device);

  std::optional<Row> find(DeviceName device);
  std::optional<Condition> check(const protocol::PrekeyUpload& upload, Bytes identity) const;
  std::optional<Condition> carry_out(DeviceName device, const protocol::PrekeyUpload& upload,
                                     WallTime now, Uploaded& done);
  void start_generation(DeviceName device, const protocol::PrekeyUpload& upload, WallTime now);
  std::optional<Condition> rotate(DeviceName device, const Row& row,
                                  const protocol::PrekeyUpload& upload, WallTime now);
  std::optional<Condition> add_keys(DeviceName device, Kind kind,
                                    const std::vector<protocol::DirectoryKey>& keys);
  std::optional<Condition> add_key(DeviceName device, Kind kind, const protocol::DirectoryKey& key);
  std::uint32_t count_keys(DeviceName device, Kind kind);
  std::optional<Bundle::Key> take_key(DeviceName device, Kind kind);
  std::expected<Bundle, Condition> take(const Requester& requester, DeviceName device,
                                        WallTime now);
  bool may_fetch(const Requester& requester, const Bucket& bucket, WallTime now);

  Database database_;
  Statements statements_;
  ReadingStatements reading_;
  std::optional<Error> error_;
  std::optional<Error> batch_error_;
};

}  // namespace godwit::control
