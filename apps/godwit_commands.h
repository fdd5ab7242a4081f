// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

// The commands of godwit. Each returns its exit code: 0 done, 1 failed with one line on standard
// error, 2 wrong usage.

namespace godwit::apps {

struct RegisterWords {
  std::string account;
  std::string server;
  std::string operator_key;
  std::string invite;
};
int run_register(const std::string& home, const RegisterWords& words);

struct SendWords {
  std::string account;
  std::string text = "-";
  std::uint32_t timeout_s = 30;
};
int run_send(const std::string& home, const SendWords& words);

struct ReceiveWords {
  std::uint64_t count = 0;      // 0: no limit
  std::int64_t timeout_s = -1;  // below 0: none
  bool json = false;
  bool follow = false;
};
int run_receive(const std::string& home, const ReceiveWords& words);

int run_chat(const std::string& home, const std::string& account);

// Shows the safety numbers with each device of the account.
struct VerifyWords {
  std::string account;
  bool compared = false;   // they are the same: mark them as verified
  bool with_code = false;  // as a QR code too
};
int run_verify(const std::string& home, const VerifyWords& words);

}  // namespace godwit::apps
