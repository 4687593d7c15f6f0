#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run Octavo's tests. One boot a group, so that a crash loses only its group.

A boot passes when all of these hold: QEMU ends with status 33 (written by the guest; a triple
fault ends with 0), every announced plan was kept, the summary line came and agrees with what was
counted, and no case failed. A group that prints nothing for two minutes is hung. Whatever goes
wrong, the group is named, the end of its log is shown, and the command that repeats it.
"""

import argparse
import concurrent.futures
import glob
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import testcases
import testgdb
import testscreen
from harness import CLANG, CROSS, LOCK, LOGS, OUT, PASS_STATUS, ROOT, RUNNING, SILENCE, TAIL, TEST_ISO, Group, limit

CROSS_PREFIX = "x86_64-elf-"

# ---------------------------------------------------------------------------- groups


def run_tap(command, long_words=(), wanted=0):
    """A program on the host that prints TAP. long_words: more arguments with --long."""

    def run(group, options):
        process = group.start(command + list(long_words if options.long else ()), on_line=group.results.feed)
        process.child.stdin.close()
        status = process.end(600, limit(options))
        if not group.results.failed:
            group.check_status(status, wanted, process.hung)
        group.results.finish(need_summary=False)

    return run


def ktest_words(options):
    words = ["ktest=" + (options.filter or "all"), f"ktest.seed={options.seed}", "ramdisk_size=4096"]
    if options.shuffle:
        words.append("ktest.shuffle=1")
    if options.repeat > 1:
        words.append(f"ktest.repeat={options.repeat}")
    if options.long:
        words.append("ktest.long=1")
    return " ".join(words)


def utest_words(options, disk=16384):
    """The disks are large enough for t_swap; small ones, where RAM is small, leave its cases out."""
    words = ["rdinit=/tests/run", f"ramdisk_size={disk}", "ramdisk.count=2"]
    if options.filter:
        words.append("utest=" + re.sub(r"\bt_", "", options.filter))
    if options.long:
        words.append("ktest.long=1")
    return " ".join(words)


def small_utest_words(options):
    return utest_words(options, 1024)


def shortage_words(options):
    """More data than memory, and the programs that show it; --long: 100,000 steps."""
    names = re.sub(r"\bt_", "", options.filter or "programs,integrity,oom,oomreport,mlocked,commit,vmtrace,reclaim")
    return f"rdinit=/tests/run utest={names}" + (" integrity=100000" if options.long else "")


def slow_swap_words(options):
    return "rdinit=/tests/run utest=swap ramdisk_size=16384 ramdisk.count=2 ramdisk.delay_us=100"


def random_words(options, more=""):
    """Any sequence of calls, while two areas come and go: 100,000 steps with --long."""
    steps = 100000 if options.long else 6000
    return f"rdinit=/tests/run utest=integrity.random random={steps} seed={options.seed} ramdisk.count=2{more}"


def random_groups():
    """On 1, 2 and 4 CPUs, and with a disk that fails one time in a hundred."""
    groups = []
    for cpus in ("1", "2", "4"):
        groups.append(Group(f"random-smp{cpus}", f"random calls against a model, 64 MiB of RAM, {cpus} CPUs",
                            run_boot(random_words), {"MEM": "160", "SWAP": "96", "SMP": cpus}, ["release"]))
    groups.append(Group("random-faulty", "the same on 2 CPUs, and a disk that fails now and then",
                        run_boot(lambda options: random_words(options, " faults=10")),
                        {"MEM": "160", "SWAP": "96", "SMP": "2"}, ["release"]))
    return groups


def integrity_groups():
    """More than five times as much data as memory, every byte checked, on a disk that is slow or fails:
    under each policy of reclaim, on 1, 2 and 4 CPUs."""
    groups = []
    for policy in ("two-list", "clock", "fifo", "aging"):
        for cpus in ("1", "2", "4"):
            for disk, words in (("slow", "ramdisk.delay_us=100"), ("faulty", "faults=10")):
                append = f"rdinit=/tests/run utest=integrity.shortage integrity=5000 reclaim_policy={policy} {words}"
                groups.append(Group(f"integrity-{policy}-smp{cpus}-{disk}",
                                    f"5 x RAM of data, policy {policy}, {cpus} CPUs, a {disk} disk",
                                    run_boot(lambda options, append=append: append),
                                    {"MEM": "48", "SWAP": "280", "SMP": cpus}, ["release"], True))
    return groups


def fuzz_words(options):
    calls, programs = (10000000, 12000) if options.long else (60000, 1500)
    return (f"rdinit=/tests/run utest=fuzz/calls,fuzz/elf quiet fuzz.seed={options.seed} fuzz.calls={calls} "
            f"fuzz.programs={programs}")


def run_boot(words):
    """A boot that runs tests by itself and ends QEMU with its result."""

    def run(group, options):
        environment = {"APPEND": words(options) if words else "", "SEED": str(options.seed)}

        def on_line(line):
            group.results.feed(line)
            if options.fail_fast and group.results.failed:
                process.kill()

        process = group.start(["scripts/qemu", "test"], environment, on_line)
        process.child.stdin.close()
        status = process.end(SILENCE, limit(options))
        group.check_status(status, PASS_STATUS, process.hung)
        group.results.finish(need_summary=True)

    return run


# What a boot to the prompt types, what must come back (something that the echo of what was typed
# does not contain), and whether the prompt follows.
DIALOGUE = [
    ("arithmetic", "echo sum $((40 + 2))\n", r"sum 42\b", True),
    ("proc", "cat /proc/uptime | wc -w\n", r"(?m)^2\b", True),
    ("meminfo", "awk '/MemTotal/ { print \"total\", $3 }' /proc/meminfo\n", r"total kB\b", True),
    ("pipeline", "ls / | sort | head -n 1\n", r"(?m)^bin\b", True),
    ("sha256sum", "dd if=/dev/zero bs=4096 count=16 2>/dev/null | sha256sum\n",
     r"(?m)^de2f256064a0af797747c2b97505dc0b", True),
    ("status", "false || echo status $?\n", r"status 1\b", True),
    ("background job", "sleep 100000 & jobs; kill %1; echo killed $?\n", r"killed 0\b", True),
    ("foreground job", "sh -c 'echo re\"\"ady; exec cat'\n", r"(?m)^ready", False),
    ("terminal input", "meow\n", r"meow\s+meow\b", False),
    ("Ctrl-Z", "\x1a", r"Stopped", True),
    ("fg", "fg\n", r"exec cat", False),
    ("after fg", "purr\n", r"purr\s+purr\b", False),
    ("Ctrl-C", "\x03", r"\^C|\n", True),
    ("its status", "echo code $?\n", r"code 130\b", True),
]


def run_line(group, options):
    """Before there is a prompt: the kernel says its name and leaves."""
    lines = []
    environment = {} if "ISO" in group.environment else {"APPEND": "octavo.exit"}
    process = group.start(["scripts/qemu", "test"], environment, lines.append)
    process.child.stdin.close()
    status = process.end(SILENCE, limit(options))
    group.check_status(status, PASS_STATUS, process.hung)
    ok = any("Octavo" in line for line in lines)
    (group.results.passed if ok else group.results.failed).append(f"{group.name}: says its name")


def have(*patterns):
    return all(glob.glob(os.path.join(ROOT, p), recursive=True) for p in patterns)


def with_race(words, seed=None):
    """The kernel waits at locks and atomic operations now and then, so that others come between.
    Without a number the seed is the run's."""
    return lambda options: f"race={seed or options.seed} {words(options)}"


# What goes on between processors. Not tlb, where one spins in user mode on purpose while the other is in
# the kernel: taking turns, with four CPUs, the other was seen to get no further than its timer interrupts
# for 20 seconds (scripts/qemu), which is a lockup to the watchdog.
SMP_SUITES = "affinity,fork,fsrace,futex,mmap,munmap,pipe,procfile,pthread,rseq,shm,signal,smp,smpsync,sysv,threads"


def turns_words(options):
    """No race= here: programs spin without pause, and each turn given away would come back milliseconds
    later."""
    return utest_words(options) + ("" if options.filter else f" utest={SMP_SUITES}")


def in_real_time(group):
    """Several processors in parallel are threads of the host, and run as it lets them: such a group has
    the host to itself."""
    return group.environment.get("SMP", "1") != "1" and "ICOUNT" not in group.environment


def smp_groups():
    """The suites on several processors, which run in parallel; then (--long) with the scheduler's
    and the locks' windows widened, and taking turns, which repeats exactly: inside the kernel at the
    points and in the order that --seed draws."""
    groups = []
    for cpus in ("2", "4"):
        for name, words in (("kernel", ktest_words), ("user", utest_words)):
            environment = {"SMP": cpus, "BUILD": "debug"}
            groups.append(Group(f"{name}-smp{cpus}", f"{name} suites, {cpus} CPUs", run_boot(words), environment,
                                ["debug"]))
            for seed in (1, 2, 3):
                groups.append(Group(f"{name}-smp{cpus}-race{seed}", f"{name} suites, {cpus} CPUs, race={seed}",
                                    run_boot(with_race(words, seed)), environment, ["debug"], True))
        for name, what, words in (("kernel", "kernel suites", with_race(ktest_words)),
                                  ("user", "user suites about threads and SMP", turns_words)):
            groups.append(Group(f"{name}-smp{cpus}-turns", f"{what}, {cpus} CPUs that take turns",
                                run_boot(words), {"SMP": cpus, "BUILD": "debug", "ICOUNT": "1"}, ["debug"], True))
    groups += [
        Group("smp", "1 to 16 CPUs, maxcpus=: all come up and work", testcases.run_smp, {}, ["release"]),
        Group("tlb-drop", "TLB flushes that are not sent: do the tests notice?", testcases.run_tlb_drop,
              {"SMP": "2", "BUILD": "debug"}, ["debug"]),
        Group("soak", "ten minutes of everything at once on 4 CPUs",
              run_boot(lambda options: f"race={options.seed} rdinit=/tests/run utest=soak soak=600"),
              {"SMP": "4", "BUILD": "debug"}, ["debug"], True),
    ]
    return groups


def all_groups():
    groups = [Group("check", "format, layering, size budgets", run_tap(["python3", "scripts/check.py"]))]
    if have("tests/host/Makefile"):
        groups.append(Group("host", "mm code on the host, under sanitizers",
                            run_tap(["make", "-s", "-C", "tests/host", "test"])))
    if have("tests/fuzz/Makefile"):
        groups.append(Group("fuzz-host", "boot maps and initramfs archives, under libFuzzer",
                            run_tap(["make", "-s", "-C", "tests/fuzz", "test"], ["RUNS=1000000"])))
    if have("tests/kernel/**/*.c"):
        for name, mem, extra, slow in (
                ("kernel", "512", {}, False), ("kernel-16M", "16", {"INITRD": "none"}, False),
                ("kernel-6G", "6144", {}, False),
                ("kernel-normal", "128", {"MACHINE": "q35,max-ram-below-4g=64M"}, True)):
            groups.append(Group(
                name, f"in-kernel suites, {mem} MiB", run_boot(ktest_words),
                {"MEM": mem, "BUILD": "debug", **extra}, ["debug"], slow))
    if have("tests/user/run.c", "fs/*.c"):
        groups += [
            Group("user", "user suites, 512 MiB", run_boot(utest_words), {"MEM": "512", "BUILD": "debug"}, ["debug"]),
            Group("user-64M", "user suites, 64 MiB", run_boot(small_utest_words), {"MEM": "64", "BUILD": "debug"},
                  ["debug"]),
        ]
        for part in "123":  # their programs alone would fill half of it
            groups.append(Group(
                f"user-16M-{part}", f"user suites, 16 MiB, part {part} of 3", run_boot(small_utest_words),
                {"MEM": "16", "BUILD": "debug", "INITRD": f"{OUT}/initramfs-part{part}.cpio"}, ["debug"]))
        groups.append(Group("shortage", "data and programs in 64 MiB of RAM and 192 of swap", run_boot(shortage_words),
                            {"MEM": "64", "SWAP": "192"}, ["release"]))
        groups.append(Group("swap-slow", "swap on a disk that takes its time", run_boot(slow_swap_words),
                            {"MEM": "128", "BUILD": "debug"}, ["debug"]))
        groups += random_groups()
        groups += integrity_groups()
        groups += smp_groups()
        groups.append(Group("fuzz", "random system calls and programs", run_boot(fuzz_words),
                            {"MEM": "256", "BUILD": "debug"}, ["debug"]))
        groups += [
            Group("crash", "deliberate breakage: the right report, the right end", testcases.run_crash,
                  {"BUILD": "debug", "INITRD": "none"}, ["debug"]),
            Group("crash-smp", "the same on two CPUs", testcases.run_crash_smp,
                  {"BUILD": "debug", "INITRD": "none", "SMP": "2"}, ["debug"]),
            Group("oops", "an oops costs one process; ktest at the prompt",
                  testcases.run_dialogue(testcases.OOPS, "oops=kill"), {"BUILD": "debug"}, ["debug"]),
            Group("boot-args", "parameters, initramfs files, endings", testcases.run_boot_args, {}, ["release"]),
            Group("serial", "the terminal: pastes, keys, jobs, full screen", testcases.run_serial, {}, ["release"]),
        ]
    groups.append(Group("timeline", "a trace by the second serial line, and its picture", testcases.run_timeline,
                        {"MEM": "64", "SWAP": "128"}, ["release"]))
    if os.path.exists("/usr/bin/pmap"):
        groups.append(Group("procps", "the distribution's free, ps, top, pmap ... agree with /proc",
                            run_boot(lambda options: "rdinit=/tests/run utest=procps"),
                            {"MEM": "128", "BUILD": "debug", "INITRD": os.path.join(OUT, "initramfs-procps.cpio")},
                            ["debug"]))
    groups.append(Group("docs", "what the documentation's transcripts say comes",
                        run_tap(["python3", "scripts/transcripts.py"]), {}, ["release"]))
    groups.append(Group("maps", "docs/layout.md's maps are what constants and page tables say",
                        run_tap(["python3", "scripts/maps.py"]), {}, ["release"]))
    groups.append(Group("gdb", "gdb's commands: a fault of each case, broken structures, the docs",
                        testgdb.run, {}, ["debug"]))
    groups.append(Group("gdb-replay", "a recorded run, backwards in gdb", testgdb.run_replay, {}, ["debug"], True))
    boot = testcases.run_dialogue(DIALOGUE) if have("fs/*.c") else run_line
    for name, what, environment, builds in (
            ("boot", "release build to the prompt", {}, ["release"]),
            ("boot-16M", "the same in 16 MiB", {"MEM": "16"}, ["release"]),
            ("boot-64M", "the same in 64 MiB", {"MEM": "64"}, ["release"]),
            ("boot-6G", "the same in 6 GiB", {"MEM": "6144"}, ["release"]),
            ("boot-iso-pc", "the ISO under GRUB, i440fx", {"ISO": TEST_ISO, "MACHINE": "pc"}, ["iso"]),
            ("boot-iso-q35", "the ISO under GRUB, q35", {"ISO": TEST_ISO, "MACHINE": "q35"}, ["iso"]),
            ("boot-iso-uefi", "the ISO by UEFI, q35", {"ISO": TEST_ISO, "UEFI": "1"}, ["iso"])):
        groups.append(Group(name, what, boot, environment, builds))
    groups += [
        Group("screen", "VGA text and the keyboard, played from the monitor", testscreen.run_vga, {}, ["release"]),
        Group("screen-uefi", "the same on UEFI's framebuffer", testscreen.run_uefi,
              {"ISO": TEST_ISO, "UEFI": "1"}, ["iso"], True),
    ]
    groups += [
        Group("bench", "no operation costs over 3 % more than tests/bench/expected.tsv",
              run_tap(["scripts/bench", "--check"]), {}, ["release"]),
        Group("boot-64G", "64 GiB, of which the host has few", testcases.run_sparse, {}, ["release"], True),
        Group("boot-clang", "the kernel as clang builds it", boot, {"O": CLANG}, ["clang"], True),
        Group("boot-cross", "the kernel as x86_64-elf-gcc builds it", boot, {"O": CROSS}, ["cross"], True),
    ]
    return groups


# ---------------------------------------------------------------------------- the run


def cross_tools():
    """The host's compiler under the names of a cross compiler, first on the PATH."""
    folder = os.path.join(ROOT, LOGS, "cross-tools")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for tool in ("gcc", "ld", "nm"):
        os.symlink(shutil.which(tool), os.path.join(folder, CROSS_PREFIX + tool))
    return {**os.environ, "PATH": folder + os.pathsep + os.environ["PATH"]}


def really_cross():
    """What was built with, as make noted it down."""
    notes = {"flags": "gcc", "objects": "ld"}
    return all(open(os.path.join(ROOT, CROSS, name)).read().startswith(CROSS_PREFIX + tool)
               for name, tool in notes.items())


def build(kind):
    target = {"debug": ["BUILD=debug", "all"], "release": ["all"], "iso": ["iso"], "clang": ["CLANG=1", "all"],
              "cross": ["CROSS_COMPILE=" + CROSS_PREFIX, "all"]}[kind]
    if kind == "iso":
        # GRUB's command line is part of the image, so tests have one of their own
        target.append("ISO=" + TEST_ISO)
        target.append("APPEND=octavo.test" + ("" if have("fs/*.c") else " octavo.exit"))
    command = ["make", "--no-print-directory", "-j2", "O=" + {"clang": CLANG, "cross": CROSS}.get(kind, OUT)] + target
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, env=cross_tools() if kind == "cross" else None)
    if done.returncode:
        print(f"build failed: {shlex.join(command)}")
        print("\n".join(done.stdout.decode(errors="replace").splitlines()[-TAIL:]))
    return done.returncode == 0 and (kind != "cross" or really_cross())


def run_group(group, options):
    started = time.monotonic()
    try:
        group.run(group, options)
    except Exception as error:  # a driver's own failure is a failure of the group
        group.fail(f"the driver failed: {error!r}")
        group.stop()
    report(group, time.monotonic() - started, options)


def report(group, seconds, options):
    r = group.results
    counts = f"{len(r.passed)} passed, {len(r.failed)} failed"
    if r.skipped:
        counts += f", {len(r.skipped)} skipped"
    lines = [f"{'FAIL' if group.bad() else 'ok  '} {group.name:18} {counts} ({seconds:.1f} s)"]
    if options.verbose:
        lines += [f"       ok      {name}" for name in r.passed]
    for name, why in r.skipped:
        if options.verbose:
            lines.append(f"       skipped {name}: {why}")
    for name in r.failed:
        lines.append(f"       not ok  {name}")
        lines += [f"               {note}" for note in r.why.get(name, [])]
    for problem in r.problems:
        lines.append(f"       {problem}")
    if group.bad():
        lines.append(f"       the end of {os.path.relpath(group.log, ROOT)}:")
        try:
            with open(group.log, errors="replace") as f:
                lines += ["       | " + line.rstrip() for line in f.readlines()[-TAIL:]]
        except OSError:
            pass
        lines.append(f"       repeat: {' '.join(group.command)}")
    with LOCK:
        print("\n".join(lines), flush=True)


def skips(groups):
    """Each reason once, with how many cases it kept from running."""
    reasons = {}
    for group in groups:
        for _, why in group.results.skipped:
            reasons[why] = reasons.get(why, 0) + 1
    return [f"skipped {count}: {why}" for why, count in sorted(reasons.items())]


def choose(options):
    groups = all_groups()
    if options.group:
        known = {g.name for g in groups}
        for name in options.group:
            if name not in known:
                sys.exit(f"no group {name}; there are: {' '.join(sorted(known))}")
        return [g for g in groups if g.name in options.group]
    if options.filter:
        # user programs are called t_something
        name = "user" if options.filter.startswith("t_") else "kernel"
        return [g for g in groups if g.name == name]
    return [g for g in groups if options.long or not g.long_only]


def parse():
    parser = argparse.ArgumentParser(
        description="Run Octavo's tests.", epilog="Logs are left in build/test/.")
    parser.add_argument("--list", action="store_true", help="name the groups and end")
    parser.add_argument("--group", action="append", metavar="NAME", help="only this group (repeatable)")
    parser.add_argument("--filter", metavar="SUITE.CASE",
                        help="only these cases (* and comma lists allowed; t_… is a user program)")
    parser.add_argument("--seed", type=int, default=1, help="for random sequences and --shuffle (1)")
    parser.add_argument("--shuffle", action="store_true", help="kernel cases in an order by seed")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="kernel cases N times")
    parser.add_argument("--long", action="store_true", help="long random sequences, more machines")
    parser.add_argument("--jobs", type=int, default=2, help="groups at a time (2)")
    parser.add_argument("--fail-fast", action="store_true", help="a boot ends with its first failure")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every case")
    return parser.parse_args()


def main():
    options = parse()
    groups = choose(options)
    if options.list:
        for group in groups if options.group else all_groups():
            print(f"{group.name:18} {group.what}{' (--long)' if group.long_only else ''}")
        return 0
    if not groups:
        print("no such tests yet")
        return 1
    os.makedirs(os.path.join(ROOT, LOGS), exist_ok=True)
    for name in ("MEM", "SWAP", "SMP", "ICOUNT", "APPEND", "ISO", "UEFI", "MACHINE", "BUILD", "INITRD"):
        os.environ.pop(name, None)

    built = {kind: build(kind) for kind in ("debug", "release", "iso", "clang", "cross")
             if any(kind in g.builds for g in groups)}
    ready = []
    for group in groups:
        if all(built[b] for b in group.builds):
            ready.append(group)
        else:
            group.fail("its build failed")
            group.results.failed.append(f"{group.name}: build")
            print(f"FAIL {group.name:18} its build failed")

    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        list(pool.map(lambda group: run_group(group, options), (g for g in ready if not in_real_time(g))))
    for group in filter(in_real_time, ready):
        run_group(group, options)
    for line in skips(groups):
        print(line)

    passed = sum(len(g.results.passed) for g in groups)
    # a group that went wrong as a whole counts as one failure beside its cases
    failed = sum(len(g.results.failed) or bool(g.results.problems) for g in groups)
    skipped = sum(len(g.results.skipped) for g in groups)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


def ended(number, _):
    """Nothing that was started stays behind, nor does a group start anything more: LOCK is kept."""
    LOCK.acquire()
    for process in RUNNING:
        process.kill()
    print(f"\n{signal.strsignal(number)}", flush=True)
    os._exit(128 + number)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, ended)
    sys.exit(main())
