// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/key_upload.h"
#include "client/sealer.h"
#include "client/vault.h"
#include "crypto/signal/message.h"

// Signal for every message: one session with each device of a recipient, opened from the key
// directory. What a message changes of keys and sessions is stored in the transaction that stores
// or sends it, and nothing of a session is kept in memory. Not thread safe.
//
// Order: messages to one account are encrypted in the order of their ids; one that waits for keys
// holds those behind it.

namespace godwit::client {

class Sealing final : public Sealer {
 public:
  // A device list is fetched again when it is so old.
  static constexpr std::chrono::hours list_age_max{1};
  // After a question that was refused.
  static constexpr Duration retry_period = std::chrono::seconds(5);
  // Questions about other accounts that may be open: with the messages under way and the uploads of
  // keys they stay below protocol::unacknowledged_max.
  static constexpr std::size_t questions_max = 256;
  // Messages encrypted in one transaction.
  static constexpr std::size_t batch_max = 64;
  // Payloads of which the plaintext is kept, to be sent again to a device that could not read it.
  static constexpr std::size_t sent_kept = 256;
  // How often one message is sent again to one device.
  static constexpr std::uint64_t tries_max = 3;

  Sealing(State& state, RandomSource& random)
      : state_(state), random_(random), vault_(state.database()), upload_(vault_) {}

  std::size_t payload_size_max() const override;
  Result<std::uint64_t> put(const protocol::Jid& to,
                            std::span<const std::string> payloads) override;
  Result<std::size_t> store(std::span<const State::Incoming> messages) override;
  Result<void> on_session(Now now) override;
  Result<void> on_answer(std::uint64_t id, std::optional<protocol::Condition> condition, Bytes node,
                         Now now) override;
  Result<void> on_notice(Bytes node, Now now) override;
  Result<void> on_device_list(std::uint64_t id, const std::string& recipient,
                              const protocol::DeviceList& list, Now now) override;
  Result<void> on_device_gone(const std::string& recipient) override;
  Result<Work> work(Now now) override;
  Instant deadline() const override;
  bool keys_published() const override { return counted_ && uploads_open_ == 0; }
  void look_up(const std::string& user, LookedUp done) override;

 private:
  using Kind = protocol::KeyQuestionKind;
  struct Asked {
    Kind kind{};
    std::string user;
    std::uint16_t device = 0;
    Vault::Waiting keys;
  };
  using Tags = std::vector<protocol::DeviceTag>;
  struct Account {
    bool list_asked = false;
    // Named by the gateway; their bundles complete the list.
    std::map<std::uint16_t, std::uint32_t> named;
    // All that is not settled goes to these.
    std::optional<Tags> covered;
    std::set<std::uint16_t> bundles_asked;
    Instant retry_at{};
    bool waiting = false;  // in this pass: what is behind waits too
  };
  struct Pending {
    std::uint64_t id = 0;
    std::string recipient;
    std::uint64_t shown_id = 0;
  };
  // A message that is to go to one more device.
  struct Repair {
    std::uint64_t message = 0;
    std::string peer;
  };
  enum class Outcome : std::uint8_t { sealed, waits, refused };
  using Listed = std::vector<Vault::ListedDevice>;

  void ask(Asked asked, bool set, std::vector<std::uint8_t> node);
  void ask_devices(const std::string& user);
  void ask_bundle(const std::string& user, std::uint16_t device);
  std::string name(const std::string& user, std::uint16_t device) const;
  std::string account_of(const std::string& user) const;

  Result<void> on_count(Bytes node, Now now);
  Result<void> on_devices(const std::string& user, Bytes node, Now now);
  Result<void> on_bundle(const Asked& asked, Bytes node, Now now);
  Result<void> on_refused_question(const Asked& asked, protocol::Condition condition, Now now);
  Result<void> note_identity(const std::string& peer, const crypto::PublicKey& identity, Now now);
  Result<void> drop_waiting(const std::string& user, const std::string& why);

  // sealing_devices.cc
  Result<void> change_list(const std::string& user, const Tags& tags,
                           std::map<std::uint16_t, std::uint32_t>& named, Now now);
  Result<void> cover(const std::string& user, const Tags& list);
  Result<bool> went_to(std::uint64_t message, const std::string& peer, std::uint32_t tag);
  Result<bool> add_named(const Asked& asked, const crypto::PublicKey& identity,
                         std::uint32_t registration, Now now);
  Result<bool> seal_repairs(Now now, std::size_t& sealed);
  Result<Outcome> seal_repair(const Repair& repair, Now now);
  Result<Outcome> give_up(const Repair& repair, const std::string& why);
  Result<void> drop_repairs(const std::string& user, const std::string& why);

  Result<void> seal_waiting(Now now);
  Result<Outcome> seal(const Pending& message, Now now);
  Result<Outcome> refuse(const Pending& message, const std::string& why);
  Result<bool> all_have_sessions(const std::string& user, const Listed& targets, Now now);
  // The account's devices; none when they, or what is before, must come first.
  Result<std::optional<Listed>> list_for(const std::string& user, Now now);
  Result<std::string> distrusted(const std::string& user, const Listed& targets);
  struct Targets {
    std::string user;
    Listed devices;
    std::uint16_t digest = 0;  // of the whole list
  };
  Result<bool> encrypt_for(const Pending& message, const Targets& targets, Now now);
  Result<void> prune();

  Result<std::vector<State::Incoming>> open(const State::Incoming& message);
  Result<std::vector<State::Incoming>> read(const State::Incoming& message,
                                            const crypto::signal::CiphertextMessage& ciphertext);
  Result<std::vector<State::Incoming>> unreadable(
      const State::Incoming& message, const crypto::signal::CiphertextMessage* ciphertext);
  Result<void> resend(const State::Incoming& message, Bytes request);
  template <typename Work>
  Result<void> transact(Work&& work) {
    if (auto set = state_.database().set_waiting_for_disk(true); !set) return set;
    return state_.database().transact(std::forward<Work>(work));
  }
  Result<void> queue_row(const std::string& recipient, Bytes payload, std::uint64_t message,
                         std::optional<std::uint16_t> devices = std::nullopt);
  static Tags tags_of(const Listed& list);

  State& state_;
  RandomSource& random_;
  Vault vault_;
  KeyUpload upload_;
  std::optional<Vault::Own> own_;
  protocol::Jid jid_;
  WallTime wall_{};  // of the last turn
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t last_question_ = 0;
  std::map<std::string, Account> accounts_;
  std::map<std::string, LookedUp> looking_up_;
  Work work_;
  bool counted_ = false;
  bool count_asked_ = false;
  Instant count_retry_at_{};
  std::size_t uploads_open_ = 0;
  std::uint32_t batches_ = 0;
  bool dirty_ = true;  // something may be encrypted that could not before
};

}  // namespace godwit::client
