/* SPDX-License-Identifier: MIT */
#pragma once

/* Sets the disks' memory aside, if any were asked for: boot CPU, before mm_init_early(). */
void ramdisk_reserve(void);
/* Microseconds for each page; how many of 1000 requests fail. May be changed at any time. */
extern unsigned int ramdisk_delay_us, ramdisk_error_rate;
