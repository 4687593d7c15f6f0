#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print a grub.cfg with the words of $APPEND, quoted for GRUB's shell, in place of @APPEND@."""

import os
import re
import sys

append = re.sub(r"[^\w=.,:/@%+ -]", r"\\\g<0>", os.environ.get("APPEND", ""))
with open(sys.argv[1]) as template:
    print(template.read().replace("@APPEND@", append), end="")
