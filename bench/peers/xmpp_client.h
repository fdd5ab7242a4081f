// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/peers/peer_client.h"
#include "bench/peers/xml.h"

// A client of an XMPP server (RFC 6120, 6121): SASL PLAIN (RFC 4616), a resource of its own, a
// session where the server still wants one, presence, chat messages to the partner's full address.
// With stream management (XEP-0198) both directions are acknowledged: it asks behind every write,
// answers the server's requests at once, and is settled when the server has counted all. TLS, where
// there is any, is around it from the first byte (XEP-0368). Not thread safe.

namespace godwit::bench {

class XmppClient final : public PeerClient {
 public:
  static constexpr std::string_view resource = "b";

  struct Options {
    Ledger::Options ledger;
    std::string domain;
    std::string password;
    bool stream_management = false;
  };
  explicit XmppClient(const Options& options);

  void write(unsigned messages) override;
  bool settled() const override { return counted_ == sent_; }
  void ping() override;  // XEP-0199; under stream management, a request for the count
  unsigned pongs() const override { return pongs_; }

 private:
  enum class State : std::uint8_t { authenticating, binding, in_session, enabling, ready };

  Result<std::size_t> next(std::string_view text) override;
  Result<void> on_element(const XmlElement& element);
  Result<void> on_features(const XmlElement& features);
  Result<void> on_iq(const XmlElement& iq);
  Result<void> on_message(const XmlElement& message);
  Result<void> on_count(const XmlElement& answer);
  void open_stream();
  void begin_session();
  void ask_count();
  std::string address_of(const std::string& user) const;

  const Options options_;
  const std::string from_;  // the partner, as the server names it
  const std::string to_;    // the same, escaped
  XmlStream stream_;
  State state_ = State::authenticating;
  bool wants_session_ = false;
  bool managed_ = false;       // stanzas count, in both directions
  std::uint32_t handled_ = 0;  // the server's, counted here
  std::uint64_t sent_ = 0;     // under management
  std::uint64_t counted_ = 0;  // of these, by the server
  bool asked_ = false;         // by ping()
  unsigned pongs_ = 0;
};

}  // namespace godwit::bench
