# SPDX-License-Identifier: Apache-2.0
"""Reads a callgrind profile and says which stage of a message's life each instruction belongs to.

A line of the profile belongs to a stage by the source file it was compiled from, where that is known (parts of a shard are
inlined into each other, and a file is a stage or part of one), else by its function. What has no stage of its own - copying,
hashing, encoding, the system's libraries - belongs to the stage that calls it, in proportion where several do.
"""
import re

# Not part of the gateway: the network in memory, and the counting.
NETWORK = "network"
OTHER = "other"

STAGES = {
    "read": "frames cut out of the stream, stanzas handed on",
    "open": "frames opened",
    "parse": "stanzas read",
    "accept": "a session's stanzas numbered, written behind an envelope, given to their home",
    "ring": "commands through the rings between front, home and other shards",
    "home": "account found, limits, duplicates, into the mailbox",
    "deliver": "out of the mailbox to a front",
    "write": "stanzas written into frames",
    "seal": "frames sealed",
    "acknowledge": "acknowledged messages dropped, senders told",
    "timers": "timers set and looked at",
    "buffers": "payload memory taken and given back",
    "storage": "storage asked, its answers",
    "accounts": "accounts loaded, devices coming and going",
    "handshake": "from a connection to a session",
    "turn": "the loop around it",
    OTHER: "what has no stage",
}

FILES = (
    (r"/bench/budget/counted_io\.h$|/dataplane/io/memory/", NETWORK),
    (r"/dataplane/front_input\.h$|/protocol/frame\.h$", "read"),
    # front.h has the inlined naming of accounts and their homes.
    (r"/dataplane/(front_stanzas|front)\.h$", "accept"),
    (r"/dataplane/(front_)?output\.h$", "write"),
    (r"/dataplane/front_start\.h$|/dataplane/address_limits\.h$", "handshake"),
    (r"/dataplane/settled_window\.h$", "acknowledge"),
    (r"/queues/(mesh|spsc_ring|outbox|parker)\.h$", "ring"),
    (r"/queues/tick_wheel\.h$", "timers"),
    (r"/queues/buffer\.h$", "buffers"),
    (r"/dataplane/(shard|home)\.h$|/bench/budget/gateway\.cc$", "turn"),
)
HOME = r"^godwit::dataplane::Home::"
FUNCTIONS = (
    (r"^godwit::dataplane::io::(Memory|memory::)|^godwit::bench::(CountedIo|HeapScope)", NETWORK),
    (r"^godwit::crypto::open\(", "open"),
    (r"^godwit::crypto::seal\(", "seal"),
    (r"^godwit::protocol::(next_stanza|read_)", "parse"),
    (HOME + r"(pump|deliver|end_backlog)\(|^godwit::queues::MailboxSet::set_in_flight", "deliver"),
    (HOME + r"(acknowledge|drop_acknowledged|make_safe|settle|record_age|age_of)\(|^godwit::queues::MailboxSet::remove", "acknowledge"),
    (HOME + r"(schedule|on_timer|expire)\(|^godwit::queues::TickWheel", "timers"),
    (HOME + r"(first_fresh|persist|post_put|post_store|request_load|erase_acknowledged|recount_stored|file_answered|resume|drop_stored"
     r"|refuse_from|on_(committed|failed|loaded|load_end))\(|" + HOME + r"handle\(godwit::queues::StoreReply", "storage"),
    (HOME + r"(handle|route|accept|check_limits|answer_duplicate|find_seen|remember_seen|is_for_others|find_device|refuse)\(|"
     r"^godwit::queues::MailboxSet::(append|create_record)", "home"),
    (HOME + r"publish_gauges|^godwit::dataplane::Shard<|^godwit::bench::counted_turn", "turn"),
    (HOME, "accounts"),
    (r"^godwit::queues::BufferPool::", "buffers"),
    (r"^godwit::dataplane::(ServerHandshake|AddressLimits)", "handshake"),
)


class Profile:
    """One part of a callgrind output: self costs by (function, file), and what calls cost."""

    def __init__(self):
        self.own = {}    # (function, file of the line) -> instructions
        self.calls = {}  # callee -> {(caller, file of the line): instructions, inclusive}
        self.home = {}   # function -> the file it is defined in

    def total(self):
        return sum(self.own.values())


def parse(text):
    """A Profile of callgrind's text format, with compressed names and one event."""
    profile = Profile()
    names = {"fl": {}, "fn": {}}

    def name(kind, value):
        match = re.match(r"\((\d+)\)(?: (.*))?$", value)
        if not match:
            return value
        if match[2] is not None:
            names[kind][match[1]] = match[2]
        return names[kind][match[1]]

    function = file = callee = None
    is_call = False
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and key in ("fl", "fi", "fe"):
            file = name("fl", value)
            if key == "fl":
                defined_in = file
        elif equals and key == "fn":
            function = name("fn", value)
            file = defined_in
            profile.home.setdefault(function, defined_in)
        elif equals and key in ("cfi", "cfl"):
            name("fl", value)
        elif equals and key == "cfn":
            callee = name("fn", value)
        elif equals and key == "calls":
            is_call = True
        elif function is not None and re.match(r"[+\-*0-9]", line):
            fields = line.split()
            cost = int(fields[1]) if len(fields) > 1 else 0
            where = (function, file)
            if is_call:
                callers = profile.calls.setdefault(callee, {})
                callers[where] = callers.get(where, 0) + cost
                is_call = False
            else:
                profile.own[where] = profile.own.get(where, 0) + cost
    return profile


def first_match(rules, text):
    for pattern, stage in rules:
        if re.search(pattern, text):
            return stage
    return None


def stage_of(function, file, defined_in):
    """None where only the callers know."""
    return first_match(FILES, file) or first_match(FUNCTIONS, function) or first_match(FILES, defined_in)


def stages(profile):
    """Instructions by stage, OTHER included."""
    memo = {}

    def shares(function, file, path=()):
        """{stage: share} of what is spent at this place."""
        stage = stage_of(function, file, profile.home.get(function, ""))
        if stage:
            return {stage: 1.0}
        if function in memo:
            return memo[function]
        callers = profile.calls.get(function, {})
        spent = {place: cost for place, cost in callers.items() if cost > 0 and place[0] not in path and place[0] != function}
        whole = sum(spent.values())
        if not whole:
            return {OTHER: 1.0}
        result = {}
        for place, cost in sorted(spent.items()):
            for stage, share in shares(*place, path + (function,)).items():
                result[stage] = result.get(stage, 0.0) + share * cost / whole
        if not path:
            memo[function] = result
        return result

    result = {}
    for (function, file), cost in sorted(profile.own.items()):
        for stage, share in shares(function, file).items():
            result[stage] = result.get(stage, 0.0) + share * cost
    return result
