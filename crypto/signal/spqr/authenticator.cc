// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/authenticator.h"

#include <string_view>

#include "base/result.h"
#include "crypto/constant_time.h"
#include "crypto/hash.h"
#include "crypto/hkdf.h"
#include "crypto/signal/spqr/stored.h"

namespace godwit::crypto::signal {
namespace {

constexpr std::string_view protocol = "Signal_PQCKA_V1_MLKEM768:";

// protocol ‖ what it is for ‖ epoch
class Label {
 public:
  Label(std::string_view purpose, std::uint64_t epoch) : out_(buffer_) {
    out_.bytes(as_bytes(protocol));
    out_.bytes(as_bytes(purpose));
    out_.u64(epoch);
    GODWIT_CHECK(out_.ok());
  }
  Label(const Label&) = delete;
  Bytes bytes() const { return out_.written(); }

 private:
  std::array<std::uint8_t, 64> buffer_{};
  ByteWriter out_;
};

Authenticator::Mac mac(const Secret<32>& key, const Label& label, Bytes message) {
  const Digest digest = hmac(NoiseHash::sha256, key.bytes(), {label.bytes(), message});
  Authenticator::Mac mac;
  std::ranges::copy(digest.bytes().first<Authenticator::mac_size>(), mac.begin());
  return mac;
}

}  // namespace

Secret<32> epoch_key(std::uint64_t epoch, const Secret<32>& shared_secret) {
  Secret<32> key;
  hkdf_sha256(key.writable(), {.salt = {},
                               .key_material = shared_secret.bytes(),
                               .info = Label("SCKA Key", epoch).bytes()});
  return key;
}

Authenticator Authenticator::start(std::uint64_t epoch, const Secret<32>& key) {
  Authenticator authenticator;
  authenticator.update(epoch, key);
  return authenticator;
}

Authenticator Authenticator::copy() const {
  Authenticator copy;
  copy.root_key_ = root_key_.copy();
  copy.mac_key_ = mac_key_.copy();
  return copy;
}

void Authenticator::update(std::uint64_t epoch, const Secret<32>& key) {
  Secret<64> both;
  std::ranges::copy(root_key_.bytes(), both.data());
  std::ranges::copy(key.bytes(), both.data() + 32);
  Secret<64> keys;
  hkdf_sha256(keys.writable(), {.salt = {},
                                .key_material = both.bytes(),
                                .info = Label("Authenticator Update", epoch).bytes()});
  root_key_ = Secret<32>(keys.bytes().first<32>());
  mac_key_ = Secret<32>(keys.bytes().last<32>());
}

Authenticator::Mac Authenticator::header_mac(std::uint64_t epoch, Bytes header) const {
  return mac(mac_key_, Label("ekheader", epoch), header);
}

Authenticator::Mac Authenticator::ciphertext_mac(std::uint64_t epoch, Bytes ciphertext) const {
  return mac(mac_key_, Label("ciphertext", epoch), ciphertext);
}

void Authenticator::write(ByteWriter& out) const {
  out.bytes(root_key_.bytes());
  out.bytes(mac_key_.bytes());
}

Authenticator Authenticator::read(ByteReader& in) {
  Authenticator authenticator;
  authenticator.root_key_ = read_secret<32>(in);
  authenticator.mac_key_ = read_secret<32>(in);
  return authenticator;
}

bool mac_equal(const Authenticator::Mac& left, Bytes right) {
  if (right.size() != left.size()) return false;
  const int difference = sodium_memcmp(left.data(), right.data(), left.size());
  publish(&difference, sizeof difference);
  return difference == 0;
}

}  // namespace godwit::crypto::signal
