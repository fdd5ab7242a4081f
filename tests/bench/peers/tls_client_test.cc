// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/tls_client.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "bench/peers/nats_client.h"
#include "tests/bench/peers/feed.h"

// A client inside TLS against OpenSSL's server end, both in memory, with a certificate made here.

namespace godwit::bench {
namespace {

class Server {
 public:
  Server() {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, certificate);
    SSL_CTX_use_PrivateKey(context_, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    tls_ = SSL_new(context_);
    SSL_set_bio(tls_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(tls_);
  }
  ~Server() {
    SSL_free(tls_);
    SSL_CTX_free(context_);
  }

  // Takes what the client said; what it said inside.
  std::string hear(TlsClient& client) {
    const std::string records = said(client);
    BIO_write(SSL_get_rbio(tls_), records.data(), static_cast<int>(records.size()));
    std::string plain(4096, '\0');
    const int size = SSL_read(tls_, plain.data(), static_cast<int>(plain.size()));
    plain.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return plain;
  }
  // The records for the client, with `plain` in them.
  std::string speak(const std::string& plain = {}) {
    if (!plain.empty()) SSL_write(tls_, plain.data(), static_cast<int>(plain.size()));
    std::string records(BIO_ctrl_pending(SSL_get_wbio(tls_)), '\0');
    BIO_read(SSL_get_wbio(tls_), records.data(), static_cast<int>(records.size()));
    return records;
  }
  void end() { SSL_shutdown(tls_); }

 private:
  SSL_CTX* context_;
  SSL* tls_;
};

TEST(TlsClient, CarriesAnotherClientInPieces) {
  const auto context = TlsContext::create();
  ASSERT_TRUE(context);
  for (const std::size_t piece : pieces) {
    PeerAccount anna{.user = "anna"};
    PeerAccount bert{.user = "bert"};
    TlsClient client(**context,
                     std::make_unique<NatsClient>(Ledger::Options{.own = anna, .partner = "bert"}));
    Server server;
    EXPECT_EQ(server.hear(client), "");
    ASSERT_TRUE(feed(client, server.speak(), piece));
    EXPECT_EQ(server.hear(client), "");
    ASSERT_TRUE(feed(client, server.speak("INFO {}\r\nPONG\r\n"), piece));
    EXPECT_TRUE(client.ready());
    EXPECT_NE(server.hear(client).find("SUB to.anna"), std::string::npos);
    const std::string payload = Ledger({.own = bert, .partner = "anna"}).next();
    EXPECT_EQ(feed(client, server.speak("MSG to.anna 1 100\r\n" + payload + "\r\n"), piece), 1U);
    client.write(1);
    EXPECT_TRUE(server.hear(client).starts_with("PUB to.bert 100\r\n"));
    server.end();
    EXPECT_EQ(feed(client, server.speak(), piece).error().message, "the server ends TLS");
  }
}

TEST(TlsClient, RefusesWhatIsNoTls) {
  const auto context = TlsContext::create();
  ASSERT_TRUE(context);
  PeerAccount anna{.user = "anna"};
  TlsClient client(**context,
                   std::make_unique<NatsClient>(Ledger::Options{.own = anna, .partner = "bert"}));
  EXPECT_FALSE(feed(client, "INFO {\"tls_required\":false}\r\n", 100));
}

}  // namespace
}  // namespace godwit::bench
