// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/session_record.h"

#include <algorithm>

namespace godwit::crypto::signal {
namespace {

constexpr std::uint8_t record_version = 1;

std::unexpected<Error> corrupt() {
  return fail(ErrorCode::corrupt, "a stored session record is damaged or of an unknown version");
}

}  // namespace

SessionRecord SessionRecord::copy() const {
  SessionRecord copy;
  if (current_) copy.current_ = current_->copy();
  copy.archived_ = archived_;
  return copy;
}

bool SessionRecord::can_send(WallTime now) const {
  if (!current_) return false;
  return !current_->pending || now - current_->pending->created_at <= unacknowledged_age_max;
}

bool SessionRecord::current_ratchet_key_is(const PublicKey& key) const {
  return current_ && current_->ratchet.public_key == key;
}

void SessionRecord::archive_current() {
  if (!current_) return;
  if (archived_.size() == archived_sessions_max) archived_.pop_back();
  archived_.insert(archived_.begin(), {current_->base_key, current_->write()});
  current_.reset();
}

SecretBytes SessionRecord::write() const {
  StateWriter out;
  out.u8(record_version);
  out.present(current_.has_value());
  if (current_) out.block(current_->write());
  out.u32(static_cast<std::uint32_t>(archived_.size()));
  for (const Archived& archived : archived_) {
    out.bytes(archived.base_key);
    out.block(archived.state);
  }
  return out.take();
}

Result<SessionRecord> SessionRecord::read(Bytes bytes) {
  ByteReader in(bytes);
  if (in.u8() != record_version) return corrupt();
  SessionRecord record;
  if (take_present(in)) {
    auto current = SessionState::read(take_block(in, session_state_size_max));
    if (!current) return corrupt();
    record.current_ = std::move(*current);
  }
  const std::uint32_t count = in.u32();
  if (count > archived_sessions_max) in.fail();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const auto base_key = take_array<32>(in);
    record.archived_.push_back({base_key, secret_copy(take_block(in, session_state_size_max))});
  }
  if (!in.ok() || !in.at_end()) return corrupt();
  return record;
}

bool SessionEdit::is_current(const PublicKey& base_key) const {
  return record_.current_ && record_.current_->base_key == base_key;
}

std::optional<std::size_t> SessionEdit::find_archived(const PublicKey& base_key) const {
  const auto found =
      std::ranges::find(record_.archived_, base_key, &SessionRecord::Archived::base_key);
  if (found == record_.archived_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - record_.archived_.begin());
}

std::optional<SessionState> SessionEdit::archived(std::size_t index) const {
  const SessionRecord::Archived& archived = record_.archived_[index];
  auto state = SessionState::read(archived.state);
  if (!state || state->base_key != archived.base_key) return std::nullopt;
  return std::move(*state);
}

void SessionEdit::begin_session(SessionState state) {
  record_.archive_current();
  record_.current_ = std::move(state);
}

void SessionEdit::promote(std::size_t index, SessionState state) {
  record_.archived_.erase(record_.archived_.begin() + static_cast<std::ptrdiff_t>(index));
  begin_session(std::move(state));
}

}  // namespace godwit::crypto::signal
