// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_disk.h"

namespace godwit::sim {

using queues::MessageStore;

// An open file of the process. It keeps nothing of its own: the file has all.
class SimDisk::Store final : public MessageStore {
 public:
  Store(SimDisk& disk, File& file) : disk_(disk), file_(file) {}

  Result<void> apply(std::span<const Operation> operations) override {
    return disk_.apply(file_, operations);
  }

  Result<std::uint64_t> load(const LoadRange& range,
                             const std::function<bool(const Stored&)>& take) override {
    std::uint64_t fails_after = UINT64_MAX;
    if (file_.faults.loads) fails_after = disk_.random_.below(4);
    const auto found = file_.written.find({range.account_id, range.device});
    if (found == file_.written.end() && fails_after > 0) return std::uint64_t{0};
    std::uint64_t count = 0;
    std::uint64_t size = 0;
    if (found != file_.written.end()) {
      for (auto next = found->second.upper_bound(range.after_sequence); next != found->second.end();
           ++next) {
        if (count >= fails_after) break;
        if (next->second.expires_s <= range.now_s) continue;
        size += next->second.bytes.size();
        const bool enough = count >= range.limit || (count > 0 && size > range.limit_bytes);
        if (enough || !take({next->first, next->second.accepted_s, next->second.bytes})) {
          return next->first;
        }
        ++count;
      }
    }
    if (fails_after != UINT64_MAX) return fail(ErrorCode::io, "cannot read");
    return std::uint64_t{0};
  }

  Result<std::vector<Summary>> summarize(std::uint64_t account_id) override {
    if (file_.faults.loads) return fail(ErrorCode::io, "cannot read");
    std::vector<Summary> summaries;
    for (auto next = file_.written.lower_bound({account_id, 0});
         next != file_.written.end() && next->first.first == account_id; ++next) {
      const Mailbox& mailbox = next->second;
      Summary summary{.device = next->first.second,
                      .lowest = mailbox.begin()->first,
                      .highest = mailbox.rbegin()->first,
                      .count = mailbox.size()};
      for (const auto& [sequence, message] : mailbox) summary.bytes += message.bytes.size();
      summaries.push_back(summary);
    }
    return summaries;
  }

  Result<std::vector<std::uint64_t>> accounts(std::uint64_t after, std::uint32_t limit) override {
    if (file_.faults.loads) return fail(ErrorCode::io, "cannot read");
    std::vector<std::uint64_t> ids;
    for (auto next = file_.written.lower_bound({after + 1, 0});
         next != file_.written.end() && ids.size() < limit;
         next = file_.written.lower_bound({ids.back() + 1, 0})) {
      ids.push_back(next->first.first);
    }
    return ids;
  }

  Result<std::uint64_t> expire(std::uint32_t, std::uint32_t) override { return std::uint64_t{0}; }
  Result<void> maintain() override { return {}; }

 private:
  SimDisk& disk_;
  File& file_;
};

Result<std::unique_ptr<MessageStore>> SimDisk::open(unsigned file) {
  if (files_[file].faults.opens) return fail(ErrorCode::io, "cannot open");
  return std::make_unique<Store>(*this, files_[file]);
}

void SimDisk::change(Image& image, const Change& change) {
  if (change.is_put) {
    image[change.owner].insert_or_assign(change.sequence, change.message);
    return;
  }
  for (auto next = image.lower_bound(change.owner);
       next != image.end() && next->first.first == change.owner.first;) {
    if (change.owner.second != 0 && next->first.second != change.owner.second) break;
    Mailbox& mailbox = next->second;
    mailbox.erase(mailbox.begin(), mailbox.upper_bound(change.sequence));
    next = mailbox.empty() ? image.erase(next) : std::next(next);
  }
}

Result<void> SimDisk::apply(File& file, std::span<const MessageStore::Operation> operations) {
  std::vector<Change> changes;
  bool has_put = false;
  for (const auto& operation : operations) {
    if (operation.kind == MessageStore::Operation::Kind::put) {
      const MessageStore::Put& put = operation.put;
      has_put = true;
      trace_.bytes(put.bytes);
      changes.push_back({true,
                         {put.account_id, put.device},
                         put.sequence,
                         {put.accepted_s, put.expires_s, {put.bytes.begin(), put.bytes.end()}}});
    } else {
      const MessageStore::Erase& erase = operation.erase;
      changes.push_back({false, {erase.account_id, erase.device}, erase.upto_sequence, {}});
    }
  }
  if (file.faults.commits || (file.faults.full && has_put)) {
    const ErrorCode code = file.faults.full ? ErrorCode::full : ErrorCode::io;
    if (file.faults.tears) file.torn = std::move(changes);
    trace_.note("commit fails: " + std::to_string(operations.size()));
    return fail(code, "cannot write");
  }
  file.torn.clear();  // overwritten
  for (const Change& each : changes) change(file.written, each);
  file.unsynced.insert(file.unsynced.end(), changes.begin(), changes.end());
  if (const auto crash = std::exchange(crash_at_commit_, std::nullopt)) {
    crashed_ = true;
    if (!*crash) return {};
  }
  sync(file);
  trace_.note("commit: " + std::to_string(operations.size()));
  return {};
}

void SimDisk::sync(File& file) {
  for (const Change& each : file.unsynced) change(file.synced, each);
  file.unsynced.clear();
}

void SimDisk::crash() {
  crash_at_commit_.reset();
  crashed_ = false;
  for (File& file : files_) {
    file.unsynced.clear();
    if (random_.below(2) == 0) {
      for (const Change& each : file.torn) change(file.synced, each);
    }
    file.torn.clear();
    file.written = file.synced;
  }
}

const SimDisk::Mailbox* SimDisk::find(std::uint64_t account_id, std::uint16_t device) const {
  for (const File& file : files_) {
    const auto found = file.synced.find({account_id, device});
    if (found != file.synced.end()) return &found->second;
  }
  return nullptr;
}

}  // namespace godwit::sim
