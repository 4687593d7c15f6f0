/* SPDX-License-Identifier: MIT */
/* The names of uname(2), also shown and set under /proc/sys/kernel. */
#pragma once

#define UTS_LEN 65

struct utsname {
	char sysname[UTS_LEN], nodename[UTS_LEN], release[UTS_LEN], version[UTS_LEN],
		machine[UTS_LEN], domainname[UTS_LEN];
};
extern struct utsname utsname;
