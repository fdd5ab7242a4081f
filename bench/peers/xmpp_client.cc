// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/xmpp_client.h"

#include <sodium.h>

#include <charconv>
#include <utility>

namespace godwit::bench {

namespace {

// RFC 4616 section 2: no authorization identity, the user, the password.
std::string plain_credentials(const std::string& user, const std::string& password) {
  std::string plain;
  plain.append(1, '\0').append(user).append(1, '\0').append(password);
  std::string encoded(sodium_base64_ENCODED_LEN(plain.size(), sodium_base64_VARIANT_ORIGINAL), 0);
  sodium_bin2base64(encoded.data(), encoded.size(),
                    reinterpret_cast<const unsigned char*>(plain.data()), plain.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  encoded.pop_back();  // the terminating zero
  return encoded;
}

bool offers_plain(const XmlElement& features) {
  const XmlElement* mechanisms = features.child("mechanisms");
  if (mechanisms == nullptr) return false;
  for (const XmlElement& each : mechanisms->children) {
    if (each.text == "PLAIN") return true;
  }
  return false;
}

std::string first_child_of(const XmlElement& element) {
  return element.children.empty() ? "no reason" : element.children.front().name;
}

}  // namespace

XmppClient::XmppClient(const Options& options)
    : PeerClient(options.ledger),
      options_(options),
      from_(address_of(options.ledger.partner)),
      to_(xml_escape(from_)) {
  open_stream();
}

std::string XmppClient::address_of(const std::string& user) const {
  return user + "@" + options_.domain + "/" + std::string(resource);
}

void XmppClient::open_stream() {
  stream_.restart();
  say("<?xml version='1.0'?><stream:stream to='" + xml_escape(options_.domain) +
      "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
}

Result<std::size_t> XmppClient::next(std::string_view text) {
  const auto step = stream_.next(text);
  if (!step) return std::unexpected(step.error());
  if (step->event == XmlStream::Event::closed) {
    return fail(ErrorCode::refused, "the server ends the stream");
  }
  if (step->event == XmlStream::Event::opened && stream_.element().name != "stream:stream") {
    return fail(ErrorCode::malformed, "not a stream of XMPP");
  }
  if (step->event == XmlStream::Event::element) {
    if (auto done = on_element(stream_.element()); !done) return std::unexpected(done.error());
  }
  return step->size;
}

Result<void> XmppClient::on_element(const XmlElement& element) {
  const std::string& name = element.name;
  const bool stanza = name == "message" || name == "iq" || name == "presence";
  if (managed_ && stanza) ++handled_;
  if (name == "message") return on_message(element);
  if (name == "iq") return on_iq(element);
  if (name == "presence") return {};  // its own, shown to itself
  if (name == "a" && managed_) return on_count(element);
  if (name == "r" && managed_) {
    say("<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(handled_) + "'/>");
    return {};
  }
  if (name == "stream:features") return on_features(element);
  if (name == "success" && state_ == State::authenticating) {
    state_ = State::binding;
    open_stream();
    return {};
  }
  if (name == "enabled" && state_ == State::enabling) {
    state_ = State::ready;
    managed_ = true;
    become_ready();
    return {};
  }
  return fail(ErrorCode::refused, "the server says " + name + ": " + first_child_of(element));
}

Result<void> XmppClient::on_features(const XmlElement& features) {
  if (state_ == State::authenticating) {
    if (!offers_plain(features)) {
      return fail(ErrorCode::refused, "the server does not offer SASL PLAIN");
    }
    say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
        plain_credentials(ledger().user(), options_.password) + "</auth>");
    return {};
  }
  if (state_ != State::binding || features.child("bind") == nullptr) {
    return fail(ErrorCode::refused, "the server does not offer a resource");
  }
  if (options_.stream_management && features.child("sm") == nullptr) {
    return fail(ErrorCode::refused, "the server does not offer stream management");
  }
  const XmlElement* session = features.child("session");
  wants_session_ = session != nullptr && session->child("optional") == nullptr;
  say("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" +
      std::string(resource) + "</resource></bind></iq>");
  return {};
}

Result<void> XmppClient::on_iq(const XmlElement& iq) {
  const std::string_view type = iq.attribute("type");
  const std::string_view id = iq.attribute("id");
  if (type == "get" && iq.child("ping") != nullptr) {
    say("<iq type='result' id='" + xml_escape(id) + "' to='" + xml_escape(iq.attribute("from")) +
        "'/>");
    if (managed_) {
      ++sent_;
      ask_count();
    }
    return {};
  }
  if (type != "result") return fail(ErrorCode::refused, "the server refuses " + std::string(id));
  if (id == "bind" && state_ == State::binding) {
    state_ = State::in_session;
    if (wants_session_) {
      say("<iq type='set' id='session'>"
          "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
    } else {
      begin_session();
    }
  } else if (id == "session" && state_ == State::in_session) {
    begin_session();
  } else if (id == "ping" && state_ == State::ready) {
    ++pongs_;
  } else {
    return fail(ErrorCode::malformed, "an answer that nobody asked for");
  }
  return {};
}

void XmppClient::begin_session() {
  say("<presence/>");
  if (options_.stream_management) {
    state_ = State::enabling;
    say("<enable xmlns='urn:xmpp:sm:3'/>");
    return;
  }
  state_ = State::ready;
  become_ready();
}

Result<void> XmppClient::on_message(const XmlElement& message) {
  if (message.attribute("type") == "error") {
    return fail(ErrorCode::refused, "a message came back as an error");
  }
  const XmlElement* body = message.child("body");
  if (message.attribute("from") != from_ || body == nullptr) {
    return fail(ErrorCode::corrupt, "a message of someone else");
  }
  return arrived(body->text);
}

Result<void> XmppClient::on_count(const XmlElement& answer) {
  std::uint32_t count = 0;
  const std::string_view text = answer.attribute("h");
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || stop != text.data() + text.size() || text.empty()) {
    return fail(ErrorCode::malformed, "an acknowledgement without a number");
  }
  // Modulo 2^32 (section 4).
  const std::uint64_t counted = counted_ + (count - static_cast<std::uint32_t>(counted_));
  if (counted > sent_) return fail(ErrorCode::corrupt, "an acknowledgement of what was not sent");
  counted_ = counted;
  if (std::exchange(asked_, false)) ++pongs_;
  return {};
}

void XmppClient::write(unsigned messages) {
  if (messages == 0) return;
  for (unsigned i = 0; i < messages; ++i) {
    const std::string payload = ledger().next();
    say("<message to='" + to_ + "' type='chat' id='" + std::to_string(ledger().sent()) +
        "'><body>" + xml_escape(payload) + "</body></message>");
  }
  if (!managed_) return;
  sent_ += messages;
  ask_count();
}

void XmppClient::ping() {
  if (managed_) {
    asked_ = true;
    ask_count();
  } else {
    say("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>");
  }
}

void XmppClient::ask_count() {
  say("<r xmlns='urn:xmpp:sm:3'/>");
}

}  // namespace godwit::bench
