// SPDX-License-Identifier: Apache-2.0
// godwitctl: an operator's view of a running gateway, over its admin socket.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/godwitctl_client.h"
#include "apps/godwitctl_print.h"
#include "apps/godwitctl_top.h"
#include "apps/program_pages.h"

namespace godwit::apps {
namespace {

using nlohmann::json;

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

// What the command line asks for: one request, and how its answer reads.
struct Call {
  json request;
  std::function<std::string(const json&)> print;
};

std::string done_text(const json& answer) {
  return answer.value("account", answer.value("code", std::string())) + " " +
         answer.at("status").get<std::string>() + "\n";
}

std::string reload_text(const json& answer) {
  std::string out = "reloaded\n";
  for (const json& key : answer.at("restart_needed")) {
    out += key.get<std::string>() + " takes a restart\n";
  }
  return out;
}

std::string coverage_text(const json& answer) {
  std::string out;
  if (answer.value("truncated", false)) out += "there are more; these are the first\n";
  if (const auto missing = answer.value("unanswered_shards", 0u); missing > 0) {
    out += std::to_string(missing) + " shard(s) did not answer in time\n";
  }
  if (const auto files = answer.value("unreadable_files", 0u); files > 0) {
    out += std::to_string(files) + " store file(s) could not be read\n";
  }
  return out;
}

std::string sessions_text(const json& answer) {
  return table(answer.at("sessions"), {{"ACCOUNT", "account"},
                                       {"DEVICE", "device", Column::Form::number},
                                       {"CONNECTED", "connected_ms", Column::Form::age_ms},
                                       {"UNACKNOWLEDGED", "unacknowledged", Column::Form::number},
                                       {"ADDRESS", "address"},
                                       {"CLIENT", "client"}}) +
         coverage_text(answer);
}

std::string queues_text(const json& answer) {
  return table(answer.at("queues"), {{"ACCOUNT", "account"},
                                     {"DEVICE", "device", Column::Form::number},
                                     {"CONNECTED", "connected", Column::Form::yes_no},
                                     {"IN MEMORY", "in_memory", Column::Form::number},
                                     {"IN STORE", "in_store", Column::Form::number},
                                     {"BYTES", "bytes", Column::Form::number},
                                     {"OLDEST STORED", "oldest", Column::Form::past}}) +
         coverage_text(answer);
}

std::string affected_text(const json& answer, std::string_view what) {
  return answer.at("device").get<std::string>() + ": " +
         std::to_string(answer.at("affected").get<std::uint64_t>()) + " " + std::string(what) +
         "\n" + coverage_text(answer);
}

class CommandLine {
 public:
  CommandLine() {
    app_.set_version_flag("--version", std::string("godwitctl ") + GODWIT_VERSION);
    app_.add_option("--socket", socket_, "The gateway's admin socket")->capture_default_str();
    app_.add_flag("--json", json_, "Print the answer as one line of JSON");
    app_.require_subcommand(1);
    app_.fallthrough();
    command(app_, "status", "What the gateway is and how it does", [] {
      return Call{{{"command", "status"}}, status_text};
    });
    command(app_, "shards", "What each dataplane thread does", [] {
      return Call{{{"command", "shards"}}, shards_text};
    });
    command(app_, "ports",
            "The network devices and each thread's end of them, where TCP is our own", [] {
              return Call{{{"command", "ports"}}, ports_text};
            });
    CLI::App* capture = command_on(
        app_, "capture",
        "Write the devices' frames to files, one for each thread and device, headers only, where "
        "TCP is our own",
        "FOLDER", [this] {
          return Call{{{"command", "capture"},
                       {"folder", std::filesystem::absolute(target_).string()},
                       {"seconds", seconds_}},
                      [](const json& answer) {
                        std::string out;
                        for (const json& file : answer.at("files")) {
                          out += file.get<std::string>() + ": being written for " +
                                 std::to_string(answer.at("seconds").get<std::uint64_t>()) + " s\n";
                        }
                        return out;
                      }};
        });
    capture->add_option("--seconds", seconds_, "How long")
        ->capture_default_str()
        ->check(CLI::Range(1, 600));
    top_ = app_.add_subcommand("top", "What each thread does, second by second");
    top_->add_option("--interval", interval_s_, "Seconds between two tables")
        ->capture_default_str()
        ->check(CLI::Range(1, 3600));
    top_->add_option("--count", count_, "Tables to print; 0 for no end")->capture_default_str();
    top_->fallthrough();
    pages_ = app_.add_subcommand("completion", "A script that completes this program's words");
    pages_->add_option("bash|zsh", target_, "The shell")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh"}));
    man_ = app_.add_subcommand("man", "Print a man page: this program's, or a command's");
    man_->add_option("COMMAND", target_, "The command; this program without it");
    add_life_cycle();
    add_accounts();
    add_keys();
    add_invites();
    add_sessions();
    add_queues();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error) == 0 ? 0 : exit_usage;
    }
    if (*pages_) return print(completion_script(app_, {"godwitctl", {"--socket", " backup"}}));
    if (*man_) return print_man();
    Result<AdminClient> client = AdminClient::connect(socket_);
    if (!client) return failed(client.error());
    if (*top_) {
      const auto ended = top(*client, {.interval_s = interval_s_, .count = count_});
      return ended ? 0 : failed(ended.error());
    }
    const Call call = chosen_();
    Result<json> answer = client->ask(call.request);
    if (answer && call.request["command"] == "accounts.list")
      answer = all_pages(*client, std::move(*answer));
    if (!answer) return failed(answer.error());
    return print(json_ ? answer->dump() + "\n" : call.print(*answer));
  }

 private:
  using Make = std::function<Call()>;

  static int failed(const Error& error) {
    std::fprintf(stderr, "godwitctl: %s\n", error.message.c_str());
    return exit_failed;
  }

  static int print(const std::string& text) {
    const bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    return written ? 0 : failed({ErrorCode::io, "cannot write to standard output"});
  }

  int print_man() {
    const auto named = [this](const CLI::App* command) { return command->get_name() == target_; };
    if (!target_.empty() && app_.get_subcommands(named).empty()) {
      std::fprintf(stderr, "godwitctl: there is no command '%s'\n", target_.c_str());
      return exit_usage;
    }
    return print(man_page(app_, target_));
  }

  static Result<json> all_pages(AdminClient& client, json pages) {
    while (pages.contains("next")) {
      Result<json> page = client.ask({{"command", "accounts.list"}, {"after", pages["next"]}});
      if (!page) return page;
      pages.erase("next");
      if (page->contains("next")) pages["next"] = page->at("next");
      for (json& account : page->at("accounts")) pages["accounts"].push_back(std::move(account));
    }
    return pages;
  }

  CLI::App* group(const char* name, const char* description) {
    CLI::App* added = app_.add_subcommand(name, description);
    added->require_subcommand(1);
    added->fallthrough();
    return added;
  }

  CLI::App* command(CLI::App& parent, const char* name, const char* description, Make make) {
    CLI::App* added = parent.add_subcommand(name, description);
    added->fallthrough();
    added->callback([this, make = std::move(make)] { chosen_ = make; });
    return added;
  }

  // A command that takes one argument.
  CLI::App* command_on(CLI::App& parent, const char* name, const char* description,
                       const char* argument, Make make) {
    CLI::App* added = command(parent, name, description, std::move(make));
    added->add_option(argument, target_, "")->required();
    return added;
  }

  Call on_account(const char* name, std::function<std::string(const json&)> print) {
    return {{{"command", name}, {"account", target_}}, std::move(print)};
  }

  void add_life_cycle() {
    command(app_, "reload", "Read the configuration again and take over what can change", [] {
      return Call{{{"command", "reload"}}, reload_text};
    });
    command_on(app_, "log-level", "How much the log tells, until a reload or restart",
               "error|warning|info|debug", [this] {
                 return Call{{{"command", "log_level"}, {"level", target_}},
                             [](const json& answer) {
                               return "the log tells " + answer.at("level").get<std::string>() +
                                      " and worse\n";
                             }};
               });
    command_on(app_, "backup", "Copy keys, accounts and messages while the gateway runs", "FOLDER",
               [this] {
                 return Call{{{"command", "backup"},
                              {"folder", std::filesystem::absolute(target_).string()}},
                             [](const json& answer) {
                               return answer.at("folder").get<std::string>() + ": " +
                                      std::to_string(answer.at("bytes").get<std::uint64_t>()) +
                                      " bytes\n";
                             }};
               });
    CLI::App* drain = command(
        app_, "drain", "Send clients away, wait until what was sent is safe, and end the gateway",
        [this] {
          return Call{{{"command", "drain"}, {"spread_s", spread_s_}}, [](const json& answer) {
                        return "draining; clients come back within " +
                               std::to_string(answer.at("spread_s").get<std::uint64_t>()) + " s\n";
                      }};
        });
    drain->add_option("--spread", spread_s_, "Seconds over which clients come back")
        ->capture_default_str()
        ->check(CLI::Range(0, 3600));
  }

  void add_accounts() {
    CLI::App& accounts = *group("accounts", "Accounts: add, list, show, suspend, resume, remove");
    command(accounts, "list", "All accounts", [] {
      return Call{{{"command", "accounts.list"}}, [](const json& answer) {
                    return table(answer.at("accounts"),
                                 {{"ACCOUNT", "account"},
                                  {"STATUS", "status"},
                                  {"DEVICES", "devices", Column::Form::number},
                                  {"CREATED", "created", Column::Form::time}});
                  }};
    });
    command_on(accounts, "add",
               "Make an account, and print the code its first device registers with", "USER@DOMAIN",
               [this] {
                 return on_account("accounts.add", [](const json& answer) {
                   return answer.at("invite").get<std::string>() + "\n";
                 });
               });
    command_on(accounts, "show", "One account and its devices", "USER@DOMAIN",
               [this] { return on_account("accounts.show", account_text); });
    command_on(accounts, "suspend", "Disconnect an account and refuse its logins", "USER@DOMAIN",
               [this] { return on_account("accounts.suspend", done_text); });
    command_on(accounts, "resume", "End a suspension", "USER@DOMAIN",
               [this] { return on_account("accounts.resume", done_text); });
    command_on(accounts, "remove", "Erase an account, its devices and what waits for them",
               "USER@DOMAIN", [this] { return on_account("accounts.remove", done_text); });
  }

  void add_keys() {
    command_on(app_, "keys", "What the devices of an account have in the key directory",
               "USER@DOMAIN", [this] {
                 return on_account("keys", [](const json& answer) {
                   return table(answer.at("keys"),
                                {{"DEVICE", "device", Column::Form::number},
                                 {"GENERATION", "generation", Column::Form::number},
                                 {"ONE-TIME", "one_time", Column::Form::number},
                                 {"KEM", "kem", Column::Form::number},
                                 {"LOW", "low", Column::Form::yes_no},
                                 {"SIGNED", "signed_age_s", Column::Form::age_s},
                                 {"LAST RESORT", "last_resort_age_s", Column::Form::age_s},
                                 {"USED", "last_resort_uses", Column::Form::number},
                                 {"BUNDLES", "bundles", Column::Form::number}});
                 });
               });
  }

  void add_invites() {
    CLI::App& invites = *group("invites", "Invites: create, list, revoke");
    CLI::App* create = command(invites, "create", "Make a code that allows a registration", [this] {
      json request{{"command", "invites.create"}, {"uses", uses_}};
      if (!account_.empty()) request["account"] = account_;
      if (expires_days_ > 0) request["expires_days"] = expires_days_;
      return Call{std::move(request), [](const json& answer) {
                    return answer.at("invite").at("code").get<std::string>() + "\n";
                  }};
    });
    create->add_option("--account", account_,
                       "Only for this account: for its first or another device");
    create->add_option("--uses", uses_, "How often it can be used")
        ->capture_default_str()
        ->check(CLI::Range(1, 1'000'000));
    create
        ->add_option("--expires-days", expires_days_,
                     "Valid for so many days; without this, until it is used up")
        ->check(CLI::Range(1, 3650));
    command(invites, "list", "Codes that can still be used", [] {
      return Call{{{"command", "invites.list"}}, [](const json& answer) {
                    return table(answer.at("invites"),
                                 {{"CODE", "code"},
                                  {"ACCOUNT", "account"},
                                  {"USES LEFT", "uses_left", Column::Form::number},
                                  {"EXPIRES", "expires", Column::Form::time}});
                  }};
    });
    command_on(invites, "revoke", "Make a code useless", "CODE", [this] {
      return Call{{{"command", "invites.revoke"}, {"code", target_}}, done_text};
    });
  }

  void add_sessions() {
    CLI::App& sessions = *group("sessions", "Connected devices: list, show, kick");
    command(sessions, "list", "All connected devices", [] {
      return Call{{{"command", "sessions.list"}}, sessions_text};
    });
    command_on(sessions, "show", "The connected devices of one account", "USER@DOMAIN",
               [this] { return on_account("sessions.show", sessions_text); });
    command_on(sessions, "kick", "Disconnect a device", "USER@DOMAIN/DEVICE", [this] {
      return Call{{{"command", "sessions.kick"}, {"device", target_}},
                  [](const json& answer) { return affected_text(answer, "session(s) closed"); }};
    });
  }

  void add_queues() {
    CLI::App& queues = *group("queues", "What waits for devices: top, show, purge");
    CLI::App* top = command(queues, "top", "The longest queues", [this] {
      return Call{{{"command", "queues.top"}, {"limit", limit_}}, queues_text};
    });
    command_on(queues, "show", "What waits for the devices of one account", "USER@DOMAIN",
               [this] { return on_account("queues.show", queues_text); });
    top->add_option("--limit", limit_, "How many")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    command_on(
        queues, "purge", "Erase everything that waits for a device", "USER@DOMAIN/DEVICE", [this] {
          return Call{{{"command", "queues.purge"}, {"device", target_}}, [](const json& answer) {
                        return affected_text(answer, "message(s) erased");
                      }};
        });
  }

  CLI::App app_{"An operator's view of a running Godwit gateway"};
  Make chosen_;
  std::string socket_ = "./godwit-data/admin.sock";
  bool json_ = false;
  std::string target_;
  std::string account_;
  unsigned uses_ = 1;
  unsigned expires_days_ = 0;
  unsigned limit_ = 20;
  unsigned seconds_ = 10;
  unsigned spread_s_ = 10;
  CLI::App* top_ = nullptr;
  CLI::App* pages_ = nullptr;
  CLI::App* man_ = nullptr;
  unsigned interval_s_ = 1;
  unsigned count_ = 0;
};

}  // namespace
}  // namespace godwit::apps

int main(int argc, char** argv) {
  return godwit::apps::CommandLine().run(argc, argv);
}
