// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstring>

#include "tests/constant_time/operations.h"

// constant_time list | planted: the names, one a line. constant_time NAME: that operation, once;
// the exit code is 0, or 2 for a name that is not known, or what valgrind makes of it.

namespace {

using godwit::constant_time::Operation;

void print(std::span<const Operation> operations) {
  for (const Operation& operation : operations) std::puts(operation.name.data());
}

bool run(std::span<const Operation> operations, std::string_view name) {
  for (const Operation& operation : operations) {
    if (operation.name != name) continue;
    operation.run();
    return true;
  }
  return false;
}

}  // namespace

int main(int count, char** arguments) {
  const std::span<char*> names(arguments + 1, static_cast<std::size_t>(count - 1));
  const auto kem = godwit::constant_time::kem_operations();
  const auto spqr = godwit::constant_time::spqr_operations();
  const auto session = godwit::constant_time::session_operations();
  const auto x25519 = godwit::constant_time::x25519_operations();
  const auto aes_gcm = godwit::constant_time::aes_gcm_operations();
  const auto planted = godwit::constant_time::planted_operations();
  for (const std::string_view name : names) {
    if (name == "list") {
      print(kem);
      print(spqr);
      print(session);
      print(x25519);
      print(aes_gcm);
    } else if (name == "planted") {
      print(planted);
    } else if (!run(kem, name) && !run(spqr, name) && !run(session, name) && !run(x25519, name) &&
               !run(aes_gcm, name) && !run(planted, name)) {
      std::fputs("constant_time list | planted | NAME...\n", stderr);
      return 2;
    }
  }
  return 0;
}
