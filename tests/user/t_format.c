/* SPDX-License-Identifier: MIT */
/*
 * The shape of each file under /proc and /sys: names, order, columns, padding, units, line ends.
 *
 * A template has a line for each line of the file, and a letter in front of it:
 *
 *	(blank)	once			*	one or more like this
 *	~	any number		?	perhaps (it depends on how the kernel was configured)
 *	-	on Linux, not on Octavo, which does not have what it tells of
 *	+	on Octavo only
 *	{ }	what is between, one or more times
 *
 * In a line, %d %x %s stand for a decimal, a hexadecimal number, a word; as in printf a width in
 * front pads, to the left with '-', with zeros with 0; %.2f has two digits behind the point, %* is
 * the rest of the line. What may be negative is %i.
 *
 * The templates were made from what Debian's Linux 6.1 prints, and are checked there as well.
 */
#include "utest.h"

#include <sys/utsname.h>

static char text[1 << 18];
static int octavo;

/* --- a line ------------------------------------------------------------------------------------ */

/* How many characters a field of this kind has; a word ends also where the template goes on. */
static size_t span(const char *s, char kind, char stop)
{
	char ends[] = {' ', '\t', '\n', stop, 0};
	size_t n = kind == 'i' && *s == '-';

	switch (kind) {
	case 'd':
	case 'i':
		return n + strspn(s + n, "0123456789");
	case 'x':
		return strspn(s, "0123456789abcdef");
	case 's':
		return strcspn(s, ends);
	default:
		return 0;
	}
}

struct field {
	int left, zero;
	size_t width;
	char kind;
};

static const char *parse_field(const char *t, struct field *f)
{
	char *end;

	*f = (struct field){.left = *t == '-'};
	t += f->left;
	f->zero = *t == '0';
	f->width = strtoul(t, &end, 10);
	f->kind = *end;
	return end + 1;
}

/* How much of s the field takes; -1: it does not match. */
static ssize_t match_field(const char *s, const struct field *f, char stop)
{
	size_t pad = f->left ? 0 : strspn(s, " "), n;

	if (!f->width)
		pad = 0;
	n = span(s + pad, f->kind, stop);
	if (!n)
		return -1;
	if (f->kind == 'd' && !f->zero && n > 1 && s[pad] == '0')
		return -1;
	if (f->zero)
		return pad == 0 && n >= f->width && (n == f->width || s[0] != '0') ? (ssize_t)n :
										     -1;
	if (!f->left)
		return pad + n == f->width || (pad == 0 && n >= f->width) ? (ssize_t)(pad + n) : -1;
	while (n < f->width)
		if (s[n++] != ' ')
			return -1;
	return (ssize_t)n;
}

/* Line against template, both up to their ends of line. */
static int match_line(const char *s, const char *t)
{
	while (*t && *t != '\n') {
		struct field f;
		ssize_t n;

		if (*t != '%') {
			if (*s++ != *t++)
				return 0;
			continue;
		}
		if (t[1] == '*')
			return 1;
		if (!strncmp(t, "%.2f", 4)) {
			n = span(s, 'd', 0);
			if (!n || s[n] != '.' || span(s + n + 1, 'd', 0) != 2)
				return 0;
			s += n + 3;
			t += 4;
			continue;
		}
		t = parse_field(t + 1, &f);
		n = match_field(s, &f, *t);
		if (n < 0)
			return 0;
		s += n;
	}
	return !*s || *s == '\n';
}

/* --- a file ------------------------------------------------------------------------------------ */

static const char *next_line(const char *s)
{
	s = strchr(s, '\n');
	return s ? s + 1 : "";
}

static const char *block_end(const char *t)
{
	while (*t && *t != '}')
		t = next_line(t);
	return t;
}

/* The template from *t up to its end or '}' against the lines from s on: where they end, or NULL with
 * *t at the line that did not match. */
static const char *match_lines(const char *s, const char **t)
{
	while (**t && **t != '}') {
		const char *line = *t + 1;

		switch (**t) {
		case '{':
			do {
				const char *inner = next_line(*t), *end = match_lines(s, &inner);
				if (!end) {
					*t = inner;
					return NULL;
				}
				s = end;
			} while (*s && match_line(s, next_line(*t) + 1));
			*t = next_line(block_end(*t));
			continue;
		case '*':
		case ' ':
		case '-':
		case '+':
			if ((**t == '-' && octavo) || (**t == '+' && !octavo))
				break;
			if (!*s || !match_line(s, line))
				return NULL;
			s = next_line(s);
			if (**t != '*')
				break;
			/* fall through */
		case '~':
			while (*s && match_line(s, line))
				s = next_line(s);
			break;
		case '?':
			if (*s && match_line(s, line))
				s = next_line(s);
			break;
		default:
			FAIL("bad template line \"%.30s\"", *t);
			ut_abort();
		}
		*t = next_line(*t);
	}
	return s;
}

/* Finds the line that does not match, for the report. */
static void check(const char *path, const char *template)
{
	struct utsname u;
	const char *t = template, *s = text, *end;

	OK(uname(&u));
	octavo = strstr(u.release, "octavo") != NULL;
	if (ut_slurp(path, text, sizeof(text)) < 0) {
		FAIL("%s: %s", path, ut_errname(errno));
		return;
	}
	if (text[0] && text[strlen(text) - 1] != '\n')
		FAIL("%s does not end its last line", path);
	end = match_lines(s, &t);
	if (!end) {
		FAIL("%s: nothing, or not in its place, is like \"%.*s\"", path,
		     (int)strcspn(t, "\n"), t);
		ut_note("the file is:\n%.2000s", text);
	} else if (*end) {
		FAIL("%s: \"%.*s\" is not in the template", path, (int)strcspn(end, "\n"), end);
	}
}

/* --- the machine's memory ------------------------------------------------------------------------ */

TEST(meminfo, "/proc/meminfo and the node's: a field, its place or its width")
{
	check("/proc/meminfo", " MemTotal:       %8d kB\n"
			       " MemFree:        %8d kB\n"
			       " MemAvailable:   %8d kB\n"
			       " Buffers:        %8d kB\n"
			       " Cached:         %8d kB\n"
			       " SwapCached:     %8d kB\n"
			       " Active:         %8d kB\n"
			       " Inactive:       %8d kB\n"
			       " Active(anon):   %8d kB\n"
			       " Inactive(anon): %8d kB\n"
			       " Active(file):   %8d kB\n"
			       " Inactive(file): %8d kB\n"
			       " Unevictable:    %8d kB\n"
			       " Mlocked:        %8d kB\n"
			       " SwapTotal:      %8d kB\n"
			       " SwapFree:       %8d kB\n"
			       "?Zswap:          %8d kB\n"
			       "?Zswapped:       %8d kB\n"
			       " Dirty:          %8d kB\n"
			       " Writeback:      %8d kB\n"
			       " AnonPages:      %8d kB\n"
			       " Mapped:         %8d kB\n"
			       " Shmem:          %8d kB\n"
			       " KReclaimable:   %8d kB\n"
			       " Slab:           %8d kB\n"
			       " SReclaimable:   %8d kB\n"
			       " SUnreclaim:     %8d kB\n"
			       " KernelStack:    %8d kB\n"
			       " PageTables:     %8d kB\n"
			       " SecPageTables:  %8d kB\n"
			       " NFS_Unstable:   %8d kB\n"
			       " Bounce:         %8d kB\n"
			       " WritebackTmp:   %8d kB\n"
			       " CommitLimit:    %8d kB\n"
			       " Committed_AS:   %8d kB\n"
			       " VmallocTotal:   34359738367 kB\n"
			       " VmallocUsed:    %8d kB\n"
			       " VmallocChunk:   %8d kB\n"
			       " Percpu:         %8d kB\n"
			       "?HardwareCorrupted: %5d kB\n"
			       " AnonHugePages:  %8d kB\n"
			       " ShmemHugePages: %8d kB\n"
			       " ShmemPmdMapped: %8d kB\n"
			       " FileHugePages:  %8d kB\n"
			       " FilePmdMapped:  %8d kB\n"
			       " HugePages_Total:   %5d\n"
			       " HugePages_Free:    %5d\n"
			       " HugePages_Rsvd:    %5d\n"
			       " HugePages_Surp:    %5d\n"
			       " Hugepagesize:   %8d kB\n"
			       " Hugetlb:        %8d kB\n"
			       " DirectMap4k:    %8d kB\n"
			       " DirectMap2M:    %8d kB\n"
			       " DirectMap1G:    %8d kB\n");
	check("/sys/devices/system/node/node0/meminfo", " Node 0 MemTotal:       %8d kB\n"
							" Node 0 MemFree:        %8d kB\n"
							" Node 0 MemUsed:        %8d kB\n"
							" Node 0 SwapCached:     %8d kB\n"
							" Node 0 Active:         %8d kB\n"
							" Node 0 Inactive:       %8d kB\n"
							" Node 0 Active(anon):   %8d kB\n"
							" Node 0 Inactive(anon): %8d kB\n"
							" Node 0 Active(file):   %8d kB\n"
							" Node 0 Inactive(file): %8d kB\n"
							" Node 0 Unevictable:    %8d kB\n"
							" Node 0 Mlocked:        %8d kB\n"
							" Node 0 Dirty:          %8d kB\n"
							" Node 0 Writeback:      %8d kB\n"
							" Node 0 FilePages:      %8d kB\n"
							" Node 0 Mapped:         %8d kB\n"
							" Node 0 AnonPages:      %8d kB\n"
							" Node 0 Shmem:          %8d kB\n"
							" Node 0 KernelStack:    %8d kB\n"
							" Node 0 PageTables:     %8d kB\n"
							"-Node 0 SecPageTables:  %8d kB\n"
							"-Node 0 NFS_Unstable:   %8d kB\n"
							"-Node 0 Bounce:         %8d kB\n"
							"-Node 0 WritebackTmp:   %8d kB\n"
							" Node 0 KReclaimable:   %8d kB\n"
							" Node 0 Slab:           %8d kB\n"
							" Node 0 SReclaimable:   %8d kB\n"
							" Node 0 SUnreclaim:     %8d kB\n"
							"-Node 0 AnonHugePages:  %8d kB\n"
							"-Node 0 ShmemHugePages: %8d kB\n"
							"-Node 0 ShmemPmdMapped: %8d kB\n"
							"-Node 0 FileHugePages: %8d kB\n"
							"-Node 0 FilePmdMapped: %8d kB\n"
							"-Node 0 HugePages_Total: %5d\n"
							"-Node 0 HugePages_Free:  %5d\n"
							"-Node 0 HugePages_Surp:  %5d\n");
}

#define PAGESET                      \
	"?    cpu: %d\n"             \
	"?              count: %d\n" \
	"?              high:  %d\n" \
	"?              batch: %d\n" \
	"?  vm stats threshold: %d\n"
#define PAGESETS_4  PAGESET PAGESET PAGESET PAGESET
#define PAGESETS_16 PAGESETS_4 PAGESETS_4 PAGESETS_4 PAGESETS_4

TEST(zones, "buddyinfo, pagetypeinfo, zoneinfo: a column, a line, or what stands where")
{
	check("/proc/buddyinfo",
	      "*Node %d, zone %8s %6d %6d %6d %6d %6d %6d %6d %6d %6d %6d %6d \n");
	if (geteuid() == 0)
		check("/proc/pagetypeinfo",
		      " Page block order: 9\n"
		      " Pages per block:  512\n"
		      " \n"
		      " Free pages count per migrate type at order       0      1      2      3      4 "
		      "     5      6      7      8      9     10 \n"
		      "*Node %4d, zone %8s, type %12s %6d %6d %6d %6d %6d %6d %6d %6d %6d %6d %6d \n"
		      " \n"
		      "-Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic      "
		      "Isolate \n"
		      "-Node %d, zone %8s %12d %12d %12d %12d %12d \n"
		      "-Node %d, zone %8s %12d %12d %12d %12d %12d \n"
		      "+Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic \n"
		      "~Node %d, zone %8s %12d %12d %12d %12d \n");
	check("/proc/zoneinfo", "{\n"
				" Node %d, zone %8s\n"
				"?  per-node stats\n"
				"~      %-12s %d\n"
				"   pages free     %d\n"
				"         boost    %d\n"
				"         min      %d\n"
				"         low      %d\n"
				"         high     %d\n"
				"         spanned  %d\n"
				"         present  %d\n"
				"         managed  %d\n"
				"         cma      %d\n"
				"         protection: (%*\n"
				"~      %-12s %d\n"
				"?  pagesets\n" PAGESETS_16 "~  vm stats threshold: %d\n"
				"?  node_unreclaimable:  %d\n"
				"?  start_pfn:           %d\n"
				"}\n");
	check("/proc/vmstat", " nr_free_pages %d\n"
			      "*%s %d\n");
	check("/sys/devices/system/node/node0/vmstat", " nr_free_pages %d\n"
						       "*%s %d\n");
	check("/sys/devices/system/node/node0/numastat", " numa_hit %d\n"
							 " numa_miss %d\n"
							 " numa_foreign %d\n"
							 " interleave_hit %d\n"
							 " local_node %d\n"
							 " other_node %d\n");
}

TEST(lists, "/proc/slabinfo, iomem and swaps: a column")
{
	if (geteuid() == 0)
		check("/proc/slabinfo",
		      " slabinfo - version: 2.1\n"
		      " # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : "
		      "tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> "
		      "<sharedavail>\n"
		      "*%-17s %6d %6d %6d %4d %4d : tunables %4d %4d %4d : slabdata %6d %6d %6d\n");
	/* what is in a range is indented below it */
	check("/proc/iomem", "{\n"
			     " %08x-%08x : %*\n"
			     "~  %*\n"
			     "}\n");
	if (geteuid() == 0)
		CHECK(strstr(text, " : System RAM\n") && strstr(text, " : Kernel code\n") &&
		      strstr(text, " : Kernel bss\n"));
	check("/proc/swaps", " Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}

/* --- the machine ----------------------------------------------------------------------------------- */

static void check_interrupts(void)
{
	char head[512] = "", counts[512] = "", want[4096];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (long cpu = 0; cpu < cpus; cpu++) {
		snprintf(head + strlen(head), sizeof(head) - strlen(head), "CPU%-8ld", cpu);
		strcat(counts, "%10d ");
	}
	snprintf(want, sizeof(want),
		 "            %s\n"
		 "*%%3d: %s  %%*\n"
		 "-NMI: %s  Non-maskable interrupts\n"
		 " LOC: %s  Local timer interrupts\n"
		 "~%%3s: %s  %%*\n"
		 " ERR: %%10d\n"
		 "-MIS: %%10d\n"
		 "~%%3s: %s  %%*\n",
		 head, counts, counts, counts, counts, counts);
	check("/proc/interrupts", want);
	CHECK(strstr(text, "\nRES: ") && strstr(text, "   Rescheduling interrupts\n"));
	CHECK(strstr(text, "\nCAL: ") && strstr(text, "   Function call interrupts\n"));
}

TEST(machine, "stat, uptime, loadavg, cpuinfo, version, interrupts, devices ...")
{
	check("/proc/stat", " cpu  %d %d %d %d %d %d %d %d %d %d\n"
			    "*cpu%d %d %d %d %d %d %d %d %d %d %d\n"
			    " intr %d %*\n"
			    " ctxt %d\n"
			    " btime %d\n"
			    " processes %d\n"
			    " procs_running %d\n"
			    " procs_blocked %d\n"
			    " softirq %d %d %d %d %d %d %d %d %d %d %d\n");
	check("/proc/uptime", " %.2f %.2f\n");
	check("/proc/loadavg", " %.2f %.2f %.2f %d/%d %d\n");
	check("/proc/version", " Linux version 6.1.0-%s (%s) (%*\n");
	check("/proc/cmdline", " %*\n");
	check("/proc/filesystems", "{\n~nodev\t%s\n~\t%s\n}\n");
	check("/proc/partitions", "?major minor  #blocks  name\n?\n~%4d  %7d %10d %s\n");
	check("/proc/diskstats",
	      "~%4d %7d %s %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d\n");
	check("/proc/devices", " Character devices:\n"
			       " %3d mem\n"
			       "*%3d %s\n"
			       " \n"
			       " Block devices:\n"
			       "~%3d %s\n");
	check_interrupts();
	check("/proc/cpuinfo", "{\n"
			       " processor\t: %d\n"
			       " vendor_id\t: %s\n"
			       " cpu family\t: %d\n"
			       " model\t\t: %d\n"
			       " model name\t: %*\n"
			       " stepping\t: %s\n"
			       "-microcode\t: %s\n"
			       " cpu MHz\t\t: %s\n"
			       "-cache size\t: %d KB\n"
			       " physical id\t: %d\n"
			       " siblings\t: %d\n"
			       " core id\t\t: %d\n"
			       " cpu cores\t: %d\n"
			       " apicid\t\t: %d\n"
			       " initial apicid\t: %d\n"
			       " fpu\t\t: yes\n"
			       " fpu_exception\t: yes\n"
			       " cpuid level\t: %d\n"
			       " wp\t\t: yes\n"
			       " flags\t\t: fpu %*\n"
			       "?vmx flags\t: %*\n"
			       " bugs\t\t:%*\n"
			       " bogomips\t: %.2f\n"
			       "?TLB size\t: %*\n"
			       " clflush size\t: %d\n"
			       " cache_alignment\t: %d\n"
			       " address sizes\t: %d bits physical, %d bits virtual\n"
			       " power management:%*\n"
			       " \n"
			       "}\n");
	check("/proc/mounts", "*%s /%* \n");
}

/* What the files about sets of CPUs say, by the number of those that are online. */
static void check_cpus(long cpus)
{
	char path[128], all[32], map[32], own[32];
	const struct {
		const char *name, *want;
	} files[] =
		{
			{"cpu/online", all},        {"cpu/possible", all},
			{"cpu/present", all},       {"node/node0/cpulist", all},
			{"node/node0/cpumap", map},
		},
	  of_each[] = {
		  {"physical_package_id", " 0\n"}, {"die_id", " 0\n"},
		  {"core_siblings", map},          {"core_siblings_list", all},
		  {"package_cpus", map},           {"package_cpus_list", all},
	  };
	static const char *const own_id[] = {"core_id", "core_cpus_list", "thread_siblings_list"};
	static const char *const own_map[] = {"core_cpus", "thread_siblings"};

	snprintf(all, sizeof(all), cpus > 1 ? " 0-%ld\n" : " %ld\n", cpus - 1);
	snprintf(map, sizeof(map), " %lx\n", (1L << cpus) - 1);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/%s", files[i].name);
		check(path, files[i].want);
	}
	for (long cpu = 0; cpu < cpus; cpu++) {
		int at = snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/topology/",
				  cpu);

		for (size_t i = 0; i < sizeof(of_each) / sizeof(of_each[0]); i++) {
			strcpy(path + at, of_each[i].name);
			check(path, of_each[i].want);
		}
		snprintf(own, sizeof(own), " %ld\n", cpu);
		for (size_t i = 0; i < sizeof(own_id) / sizeof(own_id[0]); i++) {
			strcpy(path + at, own_id[i]);
			check(path, own);
		}
		snprintf(own, sizeof(own), " %lx\n", 1L << cpu);
		for (size_t i = 0; i < sizeof(own_map) / sizeof(own_map[0]); i++) {
			strcpy(path + at, own_map[i]);
			check(path, own);
		}
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/online", cpu);
		if (cpu) /* the first one has none: it stays */
			check(path, " 1\n");
	}
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld", cpus);
	CHECK_ERRNO(access(path, F_OK), ENOENT);
}

TEST(sysfs, "/sys: what lscpu and other tools read about CPUs, the node, huge pages")
{
	static const char *const ones[][2] = {
		{"cpu/offline", " \n"},           {"cpu/isolated", " \n"},
		{"cpu/kernel_max", " %d\n"},      {"node/online", " 0\n"},
		{"node/possible", " 0\n"},        {"node/has_cpu", " 0\n"},
		{"node/has_memory", " 0\n"},      {"node/has_normal_memory", " 0\n"},
		{"node/node0/distance", " 10\n"},
	};
	char path[128];
	struct stat st;

	for (size_t i = 0; i < sizeof(ones) / sizeof(ones[0]); i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/%s", ones[i][0]);
		check(path, ones[i][1]);
	}
	check_cpus(sysconf(_SC_NPROCESSORS_ONLN));
	check("/sys/kernel/mm/transparent_hugepage/enabled", " always madvise [never]\n");
	check("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", " 2097152\n");
	OK(stat("/sys/devices/system/cpu", &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0755);
	OK(stat("/sys", &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0555);
}

/* --- processes ----------------------------------------------------------------------------------------- */

#define MAPS_LINE "%08x-%08x %s %08x %02x:%02x %d "
#define SMAPS_SUMS                  \
	" Rss:            %8d kB\n" \
	" Pss:            %8d kB\n" \
	" Pss_Dirty:      %8d kB\n"
#define SMAPS_REST                   \
	" Shared_Clean:   %8d kB\n"  \
	" Shared_Dirty:   %8d kB\n"  \
	" Private_Clean:  %8d kB\n"  \
	" Private_Dirty:  %8d kB\n"  \
	" Referenced:     %8d kB\n"  \
	" Anonymous:      %8d kB\n"  \
	" LazyFree:       %8d kB\n"  \
	" AnonHugePages:  %8d kB\n"  \
	" ShmemPmdMapped: %8d kB\n"  \
	" FilePmdMapped:  %8d kB\n"  \
	" Shared_Hugetlb: %8d kB\n"  \
	" Private_Hugetlb: %7d kB\n" \
	" Swap:           %8d kB\n"  \
	" SwapPss:        %8d kB\n"  \
	" Locked:         %8d kB\n"

TEST(maps, "maps, smaps, smaps_rollup: a field, its width, or the column of names")
{
	static const char names[] = "*" MAPS_LINE "%*\n";
	int fd = ut_file("file with a blank", "data", 4);

	OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	ut_map_alone(PAGE);
	check("/proc/self/maps", names);
	/* a line without a name ends with one blank, and names begin in column 73 */
	for (char *p = text, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		*end = 0;
		char *name = strpbrk(p, "/[");
		if (name ? name - p != 73 : end[-1] != ' ' || end[-2] == ' ')
			FAIL("\"%s\": its end or its name", p);
	}
	check("/proc/self/smaps",
	      "{\n"
	      " " MAPS_LINE "%*\n"
	      " Size:           %8d kB\n"
	      " KernelPageSize: %8d kB\n"
	      " MMUPageSize:    %8d kB\n" SMAPS_SUMS SMAPS_REST " THPeligible:    %d\n"
	      "?ProtectionKey:  %8d\n"
	      " VmFlags: %*\n"
	      "}\n");
	check("/proc/self/smaps_rollup",
	      " %08x-%08x ---p 00000000 00:00 0                              [rollup]\n" SMAPS_SUMS
	      " Pss_Anon:       %8d kB\n"
	      " Pss_File:       %8d kB\n"
	      " Pss_Shmem:      %8d kB\n" SMAPS_REST);
}

TEST(process, "stat, statm, status, limits, io and the small files of a process")
{
	check("/proc/self/stat",
	      " %d (%s) %s %d %d %d %i %i %d %d %d %d %d %d %d %i %i %i %i %i %d %d %d %d %d %d %d %d "
	      "%d %d %d %d %d %d %d %d %d %i %d %d %d %d %d %i %d %d %d %d %d %d %d %i\n");
	check("/proc/self/statm", " %d %d %d %d %d %d %d\n");
	check("/proc/self/status", " Name:\tt_format\n"
				   " Umask:\t%04d\n"
				   " State:\tR (running)\n"
				   " Tgid:\t%d\n"
				   " Ngid:\t%d\n"
				   " Pid:\t%d\n"
				   " PPid:\t%d\n"
				   " TracerPid:\t%d\n"
				   " Uid:\t%d\t%d\t%d\t%d\n"
				   " Gid:\t%d\t%d\t%d\t%d\n"
				   " FDSize:\t%d\n"
				   " Groups:\t%*\n"
				   " NStgid:\t%d\n"
				   " NSpid:\t%d\n"
				   " NSpgid:\t%d\n"
				   " NSsid:\t%d\n"
				   " VmPeak:\t%8d kB\n"
				   " VmSize:\t%8d kB\n"
				   " VmLck:\t%8d kB\n"
				   " VmPin:\t%8d kB\n"
				   " VmHWM:\t%8d kB\n"
				   " VmRSS:\t%8d kB\n"
				   " RssAnon:\t%8d kB\n"
				   " RssFile:\t%8d kB\n"
				   " RssShmem:\t%8d kB\n"
				   " VmData:\t%8d kB\n"
				   " VmStk:\t%8d kB\n"
				   " VmExe:\t%8d kB\n"
				   " VmLib:\t%8d kB\n"
				   " VmPTE:\t%8d kB\n"
				   " VmSwap:\t%8d kB\n"
				   " HugetlbPages:\t%8d kB\n"
				   " CoreDumping:\t%d\n"
				   " THP_enabled:\t%d\n"
				   " Threads:\t%d\n"
				   " SigQ:\t%d/%d\n"
				   " SigPnd:\t%016x\n"
				   " ShdPnd:\t%016x\n"
				   " SigBlk:\t%016x\n"
				   " SigIgn:\t%016x\n"
				   " SigCgt:\t%016x\n"
				   " CapInh:\t%016x\n"
				   " CapPrm:\t%016x\n"
				   " CapEff:\t%016x\n"
				   " CapBnd:\t%016x\n"
				   " CapAmb:\t%016x\n"
				   " NoNewPrivs:\t%d\n"
				   " Seccomp:\t%d\n"
				   " Seccomp_filters:\t%d\n"
				   " Speculation_Store_Bypass:\t%*\n"
				   " SpeculationIndirectBranch:\t%*\n"
				   " Cpus_allowed:\t%x\n"
				   " Cpus_allowed_list:\t%s\n"
				   " Mems_allowed:\t%*\n"
				   " Mems_allowed_list:\t0\n"
				   " voluntary_ctxt_switches:\t%d\n"
				   " nonvoluntary_ctxt_switches:\t%d\n");
	check("/proc/self/limits",
	      " Limit                     Soft Limit           Hard Limit           Units     \n"
	      " Max cpu time              %-20s %-20s seconds   \n"
	      " Max file size             %-20s %-20s bytes     \n"
	      " Max data size             %-20s %-20s bytes     \n"
	      " Max stack size            %-20s %-20s bytes     \n"
	      " Max core file size        %-20s %-20s bytes     \n"
	      " Max resident set          %-20s %-20s bytes     \n"
	      " Max processes             %-20s %-20s processes \n"
	      " Max open files            %-20s %-20s files     \n"
	      " Max locked memory         %-20s %-20s bytes     \n"
	      " Max address space         %-20s %-20s bytes     \n"
	      " Max file locks            %-20s %-20s locks     \n"
	      " Max pending signals       %-20s %-20s signals   \n"
	      " Max msgqueue size         %-20s %-20s bytes     \n"
	      " Max nice priority         %-20s %-20s \n"
	      " Max realtime priority     %-20s %-20s \n"
	      " Max realtime timeout      %-20s %-20s us        \n");
	check("/proc/self/io", " rchar: %d\n"
			       " wchar: %d\n"
			       " syscr: %d\n"
			       " syscw: %d\n"
			       " read_bytes: %d\n"
			       " write_bytes: %d\n"
			       " cancelled_write_bytes: %d\n");
	check("/proc/self/comm", " t_format\n");
	check("/proc/self/oom_score", " %d\n");
	check("/proc/self/oom_score_adj", " %i\n");
	check("/proc/self/personality", " %08x\n");
	check("/proc/self/syscall", " %d 0x%x 0x%x 0x%x 0x%x 0x%x 0x%x 0x%x 0x%x\n");
	check("/proc/self/fdinfo/0", " pos:\t%d\n"
				     " flags:\t0%d\n"
				     " mnt_id:\t%d\n"
				     " ino:\t%d\n"
				     "~%s\t%*\n");
	check("/proc/self/mountinfo", "*%d %d %d:%d / /%*\n");
	if (geteuid() != 0)
		return;
	char path[64];
	pid_t pid = CHILD({ pause(); });
	ut_wait_state(pid, 'S');
	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	check(path, "*[<0>] %s+0x%x/0x%x\n");
	OK(kill(pid, SIGKILL));
	CHECK_SIGNALED(pid, SIGKILL);
}
