/* SPDX-License-Identifier: MIT */
#pragma once

#include <kernel/lib/types.h>

/* The battery-backed clock, taken as UTC: seconds since 1970. */
s64 rtc_read(void);
