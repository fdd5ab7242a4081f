// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "protocol/node.h"

// What a device and the server's key directory say to each other: binary XML elements, as iq
// carries them. docs/protocol.md has the same page for people.
//
//   set <prekeys generation registration> <identity/> <signed id/> <last-resort id/>
//       <one-time id/>… <kem id/>… </prekeys>          → result, empty
//   get <prekeys/>                                      → <prekeys generation one-time kem signed
//                                                          last-resort/>
//   get <devices jid/>                                  → <devices jid> <device id registration>
//                                                          identity </device>… </devices>
//   get <bundle jid/>   (with device)                   → <bundle jid registration> <identity/>
//                                                          <signed id/> <kem id/> <one-time id/>?
//                                                          </bundle>
//   from the server, never answered:
//   set <keys-low one-time kem/>
//   set <identity-changed jid/>
//
// Keys are opaque here, but for their sizes: a public key as it is serialized, then, where there is
// one, the signature. Pure functions; what is read are views into the element.

namespace godwit::protocol {

inline constexpr std::size_t ec_key_size = 33;     // type 0x05 and a Curve25519 key
inline constexpr std::size_t kem_key_size = 1569;  // type 0x08 and a Kyber1024 key
inline constexpr std::size_t key_signature_size = 64;
// One-time keys of a kind that a device may have in the directory.
inline constexpr std::size_t one_time_keys_max = 100;
// KEM keys that fit in one request beside everything else, and EC keys.
inline constexpr std::size_t kem_keys_per_upload_max = 2;
inline constexpr std::size_t one_time_keys_per_upload_max = 50;

struct DirectoryKey {
  std::uint32_t id = 0;
  Bytes key;        // ec_key_size or kem_key_size
  Bytes signature;  // key_signature_size; empty for an EC one-time key
};

struct PrekeyUpload {
  std::uint32_t generation = 0;  // > 0
  std::uint32_t registration = 0;
  Bytes identity;  // empty: as it was
  std::optional<DirectoryKey> signed_key;
  std::optional<DirectoryKey> last_resort;
  std::vector<DirectoryKey> one_time;
  std::vector<DirectoryKey> kem;
};

struct PrekeyCount {
  std::uint32_t generation = 0;  // 0: nothing was ever uploaded
  std::uint32_t one_time = 0;
  std::uint32_t kem = 0;
  std::uint32_t signed_id = 0;
  std::uint32_t last_resort_id = 0;
};

struct DirectoryDevice {
  std::uint16_t device = 0;
  std::uint32_t registration = 0;
  Bytes identity;
};

struct DirectoryBundle {
  std::uint32_t registration = 0;
  Bytes identity;
  DirectoryKey signed_key;
  DirectoryKey kem;
  std::optional<DirectoryKey> one_time;
};

enum class KeyQuestionKind : std::uint8_t { upload, count, devices, bundle };
struct KeyQuestion {
  KeyQuestionKind kind{};
  PrekeyUpload upload;
  std::string user;          // devices and bundle
  std::uint16_t device = 0;  // bundle
};
// Whether the element's name is one of these questions.
bool is_key_question(Bytes node, Context context);
// `set`: of an iq of type set. Errors: malformed, for what is none of the questions or has a key of
// another size, too many of them, an id or a name twice, or an address of another domain.
Parsed<KeyQuestion> read_key_question(Bytes node, bool set, Context context);

// Each writes one element; false, and the writer has failed, when it does not fit.
bool write_upload(ByteWriter& out, const PrekeyUpload& upload, Context context);
bool write_count_question(ByteWriter& out, Context context);
bool write_devices_question(ByteWriter& out, std::string_view user, Context context);
bool write_bundle_question(ByteWriter& out, const JidView& device, Context context);
bool write_count(ByteWriter& out, const PrekeyCount& count, Context context);
bool write_devices(ByteWriter& out, std::string_view user,
                   const std::vector<DirectoryDevice>& devices, Context context);
bool write_bundle(ByteWriter& out, const JidView& device, const DirectoryBundle& bundle,
                  Context context);
bool write_keys_low(ByteWriter& out, const PrekeyCount& count, Context context);
bool write_identity_changed(ByteWriter& out, const JidView& device, Context context);

Parsed<PrekeyCount> read_count(Bytes node, Context context);
Parsed<std::vector<DirectoryDevice>> read_devices(Bytes node, Context context);
Parsed<DirectoryBundle> read_bundle(Bytes node, Context context);

enum class KeyNoticeKind : std::uint8_t { keys_low, identity_changed };
struct KeyNotice {
  KeyNoticeKind kind{};
  std::string user;  // of the changed identity
  std::uint16_t device = 0;
};
Parsed<KeyNotice> read_key_notice(Bytes node, Context context);

}  // namespace godwit::protocol
