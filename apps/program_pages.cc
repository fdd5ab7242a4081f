// SPDX-License-Identifier: Apache-2.0
#include "apps/program_pages.h"

#include <algorithm>
#include <set>
#include <vector>

namespace godwit::apps {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

void add_options(std::string& words, const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const std::string word = "--" + name + " ";
      if (!words.contains(word)) words += word;
    }
  }
}

// Everything that may follow `app`, and the same of each command below it.
void write_cases(std::string& out, const CLI::App& app, const std::string& path) {
  std::string words;
  for (const CLI::App* command : commands_of(app)) words += command->get_name() + " ";
  add_options(words, app);
  if (app.get_fallthrough() && app.get_parent() != nullptr) add_options(words, *app.get_parent());
  out += "    '" + path + "') words='" + words + "' ;;\n";
  for (const CLI::App* command : commands_of(app)) {
    write_cases(out, *command, path + " " + command->get_name());
  }
}

// The options that a value follows, of `app` and all below it.
void collect_valued(std::set<std::string>& names, const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() == 0) continue;
    for (const std::string& name : option->get_lnames()) names.insert("--" + name);
  }
  for (const CLI::App* command : commands_of(app)) collect_valued(names, *command);
}

// " accounts" and " accounts show" of all commands.
void collect_paths(std::vector<std::string>& paths, const CLI::App& app, const std::string& path) {
  for (const CLI::App* command : commands_of(app)) {
    const std::string whole = path + " " + command->get_name();
    paths.push_back(whole);
    collect_paths(paths, *command, whole);
  }
}

template <typename Words>
std::string joined(const Words& words, const std::string& between, const std::string& quote = "") {
  std::string line;
  for (const std::string& word : words)
    line += (line.empty() ? "" : between) + quote + word + quote;
  return line;
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

std::string completion_script(const CLI::App& app, const CompletionOptions& options) {
  std::string cases;
  write_cases(cases, app, "");
  std::set<std::string> valued;
  collect_valued(valued, app);
  std::vector<std::string> paths;
  collect_paths(paths, app, "");
  std::string name = "_" + options.program;
  std::ranges::replace(name, '-', '_');
  std::string files;
  for (const std::string& word : options.before_files) {
    const bool option = word.starts_with("--");
    files += std::string(files.empty() ? "" : " || ") +
             (option ? "${COMP_WORDS[COMP_CWORD - 1]} == " + word
                     : "$path == '" + word + "' && ${COMP_WORDS[COMP_CWORD]} != -*");
  }
  return "# " + options.program +
         " completion for bash; zsh: autoload -U bashcompinit && bashcompinit first.\n" + name +
         R"(() {
  local words='' path='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      )" +
         joined(valued, " | ") + R"() ((i++)) ;;
      -*) ;;
      *) case "$path $word" in
        )" +
         joined(paths, " | ", "'") + R"() path="$path $word" ;;
      esac ;;
    esac
  done
  case $path in
)" + cases +
         "  esac\n  if [[ " + files + R"( ]]; then
    COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
  else
    COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
  fi
}
complete -F )" +
         name + " " + options.program + "\n";
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
