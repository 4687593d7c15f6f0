# SPDX-License-Identifier: MIT
"""Linux 6.1, which Octavo is compared with: Debian's kernel package, unpacked and not installed."""

import glob
import os
import re
import subprocess
import sys

PACKAGE = "linux-image-cloud-amd64"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def die(message):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {message}")


def apt(*args, **kw):
    try:
        return subprocess.run(args, check=True, stdout=subprocess.PIPE, **kw).stdout.decode()
    except FileNotFoundError:
        die(f"{args[0]} is not there: give a Linux 6.1 kernel with --vmlinuz FILE")
    except subprocess.CalledProcessError:
        die(f"{' '.join(args)} failed; run scripts/setup, or give a kernel with --vmlinuz FILE")


def find_vmlinuz(directory):
    found = sorted(glob.glob(os.path.join(directory, "boot", "vmlinuz-6.1*")))
    if found:
        return found[-1]
    os.makedirs(directory, exist_ok=True)
    real = re.search(r"Depends: (linux-image-6\.1[\w.+-]*-cloud-amd64)", apt("apt-cache", "depends", PACKAGE))
    if not real:
        die(f"{PACKAGE} does not lead to a 6.1 kernel here: give one with --vmlinuz FILE")
    print(f"oracle: fetching {real[1]}", flush=True)
    apt("apt-get", "download", real[1], cwd=directory, stderr=subprocess.DEVNULL)
    for package in glob.glob(os.path.join(directory, "linux-image-*.deb")):
        apt("dpkg", "-x", package, directory)
        os.unlink(package)
    found = sorted(glob.glob(os.path.join(directory, "boot", "vmlinuz-6.1*")))
    if not found:
        die("the package holds no kernel")
    return found[-1]


def initrd_with_module(vmlinuz, initrd, directory):
    """The initramfs and behind it an archive with brd.ko, as Linux takes them."""
    root = os.path.dirname(os.path.dirname(vmlinuz))
    found = glob.glob(os.path.join(root, "lib", "modules", "*", "kernel", "drivers", "block", "brd.ko"))
    if not found:
        die(f"no brd.ko below {root}: swap needs the package's modules")
    extra = os.path.join(directory, "brd.cpio")
    subprocess.run([os.path.join(ROOT, "scripts", "mkcpio.py"), "-o", extra, f"{found[0]}=/brd.ko"], check=True)
    both = os.path.join(directory, os.path.basename(initrd).replace(".cpio", "-brd.cpio"))
    with open(both, "wb") as out:
        for path in (initrd, extra):
            with open(path, "rb") as f:
                out.write(f.read())
            out.write(b"\0" * (-out.tell() % 512))
    return both
