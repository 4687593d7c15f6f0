/* SPDX-License-Identifier: MIT */
#pragma once

/* Sets COM1 up and makes it the log's console. Before anything is printed; interrupts off. */
void serial_early_init(void);
