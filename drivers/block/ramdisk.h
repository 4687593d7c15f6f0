/* SPDX-License-Identifier: MIT */
#pragma once

/* Sets the disks' memory aside, if any were asked for: boot CPU, before mm_init_early(). */
void ramdisk_reserve(void);
