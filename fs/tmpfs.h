/* SPDX-License-Identifier: MIT */
/*
 * What devtmpfs and mount.c use of tmpfs.
 */
#pragma once

#include <fs/vfs.h>

/* Makes a device node or directory, owned by root, whoever runs: 0, -EEXIST, -ENOMEM, -ENOSPC. */
int tmpfs_add_node(struct dentry *dir, const char *name, size_t len, kmode_t mode, kdev_t rdev);

/* Half of RAM, or what is used and half of what is free. */
void tmpfs_default_limits(struct super_block *sb);
