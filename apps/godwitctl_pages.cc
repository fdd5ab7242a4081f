// SPDX-License-Identifier: Apache-2.0
#include "apps/godwitctl_pages.h"

#include <vector>

namespace godwit::apps {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// Everything that may follow `app`, and the same of each command below it.
void write_cases(std::string& out, const CLI::App& app, const std::string& path) {
  std::string words;
  for (const CLI::App* command : commands_of(app)) words += command->get_name() + " ";
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words += "--" + name + " ";
  }
  out += "    '" + path + "') words='" + words + "' ;;\n";
  for (const CLI::App* command : commands_of(app)) {
    write_cases(out, *command, path + " " + command->get_name());
  }
}

// For man(7): a dash is a dash, and no line begins with a request.
std::string escaped(const std::string& text) {
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) {
    if (c == '-') {
      out += "\\-";
    } else if (c == '\\') {
      out += "\\e";
    } else {
      out += c;
    }
  }
  return out;
}

// "--spread N" or "FOLDER".
std::string shown(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  std::string name = option.get_name(false, true);
  return option.get_items_expected_max() > 0 ? name + " VALUE" : name;
}

void write_options(std::string& out, const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_description().empty()) continue;
    out += ".TP\n.B " + escaped(shown(*option)) + "\n" + escaped(option->get_description());
    if (!option->get_default_str().empty()) {
      out += " (" + escaped(option->get_default_str()) + ")";
    }
    out += "\n";
  }
}

std::string synopsis(const CLI::App& app, const std::string& path) {
  std::string line = ".B " + escaped(path) + "\n";
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_lnames() == std::vector<std::string>{"help"}) continue;
    const std::string text = escaped(shown(*option));
    line += (option->get_positional() ? text : "[" + text + "]") + "\n";
  }
  return line;
}

void write_command(std::string& out, const CLI::App& app, const std::string& path) {
  if (commands_of(app).empty()) {
    out += ".SS " + escaped(path) + "\n" + escaped(app.get_description()) + ".\n.PP\n" +
           synopsis(app, "godwitctl " + path);
    write_options(out, app);
    return;
  }
  for (const CLI::App* command : commands_of(app)) {
    write_command(out, *command, path + " " + command->get_name());
  }
}

constexpr const char* exit_status = R"(.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
the operation failed; one line on standard error says what and what to do
.TP
.B 2
wrong usage
)";

}  // namespace

std::string completion_script(const CLI::App& app) {
  std::string cases;
  write_cases(cases, app, "");
  return R"(# godwitctl completion for bash; zsh: autoload -U bashcompinit && bashcompinit first.
_godwitctl() {
  local words='' path='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      --socket) ((i++)) ;;
      -*) ;;
      *) case "$path $word" in
)" +
         [&] {
           std::string known;
           const auto add = [&](const auto& self, const CLI::App& at,
                                const std::string& path) -> void {
             for (const CLI::App* command : commands_of(at)) {
               const std::string here = path + " " + command->get_name();
               known += (known.empty() ? "        '" : " | '") + here + "'";
               self(self, *command, here);
             }
           };
           add(add, app, "");
           return known + ") path=\"$path $word\" ;;\n";
         }() +
         R"(      esac ;;
    esac
  done
  case $path in
)" + cases +
         R"(  esac
  if [[ ${COMP_WORDS[COMP_CWORD - 1]} == --socket || $path == ' backup' && ${COMP_WORDS[COMP_CWORD]} != -* ]]; then
    COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
  else
    COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
  fi
}
complete -F _godwitctl godwitctl
)";
}

std::string man_page(const CLI::App& app, const std::string& command) {
  const bool whole = command.empty();
  const CLI::App& of = whole ? app : *app.get_subcommand(command);
  const std::string name = whole ? "godwitctl" : "godwitctl-" + command;
  std::string title = name;
  for (char& c : title) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string out = ".TH " + title + " 1 \"\" Godwit \"Godwit\"\n.SH NAME\n" + escaped(name) +
                    " \\- " + escaped(of.get_description()) + "\n.SH SYNOPSIS\n";
  if (whole) {
    out += synopsis(app, "godwitctl") +
           ".I command\n.SH DESCRIPTION\n"
           "Asks a running gateway over its admin socket and prints a table, or with "
           "\\-\\-json the answer as one line of JSON. Whoever may open the socket may do "
           "everything.\n.SH OPTIONS\n";
    write_options(out, app);
    out += ".SH COMMANDS\n";
    for (const CLI::App* each : commands_of(app)) {
      out += ".TP\n.B " + escaped(each->get_name()) + "\n" + escaped(each->get_description()) +
             "; see godwitctl\\-" + escaped(each->get_name()) + "(1)\n";
    }
  } else {
    out += ".B godwitctl\n[\\-\\-socket PATH]\n[\\-\\-json]\n.B " + escaped(command) + "\n" +
           (commands_of(of).empty() ? "" : ".I command\n") + ".SH DESCRIPTION\n";
    write_command(out, of, command);
  }
  out += exit_status;
  out +=
      std::string(".SH SEE ALSO\n") + (whole ? "" : "godwitctl(1), ") + "godwitd(8), godwit(1)\n";
  return out;
}

}  // namespace godwit::apps
