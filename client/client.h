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
#include "client/sealer.h"
#include "client/state.h"
#include "client/transport.h"

// Godwit's C++ SDK: one device, its state in a folder, its connection to the gateway.
//
// An application drives it from its own loop: wait until descriptor() can be read (or written,
// while wants_write()), or until deadline(), then call advance(). Or it calls run() until what it
// waits for has happened. Nothing blocks but the state's disk and the look-up of a server's name,
// no thread is made, callbacks come from advance() and from run() only; they may call send() and
// the inbox, not advance(), run() or close().
//
// What send() has returned an id for survives every crash and is sent until the gateway has
// accepted or refused it. What events.received has told of was stored before the gateway was
// told; it stays in the inbox until taken.
//
// Every message is encrypted for each device of its recipient, and opened before it is in the inbox
// (client/sealing.h); nothing else is sent or shown.
//
// Not thread safe. client/example.cc is the shortest use.

namespace godwit::client {

struct ClientEvents {
  // The gateway has it safe (design: every device has acknowledged it, or it is on disk).
  std::function<void(std::uint64_t id)> accepted = [](std::uint64_t) {};
  // It will not be delivered; why, for people.
  std::function<void(std::uint64_t id, const std::string& why)> refused = [](std::uint64_t,
                                                                             const std::string&) {};
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
  // Opens the state under `home`. `dial` makes its connections, `make_sealer` what encrypts; both
  // are for tests to replace. Errors: as State::open.
  static Result<std::unique_ptr<Client>> open(const std::string& home, RandomSource& random,
                                              ClientEvents events, Dial dial = dial_tcp,
                                              const MakeSealer& make_sealer = seal_with_signal);

  // Makes the device's key when there is none and asks the gateway for a device; events.registered
  // tells. Repeating it with the same folder gives the same device, and keeps the operator key
  // pinned unless another one is given. Errors: exists, when the folder belongs to another account;
  // invalid, for a server address or an invite that cannot be one.
  Result<void> register_device(const Registration& registration);
  bool is_registered() const { return identity_ && identity_->jid.device != 0; }
  const State::Identity* identity() const { return identity_ ? &*identity_ : nullptr; }

  // Keeps messages to be sent, durably; returns the first id, the others follow it. All or none.
  // Errors: limit for a payload over payload_size_max(); invalid for an address that is none.
  Result<std::uint64_t> send(const protocol::Jid& to, std::span<const std::string> payloads);
  std::size_t payload_size_max() const { return sealer_->payload_size_max(); }
  // Whether others can write to this device: the gateway has its keys.
  bool keys_published() const { return sealer_->keys_published(); }
  // Fetches the devices of an account of the own server, in this session or the next; safety.h has
  // what is known of them then. `done` gets why not, or nothing.
  void look_up(const std::string& user, Sealer::LookedUp done) {
    sealer_->look_up(user, std::move(done));
  }
  State& state() { return *state_; }
  // Nothing is left to be accepted.
  bool outbox_empty() const { return unsettled_ == 0; }

  // -1 while there is no connection. Another number after each reconnection.
  int descriptor() const { return transport_ ? transport_->descriptor() : -1; }
  bool wants_write() const { return connecting_ || !output_.empty(); }
  Instant deadline() const;
  // Connects when due, reads and writes what it can, sends what waits. An error is final, and every
  // later call returns it: another connection of this device took over, the account is gone, the
  // server is not the one that was pinned, the disk fails. Only register_device() or opening the
  // folder anew tries again.
  Result<void> advance(Now now);
  // advance() in a loop until `done()` or `until`; true when done.
  Result<bool> run(const std::function<bool()>& done, Instant until);
  // Why there is no session now; empty when there is one.
  const std::string& trouble() const { return trouble_; }
  // Acknowledges what is stored and takes leave; advance() does not connect again.
  void close();

 private:
  struct InFlight {
    std::uint32_t number = 0;
    std::uint64_t id = 0;
    std::string to;
    bool refused = false;
    bool gone = false;  // its device is, so it went nowhere
  };

  Client(RandomSource& random, ClientEvents events, Dial dial);
  Result<void> take_turn(Now now);
  Result<void> start_connection(Now now);
  bool finish_connect(Now now);
  bool may_send() const;
  Result<void> receive(Now now);
  Result<void> handle(std::vector<Event>& events, Now now);
  Result<void> on_trusted(const ServerTrusted& trusted);
  Result<void> on_registered(std::uint16_t device);
  Result<void> on_settled(std::uint64_t upto);
  Result<void> on_event(Event& event, Now now);
  Result<void> store(const std::vector<State::Incoming>& incoming);
  // What the sealer has to do; may be nothing.
  Result<void> seal(Now now);
  Result<void> on_listed(const Listed& listed, Now now);
  Result<void> on_refused(const Refused& refused);
  // Out of the outbox, as not accepted.
  Result<void> give_up(std::uint64_t id, const std::string& why);
  Result<void> on_stream_ended(const StreamEnded& ended, Now now);
  Result<void> send_waiting(Now now);
  void flush();
  void drop_connection();
  void disconnect(Now now, const std::string& why);

  RandomSource& random_;
  const ClientEvents events_;
  const Dial dial_;
  std::unique_ptr<State> state_;
  std::unique_ptr<Sealer> sealer_;
  std::optional<State::Identity> identity_;
  crypto::KeyPair key_;
  std::string invite_;
  std::optional<Connection> connection_;
  std::vector<std::uint8_t> output_;
  std::deque<InFlight> in_flight_;
  std::uint64_t sent_upto_id_ = 0;
  std::uint64_t unsettled_ = 0;  // messages of the application
  bool outbox_unsent_ = false;   // it may hold what this connection has not sent
  bool registering_ = false;
  std::uint32_t refusal_to_confirm_ = 0;
  bool holding_ = false;  // after a refusal, until everything under way is answered
  std::unique_ptr<Transport> transport_;
  bool connecting_ = false;
  Instant connect_at_{};
  Instant give_up_at_ =
      never;  // on a connection that does not get ready, or does not answer a ping
  Instant ping_at_ = never;
  Instant ready_at_ = never;
  std::uint32_t failures_ = 0;
  std::string trouble_ = "not connected yet";
  std::optional<Error> final_error_;
};

}  // namespace godwit::client
