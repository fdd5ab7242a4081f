// SPDX-License-Identifier: Apache-2.0
#include "client/key_upload.h"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "crypto/signal/key_encoding.h"
#include "protocol/limits.h"

namespace godwit::client {

namespace signal = crypto::signal;
using protocol::DirectoryKey;

namespace {

// So that a request has room beside the KEM keys.
constexpr std::size_t one_time_per_batch = 25;

// The encoded keys that an upload's views point to.
class Encoded {
 public:
  DirectoryKey one_time(const signal::PreKeyRecord& key) {
    return {.id = key.id, .key = keep(signal::encode_public_key(key.pair.public_key))};
  }
  DirectoryKey signed_key(const signal::SignedPreKeyRecord& key) {
    return {.id = key.id,
            .key = keep(signal::encode_public_key(key.pair.public_key)),
            .signature = key.signature};
  }
  DirectoryKey kem(const signal::KyberPreKeyRecord& key) {
    return {.id = key.id,
            .key = keep(signal::encode_kyber_key(key.public_key)),
            .signature = key.signature};
  }
  Bytes keep(Bytes bytes) { return kept_.emplace_back(bytes.begin(), bytes.end()); }

 private:
  std::deque<std::vector<std::uint8_t>> kept_;
};

template <typename Key>
std::vector<Key> take(std::vector<Key>& from, std::size_t most) {
  const auto end = from.begin() + static_cast<std::ptrdiff_t>(std::min(most, from.size()));
  std::vector<Key> taken(std::make_move_iterator(from.begin()), std::make_move_iterator(end));
  from.erase(from.begin(), end);
  return taken;
}

}  // namespace

KeyUpload::Batch KeyUpload::next_batch(Vault::Waiting& left, const Vault::Own& own, bool first,
                                       std::string_view domain) const {
  Batch batch;
  // The first of a generation brings what the directory asks for; the one-time keys follow.
  batch.keys.signed_key = std::exchange(left.signed_key, std::nullopt);
  batch.keys.last_resort = std::exchange(left.last_resort, std::nullopt);
  if (!batch.keys.last_resort) batch.keys.kem = take(left.kem, protocol::kem_keys_per_upload_max);
  batch.keys.one_time = take(left.one_time, one_time_per_batch);
  Encoded encoded;
  protocol::PrekeyUpload upload{.generation = generation, .registration = own.registration};
  if (first) upload.identity = encoded.keep(signal::encode_public_key(own.identity.public_key));
  if (batch.keys.signed_key) upload.signed_key = encoded.signed_key(*batch.keys.signed_key);
  if (batch.keys.last_resort) upload.last_resort = encoded.kem(*batch.keys.last_resort);
  for (const auto& key : batch.keys.one_time) upload.one_time.push_back(encoded.one_time(key));
  for (const auto& key : batch.keys.kem) upload.kem.push_back(encoded.kem(key));
  batch.node.resize(protocol::iq_node_size_max);
  ByteWriter out(batch.node);
  GODWIT_CHECK(protocol::write_upload(out, upload, {domain}));
  batch.node.resize(out.size());
  return batch;
}

Result<std::vector<KeyUpload::Batch>> KeyUpload::plan(const protocol::PrekeyCount& count,
                                                      const Vault::Own& own,
                                                      std::string_view domain, Now now,
                                                      RandomSource& random) {
  const bool first = count.generation == 0;
  if (first) {
    if (auto marked = vault_.mark_nothing_uploaded(); !marked) {
      return std::unexpected(marked.error());
    }
  }
  const auto before = vault_.waiting();
  if (!before) return std::unexpected(before.error());
  const auto missing = [](std::size_t there) {
    return there >= refill_below ? 0 : protocol::one_time_keys_max - there;
  };
  const Vault::Missing making{.one_time = missing(count.one_time + before->one_time.size()),
                              .kem = missing(count.kem + before->kem.size())};
  if (auto made = vault_.make_keys(own, making, now.wall, random); !made) {
    return std::unexpected(made.error());
  }
  auto left = vault_.waiting();
  if (!left) return std::unexpected(left.error());
  note_rate(count, static_cast<std::uint32_t>(std::min(making.one_time, making.kem)), now);
  std::vector<Batch> batches;
  while (left->signed_key || left->last_resort || !left->one_time.empty() || !left->kem.empty()) {
    batches.push_back(next_batch(*left, own, first && batches.empty(), domain));
  }
  return batches;
}

void KeyUpload::note_rate(const protocol::PrekeyCount& count, std::uint32_t filled, Now now) {
  const std::uint32_t there = std::min(count.one_time, count.kem);
  Duration period = count_period_max;
  if (counted_at_ != never && there < counted_) {
    const Duration each = (now.instant - counted_at_) / (counted_ - there);
    period = std::clamp(each * refill_below, count_period_min, count_period_max);
  }
  counted_at_ = now.instant;
  counted_ = there + filled;
  next_count_at_ = now.instant + period;
}

}  // namespace godwit::client
