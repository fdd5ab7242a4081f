// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "client/connection.h"
#include "client/state.h"

// Godwit's C++ SDK: one device, its state in a folder, its connection to the gateway.
//
// An application drives it from its own loop: wait until descriptor() can be read (or written, while wants_write()), or
// until deadline(), then call advance(). Or it calls run() until what it waits for has happened. Nothing blocks
// but the state's disk, no thread is made, callbacks come from advance() and from run() only.
//
// What send() has returned an id for survives every crash and is sent until the gateway has accepted or refused it. What
// on_message has been called for was stored before the gateway was told; it stays in the inbox until taken.
//
// Not thread safe. client/example.cc is the shortest use.

namespace godwit::client {

struct ClientEvents {
  // The gateway has it safe (design: every device has acknowledged it, or it is on disk).
  std::function<void(std::uint64_t id)> accepted = [](std::uint64_t) {};
  // It will not be delivered; why, for people.
  std::function<void(std::uint64_t id, const std::string& why)> refused =
      [](std::uint64_t, const std::string&) {};
  // Something new is in the inbox.
  std::function<void()> received = [] {};
  // What waited while the device was away is in the inbox.
  std::function<void()> backlog_ended = [] {};
  std::function<void(std::uint16_t device)> registered = [](std::uint16_t) {};
  // First contact without an operator key: it is pinned from now on.
  std::function<void(const crypto::OperatorPublicKey& key)> trusted =
      [](const crypto::OperatorPublicKey&) {};
};

struct Registration {
  protocol::Jid jid;
  std::string server;  // host:port
  std::optional<crypto::OperatorPublicKey> operator_key;
  std::string invite;
};

class Client {
 public:
  // Opens the state under `home`. Errors: as State::open.
  static Result<std::unique_ptr<Client>> open(const std::string& home, RandomSource& random,
                                              ClientEvents events);
  ~Client();

  // Makes the device's key when there is none and asks the gateway for a device; events.registered tells. Repeating it with the
  // same folder gives the same device. Errors: exists, when the folder belongs to another account.
  Result<void> register_device(const Registration& registration);
  bool is_registered() const { return identity_ && identity_->jid.device != 0; }
  const State::Identity* identity() const { return identity_ ? &*identity_ : nullptr; }

  // Puts messages into the outbox, durably; returns the first id, the others follow it. Errors: limit for a payload over
  // protocol::payload_size_max.
  Result<std::uint64_t> send(const protocol::Jid& to, std::span<const std::string> payloads);
  State& state() { return *state_; }
  // Nothing is left to be accepted.
  bool outbox_empty() const { return outbox_left_ == 0; }

  int descriptor() const { return socket_; }
  bool wants_write() const { return connecting_ || !output_.empty(); }
  Instant deadline() const;
  // Connects when due, reads and writes what it can, sends what waits. An error is final: another connection of this device
  // took over, the account is gone, the server is not the one that was pinned.
  Result<void> advance(Now now);
  // advance() in a loop until `done()` or `until`; true when done.
  Result<bool> run(const std::function<bool()>& done, Instant until);
  // Why there is no session now; empty when there is one.
  const std::string& trouble() const { return trouble_; }
  // Acknowledges what is stored and takes leave.
  void close();

 private:
  struct InFlight {
    std::uint32_t number = 0;
    std::uint64_t id = 0;
    bool refused = false;
  };

  Client(RandomSource& random, ClientEvents events);
  Result<void> start_connection(Now now);
  Result<void> receive(Now now);
  Result<void> handle(std::vector<Event>& events, Now now);
  Result<void> on_trusted(const ServerTrusted& trusted);
  Result<void> on_registered(std::uint16_t device);
  Result<void> on_settled(std::uint64_t upto);
  Result<void> on_refused(const Refused& refused);
  Result<void> on_stream_ended(const StreamEnded& ended, Now now);
  Result<void> send_waiting();
  void flush();
  void disconnect(Now now, const std::string& why);

  RandomSource& random_;
  const ClientEvents events_;
  std::unique_ptr<State> state_;
  std::optional<State::Identity> identity_;
  crypto::KeyPair key_;
  std::string invite_;
  std::optional<Connection> connection_;
  std::vector<std::uint8_t> output_;
  std::size_t output_sent_ = 0;
  std::deque<InFlight> in_flight_;
  std::vector<std::uint64_t> finished_;  // ids to erase from the outbox
  std::uint64_t sent_upto_id_ = 0;
  std::uint64_t outbox_left_ = 0;
  std::uint32_t refusal_to_confirm_ = 0;
  bool holding_ = false;  // after a refusal, until everything under way is answered
  int socket_ = -1;
  bool connecting_ = false;
  Instant connect_at_{};
  Instant give_up_at_ = never;  // on a connection that does not get ready
  Instant ping_at_ = never;
  std::uint32_t failures_ = 0;
  std::string trouble_ = "not connected yet";
};

}  // namespace godwit::client
