#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write an initramfs: a newc cpio archive whose files belong to root, whoever builds it.

    mkcpio.py -o OUT [--busybox FILE] [SOURCE=/TARGET ...] [--tree DIR]

Later entries replace earlier ones of the same path: busybox's applet links first, then files,
then the tree. Parent directories appear by themselves, 0755. /dev/console is always there, since
the kernel opens it for init before anything is mounted.

A source may be a directory (copied whole) or a symbolic link in a tree (kept as a link).
"""

import argparse
import os
import stat
import subprocess
import sys


class Archive:
    def __init__(self):
        self.entries = {}  # path without leading slash -> (mode, data, rdev)

    def add(self, path, mode, data=b"", rdev=(0, 0)):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.add(parent, stat.S_IFDIR | 0o755)
        if stat.S_ISDIR(mode) and path in self.entries:
            return
        self.entries[path] = (mode, data, rdev)

    def add_file(self, source, path):
        if os.path.islink(source):
            self.add(path, stat.S_IFLNK | 0o777, os.readlink(source).encode())
            return
        executable = os.stat(source).st_mode & 0o111
        with open(source, "rb") as f:
            self.add(path, stat.S_IFREG | (0o755 if executable else 0o644), f.read())

    def add_tree(self, source, path):
        for top, dirs, files in os.walk(source):
            dirs.sort()
            target = os.path.join(path, os.path.relpath(top, source))
            if os.path.relpath(top, source) == ".":
                target = path
            if target.strip("/"):
                self.add(target, stat.S_IFDIR | 0o755)
            for name in sorted(files):
                if name not in (".gitignore", ".gitkeep"):
                    self.add_file(os.path.join(top, name), os.path.join(target, name))
            for name in dirs:  # links to directories
                if os.path.islink(os.path.join(top, name)):
                    self.add_file(os.path.join(top, name), os.path.join(target, name))

    def add_busybox(self, binary):
        self.add("bin/busybox", stat.S_IFREG | 0o755, open(binary, "rb").read())
        applets = subprocess.run([binary, "--list-full"], stdout=subprocess.PIPE, check=True)
        for applet in applets.stdout.decode().split():
            if applet in ("bin/busybox", "linuxrc"):
                continue
            self.add(applet, stat.S_IFLNK | 0o777, b"/bin/busybox")

    def write(self, out):
        offset = 0

        def put(data):
            nonlocal offset
            out.write(data)
            offset += len(data)

        def pad():
            put(b"\0" * (-offset % 4))

        def record(ino, path, mode, data, rdev, nlink):
            name = path.encode() + b"\0"
            fields = (ino, mode, 0, 0, nlink, 0, len(data), 0, 0, *rdev, len(name), 0)
            put(b"070701" + b"".join(b"%08x" % f for f in fields) + name)
            pad()
            put(data)
            pad()

        # without it the root directory keeps the mode of a fresh tmpfs, 01777
        record(0, ".", stat.S_IFDIR | 0o755, b"", (0, 0), 2)
        for ino, path in enumerate(sorted(self.entries), 1):
            mode, data, rdev = self.entries[path]
            record(ino, path, mode, data, rdev, 2 if stat.S_ISDIR(mode) else 1)
        record(0, "TRAILER!!!", 0, b"", (0, 0), 1)
        put(b"\0" * (-offset % 512))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", required=True, metavar="OUT")
    parser.add_argument("--busybox")
    parser.add_argument("--tree", action="append", default=[])
    parser.add_argument("files", nargs="*", metavar="SOURCE=/TARGET")
    args = parser.parse_args()

    archive = Archive()
    for directory in ("dev", "proc", "sys", "root", "etc", "mnt", "var", "run"):
        archive.add(directory, stat.S_IFDIR | 0o755)
    archive.add("tmp", stat.S_IFDIR | 0o1777)
    archive.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
    archive.add("dev/null", stat.S_IFCHR | 0o666, rdev=(1, 3))
    if args.busybox:
        archive.add_busybox(args.busybox)
    for pair in args.files:
        source, _, target = pair.partition("=")
        if os.path.isdir(source):
            archive.add_tree(source, target)
        else:
            archive.add_file(source, target)
    for tree in args.tree:
        if os.path.isdir(tree):
            archive.add_tree(tree, "")

    temporary = f"{args.o}.{os.getpid()}"
    try:
        with open(temporary, "wb") as out:
            archive.write(out)
        os.replace(temporary, args.o)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        sys.exit(f"mkcpio: {error}")


main()
