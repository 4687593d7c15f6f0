/* SPDX-License-Identifier: MIT */
/*
 * Wall time from the CMOS clock (MC146818). Read once at boot; from there on the time-stamp counter
 * keeps time. The registers change under the reader once a second: they are read when no update is
 * in progress, until two readings agree.
 */
#include <kernel/x86/cpu.h>
#include <kernel/x86/rtc.h>

#define CMOS_INDEX        0x70
#define CMOS_DATA         0x71
#define RTC_SECOND        0x00
#define RTC_MINUTE        0x02
#define RTC_HOUR          0x04
#define RTC_DAY           0x07
#define RTC_MONTH         0x08
#define RTC_YEAR          0x09
#define RTC_STATUS_A      0x0a
#define RTC_STATUS_B      0x0b
#define STATUS_A_UPDATING 0x80
#define STATUS_B_24H      0x02
#define STATUS_B_BINARY   0x04
#define HOUR_PM           0x80

struct rtc_time {
	u8 second, minute, hour, day, month, year;
};

static u8 cmos_read(u8 reg)
{
	outb(CMOS_INDEX, reg);
	return inb(CMOS_DATA);
}

static struct rtc_time read_registers(void)
{
	/* Without a clock chip the bit may stay set: do not wait for ever. An update takes 2 ms. */
	for (int tries = 0; tries < 100000 && (cmos_read(RTC_STATUS_A) & STATUS_A_UPDATING);
	     tries++)
		cpu_relax();
	return (struct rtc_time){
		.second = cmos_read(RTC_SECOND),
		.minute = cmos_read(RTC_MINUTE),
		.hour = cmos_read(RTC_HOUR),
		.day = cmos_read(RTC_DAY),
		.month = cmos_read(RTC_MONTH),
		.year = cmos_read(RTC_YEAR),
	};
}

static unsigned int from_bcd(u8 v, u8 status_b)
{
	return status_b & STATUS_B_BINARY ? v : (v >> 4) * 10u + (v & 0xf);
}

/* Days from 1970-01-01, by the civil calendar: years are counted from March, so that the leap day
 * comes last, and 1970-01-01 is day 719468 of that count. */
static s64 days_since_1970(unsigned int year, unsigned int month, unsigned int day)
{
	unsigned int y = month <= 2 ? year - 1 : year;
	unsigned int m = month <= 2 ? month + 9 : month - 3;

	return (s64)365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

s64 rtc_read(void)
{
	struct rtc_time a, b = read_registers();
	u8 status_b = cmos_read(RTC_STATUS_B);
	unsigned int hour, year;
	bool pm;

	for (int tries = 0; tries < 10; tries++) {
		a = b;
		b = read_registers();
		if (!__builtin_memcmp(&a, &b, sizeof(a)))
			break;
	}
	pm = !(status_b & STATUS_B_24H) && (b.hour & HOUR_PM);
	hour = from_bcd(b.hour & (status_b & STATUS_B_24H ? 0xff : 0x7f), status_b);
	if (!(status_b & STATUS_B_24H))
		hour = hour % 12 + (pm ? 12 : 0);
	year = from_bcd(b.year, status_b);
	year += year < 70 ? 2000 :
			    1900; /* the century register is not where all machines have it */
	return ((days_since_1970(year, from_bcd(b.month, status_b), from_bcd(b.day, status_b)) *
			 24 +
		 hour) * 60 +
		from_bcd(b.minute, status_b)) *
		       60 +
	       from_bcd(b.second, status_b);
}
