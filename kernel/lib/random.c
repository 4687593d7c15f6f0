/* SPDX-License-Identifier: MIT */
/*
 * Random bytes by ChaCha20 (RFC 8439) with fast key erasure: each call produces a block whose first
 * half becomes the next key, so that what was handed out cannot be computed from what is left.
 *
 * The key is seeded on first use from RDRAND where the processor has it, and from the time-stamp
 * counter; each call stirs in the counter again. Under QEMU's -icount, and with its RDRAND seeded
 * (-seed N), this repeats, as tests want.
 *
 * Locking: one spinlock with interrupts off, made of an atomic here because kernel/lib is below
 * kernel/sync; held for at most one block (some 1000 instructions).
 *
 * Simplified against a production kernel: no entropy accounting and no reseeding. The state never
 * blocks; a machine with neither RDRAND nor a free-running counter has no secrets.
 */
#include <kernel/lib/random.h>
#include <kernel/lib/string.h>
#include <kernel/x86/cpu.h>
#include <kernel/x86/cpufeature.h>
#include <kernel/x86/irqflags.h>

#define BLOCK_SIZE 64
#define KEY_SIZE   32

static u32 key[KEY_SIZE / 4];
static u64 block_counter;
static bool seeded;
static u32 busy;

static unsigned long pool_lock(void)
{
	unsigned long flags = local_irq_save();

	while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
	return flags;
}

static void pool_unlock(unsigned long flags)
{
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
	local_irq_restore(flags);
}

static u32 rotl(u32 v, unsigned int n)
{
	return v << n | v >> (32 - n);
}

static __always_inline void quarter_round(u32 *s, int a, int b, int c, int d)
{
	s[a] += s[b];
	s[d] = rotl(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotl(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotl(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotl(s[b] ^ s[c], 7);
}

static void chacha20_block(u32 out[16])
{
	u32 in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(in + 4, key, KEY_SIZE);
	in[12] = (u32)block_counter;
	in[13] = (u32)(block_counter >> 32);
	block_counter++;
	memcpy(out, in, sizeof(in));
	for (int i = 0; i < 10; i++) {
		quarter_round(out, 0, 4, 8, 12);
		quarter_round(out, 1, 5, 9, 13);
		quarter_round(out, 2, 6, 10, 14);
		quarter_round(out, 3, 7, 11, 15);
		quarter_round(out, 0, 5, 10, 15);
		quarter_round(out, 1, 6, 11, 12);
		quarter_round(out, 2, 7, 8, 13);
		quarter_round(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += in[i];
}

static u64 hardware_random(void)
{
	u64 v = 0;
	u8 ok = 0;

	if (!cpu_has_rdrand())
		return 0;
	for (int tries = 0; tries < 10 && !ok; tries++)
		__asm__ __volatile__("rdrand %0; setc %1" : "=r"(v), "=qm"(ok) : : "cc");
	return v;
}

/* The next key is the first half of a block: whatever was mixed into the old one spreads. */
static void stir(void)
{
	u32 block[16];

	chacha20_block(block);
	memcpy(key, block, KEY_SIZE);
}

static void seed_locked(void)
{
	for (int i = 0; i < KEY_SIZE / 8; i++) {
		u64 v = hardware_random() ^ rdtsc();

		key[2 * i] ^= (u32)v;
		key[2 * i + 1] ^= (u32)(v >> 32);
		stir();
	}
	seeded = true;
}

/* Up to half a block of output; the other half is the next key. */
static void take_half_block(void *buf, size_t n)
{
	u32 block[16];
	unsigned long flags = pool_lock();

	if (!seeded)
		seed_locked();
	key[0] ^= (u32)rdtsc();
	chacha20_block(block);
	memcpy(key, block, KEY_SIZE);
	pool_unlock(flags);
	memcpy(buf, (u8 *)block + KEY_SIZE, n);
}

void get_random_bytes(void *buf, size_t n)
{
	u8 *p = buf;

	while (n) {
		size_t part = min(n, (size_t)(BLOCK_SIZE - KEY_SIZE));

		take_half_block(p, part);
		p += part;
		n -= part;
	}
}

u64 get_random_u64(void)
{
	u64 v;

	get_random_bytes(&v, sizeof(v));
	return v;
}
