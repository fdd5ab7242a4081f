// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "crypto/signal/session_state.h"

namespace godwit::crypto::signal {
namespace {

constexpr std::uint8_t state_version = 2;

void write_pending(StateWriter& out, const std::optional<PendingPreKey>& pending) {
  out.present(pending.has_value());
  if (!pending) return;
  out.present(pending->one_time_id.has_value());
  out.u32(pending->one_time_id.value_or(0));
  out.u32(pending->signed_id);
  out.u32(pending->kyber_id);
  out.bytes(pending->kyber_ciphertext);
  out.u64(static_cast<std::uint64_t>(pending->created_at.time_since_epoch().count()));
}

std::optional<PendingPreKey> take_pending(ByteReader& in) {
  if (!take_present(in)) return std::nullopt;
  PendingPreKey pending;
  const bool one_time = take_present(in);
  const std::uint32_t one_time_id = in.u32();
  if (one_time) pending.one_time_id = one_time_id;
  if (!one_time && one_time_id != 0) in.fail();
  pending.signed_id = in.u32();
  pending.kyber_id = in.u32();
  pending.kyber_ciphertext = take_array<Kyber1024::sizes.ciphertext>(in);
  pending.created_at = WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(in.u64())));
  return pending;
}

void write_receiver_chains(StateWriter& out, const std::vector<ReceiverChain>& chains) {
  out.u32(static_cast<std::uint32_t>(chains.size()));
  for (const ReceiverChain& chain : chains) {
    out.bytes(chain.ratchet_key);
    chain.chain.write(out);
  }
}

std::vector<ReceiverChain> take_receiver_chains(ByteReader& in) {
  const std::uint32_t count = in.u32();
  if (count > receiver_chains_max) in.fail();
  std::vector<ReceiverChain> chains;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const auto ratchet_key = take_array<32>(in);
    chains.push_back({ratchet_key, ReadingChain::read(in)});
  }
  return chains;
}

void write_spqr(StateWriter& out, const Spqr& pq) {
  SecretBytes bytes(pq.write_size());
  ByteWriter writer(bytes);
  pq.write(writer);
  GODWIT_CHECK(writer.ok());
  out.block(writer.written());
}

std::unexpected<Error> corrupt() {
  return fail(ErrorCode::corrupt, "a stored session is damaged or of an unknown version");
}

}  // namespace

SecretBytes SessionState::write() const {
  StateWriter out;
  out.u8(state_version);
  out.bytes(local_identity);
  out.bytes(remote_identity);
  out.u32(local_registration_id);
  out.u32(remote_registration_id);
  out.bytes(base_key);
  out.bytes(root.bytes());
  write_key_pair(out, ratchet);
  out.bytes(sender_chain.key.bytes());
  out.u32(sender_chain.index);
  out.u32(previous_counter);
  write_receiver_chains(out, receiver_chains);
  write_pending(out, pending);
  write_spqr(out, pq);
  return out.take();
}

Result<SessionState> SessionState::read(Bytes bytes) {
  if (bytes.size() > session_state_size_max) return corrupt();
  ByteReader in(bytes);
  if (in.u8() != state_version) return corrupt();
  const auto local_identity = take_array<32>(in);
  const auto remote_identity = take_array<32>(in);
  const std::uint32_t local_registration_id = in.u32();
  const std::uint32_t remote_registration_id = in.u32();
  const auto base_key = take_array<32>(in);
  Secret<32> root = take_secret<32>(in);
  KeyPair ratchet = take_key_pair(in);
  Secret<32> sender_key = take_secret<32>(in);
  const std::uint32_t sender_index = in.u32();
  const std::uint32_t previous_counter = in.u32();
  std::vector<ReceiverChain> receiver_chains = take_receiver_chains(in);
  std::optional<PendingPreKey> pending = take_pending(in);
  const Bytes pq_bytes = take_block(in, spqr_state_size_max);
  if (!in.ok() || !in.at_end()) return corrupt();
  auto pq = Spqr::read(pq_bytes);
  if (!pq) return corrupt();
  return SessionState{.local_identity = local_identity,
                      .remote_identity = remote_identity,
                      .local_registration_id = local_registration_id,
                      .remote_registration_id = remote_registration_id,
                      .base_key = base_key,
                      .root = std::move(root),
                      .ratchet = std::move(ratchet),
                      .sender_chain = {std::move(sender_key), sender_index},
                      .previous_counter = previous_counter,
                      .receiver_chains = std::move(receiver_chains),
                      .pending = std::move(pending),
                      .pq = std::move(*pq)};
}

}  // namespace godwit::crypto::signal
