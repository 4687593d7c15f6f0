/* SPDX-License-Identifier: MIT */
/* What uname(2) and /proc/version say. glibc programs check the release: be Linux 6.1's. */
#pragma once

#define UTS_SYSNAME "Linux"
#define UTS_RELEASE "6.1.0-octavo"
#define UTS_VERSION "#1 Octavo"
#define UTS_MACHINE "x86_64"
#ifdef __clang__
#define UTS_COMPILER "clang " __clang_version__
#else
#define UTS_COMPILER "gcc " __VERSION__
#endif
