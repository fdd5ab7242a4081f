// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "apps/godwit_commands.h"

// The command-line client: reads the words, apps/godwit_commands.cc does the work.

int main(int argc, char** argv) {
  using namespace godwit::apps;
  CLI::App app{"godwit, a command-line client of the Godwit messaging gateway"};
  app.set_version_flag("--version", std::string("godwit ") + GODWIT_VERSION);
  app.require_subcommand(1);
  std::string home;
  app.add_option("--home", home, "folder of this device's keys and messages")->required();

  RegisterWords registration;
  auto* register_command = app.add_subcommand("register", "make a device of an account");
  register_command->add_option("account", registration.account, "user@domain")->required();
  register_command->add_option("--server", registration.server, "host:port of the gateway")
      ->required();
  register_command->add_option(
      "--operator-key", registration.operator_key,
      "the operator's public key, 64 hex digits; without it the first is trusted");
  register_command->add_option("--invite", registration.invite, "invite code");

  SendWords sending;
  auto* send_command =
      app.add_subcommand("send", "send a message, or with - one a line of standard input");
  send_command->add_option("account", sending.account, "user@domain or user@domain/device")
      ->required();
  send_command->add_option("text", sending.text, "the text, or -");
  send_command
      ->add_option("--timeout", sending.timeout_s,
                   "give up after so many seconds without progress (30)")
      ->check(CLI::Range(1, 86400));

  ReceiveWords receiving;
  auto* receive_command = app.add_subcommand("receive", "print what has come");
  receive_command->add_option("--count", receiving.count, "end after so many messages")
      ->check(CLI::Range(1, 1'000'000'000));
  receive_command
      ->add_option("--timeout", receiving.timeout_s, "end after so many seconds with nothing new")
      ->check(CLI::Range(0, 86400));
  receive_command->add_flag("--json", receiving.json,
                            "one JSON object a line: from, id, text, time");
  receive_command->add_flag("--follow", receiving.follow, "go on printing what comes");

  std::string peer;
  auto* chat_command = app.add_subcommand("chat", "write and read at once; end of input ends it");
  chat_command->add_option("account", peer, "user@domain")->required();

  VerifyWords verifying;
  verifying.with_code = ::isatty(STDOUT_FILENO) == 1;
  auto* verify_command = app.add_subcommand(
      "verify", "show the safety numbers with the devices of an account, to be compared");
  verify_command->add_option("account", verifying.account, "user@domain or user@domain/device")
      ->required();
  verify_command->add_flag("--yes", verifying.compared, "they were compared and are the same");
  verify_command->add_flag("--qr", verifying.with_code, "a QR code too, as on a terminal");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    std::cerr << "godwit: " << error.what() << "; see godwit --help\n";
    return 2;
  }
  if (*register_command) return run_register(home, registration);
  if (*send_command) return run_send(home, sending);
  if (*receive_command) return run_receive(home, receiving);
  if (*verify_command) return run_verify(home, verifying);
  return run_chat(home, peer);
}
