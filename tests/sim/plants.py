#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that the simulation finds bugs: plants.py [--seeds N] [NAME ...]

Each plant below is one change of one line or two. They are made in a copy of the sources, never here: the copy is built, seeds
are run until one fails, and the change is taken back. The last lines are the table of docs/testing.md. With --check nothing is
built; it only says whether every plant still finds its place.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# name, what is wrong, file, what stands there, what is put in its place
PLANTS = [
    ("acknowledge-before-commit", "a sender is told as soon as its message is given to storage", "dataplane/home_storage.cc",
     "  ++file.outstanding;\n", "  ++file.outstanding;\n  if (record.origin.valid()) settle(record.origin, record.number);\n"
     "  mailboxes_.record(entry.record).origin = {};\n"),
    ("failed-commit-reported-done", "a failed commit is reported as done", "queues/storage_worker.cc",
     "  answer_puts(number, batch, failed);", "  answer_puts(number, batch, nullptr);"),
    ("erase-forgotten", "an acknowledgement does not erase what is stored", "dataplane/home_messages.cc",
     "  store.erase_due = true;", "  store.erase_due = false;"),
    ("erase-one-too-many", "an acknowledgement erases the next message too", "dataplane/home_storage.cc",
     ".sequence = mailbox.acknowledged,", ".sequence = mailbox.acknowledged + 1,"),
    ("resume-off-by-one", "a login acknowledges one more than the device has", "dataplane/home_accounts.cc",
     "acknowledge(mailbox, request.last_sequence);", "acknowledge(mailbox, request.last_sequence + 1);"),
    ("drop-on-full-ring", "what finds a ring full is dropped", "queues/outbox.h",
     "    waiting_.push_back(item);\n", ""),
    ("delivery-before-load", "what is new overtakes what is stored", "dataplane/home_delivery.cc",
     "    if (must_load) {", "    if (must_load && next == 0) {"),
    ("dedup-forgotten", "a client stores what it has seen before", "client/state.cc",
     "      if (repeated) continue;", "      if (repeated && message.id == 0) continue;"),
    ("refusal-not-sticky", "what follows a refused message is accepted", "dataplane/refusals.h",
     "    if (confirmed < found->second) return true;", "    if (confirmed < 0 * found->second) return true;"),
    ("epoch-not-raised", "a restarted gateway counts sequences from where the last one began", "tests/sim/world.cc",
     "  epoch_ += static_cast<std::uint32_t>(1 + random_.below(3));",
     "  epoch_ += static_cast<std::uint32_t>(0 * random_.below(3));"),
    ("acknowledge-unsettled", "a cumulative acknowledgement covers what is open", "dataplane/front_output.h",
     "      protocol::write(out, protocol::Ack{.upto = session.settled.upto()})) {",
     "      protocol::write(out, protocol::Ack{.upto = session.settled.upto() + session.settled.outstanding()})) {"),
    ("failure-not-sticky", "storage goes on behind a failed put", "queues/storage_worker.cc",
     "  if (failed != nullptr && puts > 0) file.refusing = true;", "  if (failed != nullptr && puts > 0) file.refusing = false;"),
    ("away-not-noted", "who is given something on disk is still thought to have nothing there", "queues/storage_worker.cc",
     "      away_.note(request.account_id);\n", ""),
    ("survey-believed-early", "who was not met yet is thought to have nothing on disk", "queues/storage_worker.cc",
     "  file.survey = {};", "  file.survey = {.over = true};"),
    ("one-device-is-enough", "a message is settled when the first device has it", "dataplane/home_messages.cc",
     "  if (--record.unsafe > 0) return;\n  --unsafe_;\n",
     "  if (--record.unsafe == 0) --unsafe_;\n"),
    ("repeat-is-settled", "a repeated message is acknowledged although the first is not safe", "dataplane/home_messages.cc",
     "      record.number = command.number;\n      return;", "      record.origin = {};\n      break;"),
    ("client-acknowledges-first", "a client acknowledges what it has not stored", "client/client_events.cc",
     "sealer_->store(incoming);", "sealer_->store(std::span(incoming).first(std::max<std::size_t>(1, incoming.size() - 1)));"),
    ("client-does-not-hold", "a client sends on behind a refused message", "client/client.cc",
     "  if (holding_) return in_flight_.empty();", "  if (holding_) return true;"),
    ("buffer-leak", "a repeated message's buffer is kept for ever", "dataplane/home_messages.cc",
     "messages_duplicate);\n  queues::Buffer::adopt(command.buffer);", "messages_duplicate);"),
]


def plant(folder, file, before, after):
    path = os.path.join(folder, file)
    with open(path, encoding="utf-8") as source:
        text = source.read()
    if text.count(before) != 1:
        sys.exit(f"plants: {file} has {text.count(before)} places like {before.strip()!r}, not one; adapt tests/sim/plants.py")
    return path, text, text.replace(before, after)


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def try_plant(folder, build, seeds, entry):
    name, what, file, before, after = entry
    path, text, changed = plant(folder, file, before, after)
    write(path, changed)
    try:
        subprocess.run(["ninja", "-C", build, "tests/sim/simulate"], check=True, stdout=subprocess.DEVNULL)
        ran = subprocess.run([os.path.join(build, "tests/sim/simulate"), "--seeds", str(seeds)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace", timeout=900)
    finally:
        write(path, text)
    found = re.search(r"sim: seed (\d+)[: ](.*)", ran.stdout)
    if ran.returncode == 0 or not found:
        return f"| {name} | {what} | not in {seeds} | |"
    how = re.search(r"broken invariant at [^\n]*", ran.stdout)
    how = how.group(0) if how else found.group(2).split(";")[0]
    return f"| {name} | {what} | {found.group(1)} | {how.strip()[:110]} |"


def main():
    arguments = sys.argv[1:]
    if arguments == ["--check"]:
        for _, _, file, before, after in PLANTS:
            plant(ROOT, file, before, after)
        print("Ran 1 test in 0s")  # scripts/run_tests.py counts it
        return
    seeds = 3000
    if arguments[:1] == ["--seeds"]:
        seeds = int(arguments[1])
        arguments = arguments[2:]
    chosen = [entry for entry in PLANTS if not arguments or entry[0] in arguments]
    with tempfile.TemporaryDirectory(prefix="godwit-plants-") as scratch:
        folder, build = os.path.join(scratch, "source"), os.path.join(scratch, "build")
        os.mkdir(folder)
        subprocess.run(f"tar -c --exclude='./build*' --exclude=./.git . | tar -x -C {folder}", shell=True, check=True, cwd=ROOT)
        subprocess.run(["meson", "setup", build, folder, "-Dbench=false", "--buildtype=debugoptimized"], check=True,
                       stdout=subprocess.DEVNULL)
        print("| plant | what is wrong | seed | how it shows |\n| --- | --- | --- | --- |")
        missed = 0
        for entry in chosen:
            row = try_plant(folder, build, seeds, entry)
            missed += "not in" in row
            print(row, flush=True)
    sys.exit(1 if missed else 0)


main()
