/* SPDX-License-Identifier: MIT */
/*
 * Swapped pages of shmem mappings.
 */
#include <mm/swap_internal.h>

int shmem_unuse(unsigned int area __unused)
{
	return 0;
}
