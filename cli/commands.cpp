// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "command.hpp"
#include "declared.hpp"

namespace ipc0cp::cli {
namespace {

const std::array all_commands{
    Command{"ls", "List the rings there are, and what state they are in",
            "ipc0cp ls\n"
            "ipc0cp ls --json | jq '.rings[].name'",
            prepare_ls},
    Command{"stat", "Show everything about a ring: queue, memory, who takes part and waits",
            "ipc0cp stat frames\n"
            "ipc0cp stat frames --watch         # each second, with rates\n"
            "ipc0cp stat frames --watch=0.2 -j  # as JSON, five times a second",
            prepare_stat},
    Command{"top", "Show all rings live: depth, rates, and who blocks whom",
            "ipc0cp top\n"
            "ipc0cp top --once               # one look\n"
            "ipc0cp top --json --interval 5  # for a program",
            prepare_top},
    Command{"doctor", "Say what is wrong with a ring, who it is, and what helps",
            "ipc0cp doctor frames\n"
            "ipc0cp doctor frames --size 64M --redeliver  # is this what it was made with?",
            prepare_doctor},
    Command{"tap", "Show what is queued, without taking it",
            "ipc0cp tap frames -n 3\n"
            "ipc0cp tap frames --follow       # what comes, taking nothing from anybody",
            prepare_tap},
    Command{"rm", "Remove rings that were left behind",
            "ipc0cp rm frames           # one in which nobody lives\n"
            "ipc0cp rm --stale          # all of those that are empty\n"
            "ipc0cp rm --force frames   # under its producers and consumers",
            prepare_rm},
    Command{"send", "Put files, lines or a stream of messages into a ring",
            "ipc0cp send frames a.npy b.png c.json  # arrays, images and values as such\n"
            "tail -f log | ipc0cp send lines -l     # each line is a text\n"
            "ipc0cp recv a | ipc0cp send b          # every message unchanged",
            prepare_send},
    Command{"recv", "Take messages out of a ring: as a stream, as files, or as lines",
            "ipc0cp recv frames -n 3               # three messages, for eyes or for a pipe\n"
            "ipc0cp recv frames -o out             # into files: out/frames-000001.npy\n"
            "ipc0cp recv a | ssh host ipc0cp send a  # across hosts",
            prepare_recv},
    Command{"record", "Write the messages of a ring and their times to a file",
            "ipc0cp record frames frames.ipc0cp --for 10s\n"
            "ipc0cp record a - | ssh host ipc0cp replay - a",
            prepare_record},
    Command{"replay", "Put a recording into a ring, at the pace at which it was made",
            "ipc0cp replay frames.ipc0cp frames\n"
            "ipc0cp replay frames.ipc0cp frames --speed max",
            prepare_replay},
    Command{"serve", "Show all rings in a browser, and give their figures to Prometheus",
            "ipc0cp serve                # a page at http://127.0.0.1:8765/\n"
            "ipc0cp serve --port 0       # at a port that is free, which it prints\n"
            "ipc0cp serve --bind 0.0.0.0  # for other machines too, without a password",
            prepare_serve},
    Command{"bench", "Measure this machine: rings beside a pipe, one way and there and back",
            "ipc0cp bench\n"
            "ipc0cp bench --quick",
            prepare_bench},
};

}  // namespace

std::span<const Command> commands() { return all_commands; }

}  // namespace ipc0cp::cli
