// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/chains.h"
#include "crypto/signal/spqr/stored.h"

// Chains as they are stored:
//   role ‖ root ‖ first epoch ‖ sending epoch ‖ number of epochs, and for each
//   [chain for sending, from the sending epoch on] ‖ chain for receiving ‖ count ‖ skipped keys

namespace godwit::crypto::signal {

std::size_t Chains::write_size() const {
  std::size_t size = 1 + 32 + 8 + 8 + 1;
  for (const Epoch& epoch : epochs_) {
    const std::size_t keys = (epoch.sending ? 1 : 0) + 1 + epoch.skipped.size();
    size += keys * chain_write_size + 2;
  }
  return size;
}

void Chains::write(ByteWriter& out, const Chain& chain) {
  out.bytes(chain.key.bytes());
  out.u32(chain.index);
}

void Chains::write(ByteWriter& out) const {
  out.u8(static_cast<std::uint8_t>(role_));
  out.bytes(root_.bytes());
  out.u64(first_epoch_);
  out.u64(sending_epoch_);
  out.u8(static_cast<std::uint8_t>(epochs_.size()));
  for (const Epoch& epoch : epochs_) {
    if (epoch.sending) write(out, *epoch.sending);
    write(out, epoch.receiving);
    out.u16(static_cast<std::uint16_t>(epoch.skipped.size()));
    for (const Skipped& skipped : epoch.skipped) {
      out.u32(skipped.index);
      out.bytes(skipped.key.bytes());
    }
  }
}

Chains::Chain Chains::read_chain(ByteReader& in) {
  Chain chain;
  chain.key = read_secret<32>(in);
  chain.index = in.u32();
  return chain;
}

Chains::Epoch Chains::read_epoch(ByteReader& in, bool sending) {
  Epoch epoch;
  if (sending) epoch.sending = read_chain(in);
  epoch.receiving = read_chain(in);
  const std::size_t count = in.u16();
  if (count > skipped_keys_max) in.fail();
  std::uint32_t last = 0;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const std::uint32_t index = in.u32();
    if (index <= last || index >= epoch.receiving.index) in.fail();
    epoch.skipped.push_back({.index = index, .key = read_secret<32>(in)});
    last = index;
  }
  return epoch;
}

Chains Chains::read(ByteReader& in) {
  Chains chains;
  const std::uint8_t role = in.u8();
  if (role > static_cast<std::uint8_t>(Role::bob)) in.fail();
  chains.role_ = static_cast<Role>(role);
  chains.root_ = read_secret<32>(in);
  chains.first_epoch_ = in.u64();
  chains.sending_epoch_ = in.u64();
  const std::size_t count = in.u8();
  // No sum of these can overflow: epochs_max is small and the sending epoch at least the first.
  const std::uint64_t before = chains.sending_epoch_ - chains.first_epoch_;
  if (chains.sending_epoch_ < chains.first_epoch_ || before > late_epochs_kept || count <= before ||
      count > before + 2) {
    in.fail();
  }
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    chains.epochs_.push_back(read_epoch(in, i >= before));
  }
  if (chains.skipped_count() > skipped_keys_max) in.fail();
  if (chains.epochs_.empty()) chains.epochs_.emplace_back();
  return chains;
}

}  // namespace godwit::crypto::signal
