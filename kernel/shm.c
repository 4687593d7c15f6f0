/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory: shmget, shmat, shmdt, shmctl (sysvipc(7)).
 *
 * A segment is an unnamed file in memory (as behind MAP_SHARED|MAP_ANONYMOUS) with an id, perhaps a
 * key, an owner and a mode. Attaching it maps that file: each shmat() makes an open file of its own,
 * because read-only and writable attachments of one segment exist side by side.
 *
 *	segment --file--> inode, pages <--.
 *	   ^ nattch                       | mapping
 *	   '------------ open file (private) <-- vma, vma (fork, split) ...
 *
 * mm tells of each vma that comes and goes through the mappable's get and put, and so nattch counts
 * vmas, as on Linux. IPC_RMID takes the key away; the segment itself ends with its last vma, and until
 * then it can be attached by its id.
 *
 * An id is index + 32768 * sequence number, so that the id of a removed segment is not soon another's.
 *
 * Locking: shm_lock for everything here; a leaf but for the dentry cache. Files are opened and put,
 * and memory is mapped, without it: who found a segment and goes on with it counts in nattch.
 *
 * Simplified: no namespaces, no SHM_HUGETLB (ENOMEM, as on Linux with an empty pool); a fault that has
 * to wait counts as an attachment meanwhile; SHM_LOCK only notes that it was asked for, as nothing
 * takes these pages away.
 */
#include <fs/seq_file.h>
#include <fs/vfs.h>
#include <kernel/internal.h>
#include <kernel/lib/printf.h>
#include <kernel/shm.h>
#include <kernel/syscall.h>
#include <kernel/x86/uaccess.h>
#include <mm/slab.h>
#include <mm/vma.h>

#define IPC_CREAT     01000
#define IPC_EXCL      02000
#define IPC_PRIVATE   0
#define SHM_HUGETLB   04000
#define SHM_NORESERVE 010000
#define SHM_RDONLY    010000
#define SHM_RND       020000
#define SHM_REMAP     040000
#define SHM_EXEC      0100000
#define SHM_DEST      01000 /* in the mode: ends with its last attachment */
#define SHM_LOCKED    02000
#define INDEX_BITS    15 /* Linux's IPCMNI */
#define INDEX_MAX     (1 << INDEX_BITS)
#define SEQUENCE_MAX  (INT32_MAX >> INDEX_BITS)

enum {
	IPC_RMID,
	IPC_SET,
	IPC_STAT,
	IPC_INFO,
	SHM_LOCK = 11,
	SHM_UNLOCK,
	SHM_STAT,
	SHM_INFO,
	SHM_STAT_ANY,
};

struct ipc64_perm { /* the ABI's, as what follows */
	s32 key;
	u32 uid, gid, cuid, cgid, mode;
	u16 seq, pad[3];
	u64 unused[2];
};

struct shmid64_ds {
	struct ipc64_perm perm;
	u64 segsz;
	s64 atime, dtime, ctime;
	s32 cpid, lpid;
	u64 nattch, unused[2];
};

struct shminfo64 {
	u64 shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};

struct shm_info {
	s32 used_ids, pad;
	u64 tot, rss, swp, swap_attempts, swap_successes;
};

struct shm_segment {
	struct list_head node; /* (s) in segments */
	int id;                /* (c) */
	struct shmid64_ds ds;  /* (s) what IPC_STAT shows */
	struct file *file;     /* (c) referenced */
};

static spinlock_t shm_lock = SPINLOCK_INIT(LOCK_FS);
static LIST_HEAD(segments);                        /* (s) by index */
static int nr_segments, last_index = -1, sequence; /* (s) */
static unsigned long shm_pages;                    /* (s) of all segments */
unsigned long shm_max = INT64_MAX, shm_all = INT64_MAX;
int shm_mni = 4096;
/* (s) shm_lock  (c) constant */

static int index_of(const struct shm_segment *s)
{
	return s->id & (INDEX_MAX - 1);
}

static unsigned long pages_of(const struct shm_segment *s)
{
	return DIV_ROUND_UP(s->ds.segsz, PAGE_SIZE);
}

static s64 now(void)
{
	return current_time().tv_sec;
}

/* --- finding, and who may ----------------------------------------------------------------- */

static struct shm_segment *find_id_locked(int id)
{
	struct shm_segment *s;

	assert_spin_held(&shm_lock);
	list_for_each_entry(s, &segments, node)
		if (s->id == id)
			return s;
	return NULL;
}

static struct shm_segment *find_index_locked(int index)
{
	struct shm_segment *s;

	assert_spin_held(&shm_lock);
	list_for_each_entry(s, &segments, node)
		if (index_of(s) == index)
			return s;
	return NULL;
}

static struct shm_segment *find_key_locked(int key)
{
	struct shm_segment *s;

	assert_spin_held(&shm_lock);
	list_for_each_entry(s, &segments, node)
		if (key != IPC_PRIVATE && s->ds.perm.key == key)
			return s;
	return NULL;
}

static bool owns(const struct ipc64_perm *p)
{
	kuid_t me = current->cred.euid;

	return me == p->uid || me == p->cuid;
}

/* mode: rwx bits, in any of the three places. */
static bool permitted(const struct shm_segment *s, unsigned int mode)
{
	const struct ipc64_perm *p = &s->ds.perm;
	unsigned int granted = p->mode, wanted = mode >> 6 | mode >> 3 | mode;

	if (owns(p))
		granted >>= 6;
	else if (in_group(p->gid) || in_group(p->cgid))
		granted >>= 3;
	return !(wanted & ~granted & 7) || capable(CAP_IPC_OWNER);
}

/* --- life --------------------------------------------------------------------------------- */

/* Takes the segment from the list if nothing keeps it; the caller then frees it, unlocked. */
static bool ends_locked(struct shm_segment *s)
{
	assert_spin_held(&shm_lock);
	if (s->ds.nattch || !(s->ds.perm.mode & SHM_DEST))
		return false;
	list_del(&s->node);
	nr_segments--;
	shm_pages -= pages_of(s);
	return true;
}

static void segment_free(struct shm_segment *s)
{
	fput(s->file);
	kfree(s);
}

/* An attachment, or whoever counted as one, goes. */
static void segment_put(struct shm_segment *s, bool detached)
{
	spin_lock(&shm_lock);
	s->ds.nattch--;
	if (detached) {
		s->ds.dtime = now();
		s->ds.lpid = current->proc->pid;
	}
	bool ends = ends_locked(s);
	spin_unlock(&shm_lock);
	if (ends)
		segment_free(s);
}

static void attached(struct mappable *m)
{
	struct shm_segment *s = file_of_mappable(m)->private;

	get_file(file_of_mappable(m));
	spin_lock(&shm_lock);
	s->ds.nattch++;
	s->ds.atime = now();
	s->ds.lpid = current->proc->pid;
	spin_unlock(&shm_lock);
}

static void detached(struct mappable *m)
{
	struct shm_segment *s = file_of_mappable(m)->private;

	fput(file_of_mappable(m));
	segment_put(s, true);
}

static int punch(struct mappable *m, loff_t from, loff_t to)
{
	return (int)vfs_fallocate(file_of_mappable(m), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  from, to - from);
}

static const struct mappable_ops shm_mappable_ops = {
	.get = attached,
	.put = detached,
	.punch = punch,
};

/* --- shmget ------------------------------------------------------------------------------- */

static struct shm_segment *segment_alloc(int key, size_t size, int flags)
{
	struct shm_segment *s = kzalloc(sizeof(*s), GFP_KERNEL);
	const struct cred *c = &current->cred;
	char name[16];
	int err = 0;

	if (!s)
		return ERR_PTR(-ENOMEM);
	scnprintf(name, sizeof(name), "/SYSV%08x", (u32)key);
	s->file = shmem_file(name, (loff_t)size, F_SEAL_SEAL);
	if (IS_ERR(s->file))
		err = (int)PTR_ERR(s->file);
	else if (!(flags & SHM_NORESERVE) || sysctl_overcommit_memory == 2)
		err = shmem_promise(file_mappable(s->file), PAGE_ALIGN(size));
	if (err) {
		if (!IS_ERR(s->file))
			fput(s->file);
		kfree(s);
		return ERR_PTR(err);
	}
	s->ds = (struct shmid64_ds){
		.perm.key = key,
		.perm.uid = c->euid,
		.perm.gid = c->egid,
		.perm.cuid = c->euid,
		.perm.cgid = c->egid,
		.perm.mode = (u32)flags & 0777,
		.segsz = size,
		.ctime = now(),
		.cpid = current->proc->pid,
	};
	return s;
}

static int check_limits_locked(unsigned long pages)
{
	return nr_segments >= min(shm_mni, INDEX_MAX) || shm_pages + pages > shm_all ? -ENOSPC : 0;
}

/* Gives s the lowest free index and enters it: its id. */
static int enter_locked(struct shm_segment *s)
{
	struct list_head *at = segments.next;
	int index = 0;

	assert_spin_held(&shm_lock);
	for (; at != &segments; at = at->next, index++)
		if (index_of(list_entry(at, struct shm_segment, node)) > index)
			break;
	if (index <= last_index)
		sequence = (sequence + 1) % SEQUENCE_MAX;
	last_index = index;
	s->id = s->file->inode->ino = sequence << INDEX_BITS | index;
	s->ds.perm.seq = (u16)sequence;
	list_add_tail(&s->node, at);
	nr_segments++;
	shm_pages += pages_of(s);
	return s->id;
}

static int existing_locked(const struct shm_segment *s, size_t size, int flags)
{
	if ((flags & IPC_CREAT) && (flags & IPC_EXCL))
		return -EEXIST;
	if (size > s->ds.segsz)
		return -EINVAL;
	return permitted(s, (unsigned int)flags) ? s->id : -EACCES;
}

static int shm_create(int key, size_t size, int flags)
{
	struct shm_segment *s, *other;
	int ret;

	if (!size || size > shm_max)
		return -EINVAL;
	if (flags & SHM_HUGETLB)
		return -ENOMEM;
	spin_lock(&shm_lock);
	ret = check_limits_locked(DIV_ROUND_UP(size, PAGE_SIZE));
	spin_unlock(&shm_lock);
	if (ret)
		return ret;
	s = segment_alloc(key, size, flags);
	if (IS_ERR(s))
		return (int)PTR_ERR(s);
	spin_lock(&shm_lock);
	other = find_key_locked(key); /* someone was faster */
	ret = other ? existing_locked(other, size, flags) : check_limits_locked(pages_of(s));
	if (!other && !ret) {
		ret = enter_locked(s);
		s = NULL;
	}
	spin_unlock(&shm_lock);
	if (s)
		segment_free(s);
	return ret;
}

SYSCALL3(shmget, int, key, size_t, size, int, flags)
{
	struct shm_segment *s;
	int ret = -ENOENT;

	spin_lock(&shm_lock);
	s = find_key_locked(key);
	if (s)
		ret = existing_locked(s, size, flags);
	spin_unlock(&shm_lock);
	return s || (key != IPC_PRIVATE && !(flags & IPC_CREAT)) ? ret :
								   shm_create(key, size, flags);
}

/* --- shmat, shmdt ------------------------------------------------------------------------- */

static long attach(struct shm_segment *s, unsigned long addr, int flags, int map_flags)
{
	int prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) |
		   (flags & SHM_EXEC ? PROT_EXEC : 0);
	struct file *f __put(file) =
		file_alloc(&s->file->path, flags & SHM_RDONLY ? O_RDONLY : O_RDWR, s->file->ops);
	long ret;

	if (!f)
		return -ENOMEM;
	if (addr + s->ds.segsz < addr)
		return -EINVAL;
	f->private = s;
	f->mappable.ops = &shm_mappable_ops;
	ret = do_mmap(own_mm(), file_mappable(f), addr, s->ds.segsz, prot, map_flags, 0);
	return ret == -EEXIST ? -EINVAL : ret;
}

SYSCALL3(shmat, int, id, unsigned long, addr, int, flags)
{
	unsigned int mode = (flags & SHM_RDONLY ? 0444 : 0666) | (flags & SHM_EXEC ? 0111 : 0);
	int map_flags = MAP_SHARED | (addr ? MAP_FIXED : 0);
	struct shm_segment *s;
	long ret = 0;

	if (flags & SHM_RND)
		addr &= PAGE_MASK;
	if ((addr & ~PAGE_MASK) || (!addr && (flags & SHM_REMAP)))
		return -EINVAL;
	if (addr && !(flags & SHM_REMAP))
		map_flags |= MAP_FIXED_NOREPLACE;
	spin_lock(&shm_lock);
	s = find_id_locked(id);
	if (!s)
		ret = -EINVAL;
	else if (!permitted(s, mode))
		ret = -EACCES;
	else
		s->ds.nattch++;
	spin_unlock(&shm_lock);
	if (ret)
		return ret;
	ret = attach(s, addr, flags, map_flags);
	segment_put(s, false);
	return ret;
}

/* The segment of which this is the part that it would be if the segment began at addr; or NULL. */
static const struct shm_segment *part_at(const struct vm_area_struct *vma, vaddr_t addr)
{
	if (!vma->file || vma->file->ops != &shm_mappable_ops ||
	    vma->start - addr != vma->pgoff << PAGE_SHIFT)
		return NULL;
	return file_of_mappable(vma->file)->private;
}

static int detach_locked(struct mm_struct *mm, vaddr_t addr, struct vma_graveyard *dead)
{
	const struct mappable *file = NULL;
	struct vm_area_struct *vma, *next;
	vaddr_t end = TASK_SIZE;
	int err = -EINVAL;

	for (vma = find_vma(mm, addr); vma && vma->start < end; vma = next) {
		const struct shm_segment *s = part_at(vma, addr);

		next = vma_next(vma);
		if (!s || (file && vma->file != file))
			continue;
		file = vma->file;
		end = addr + PAGE_ALIGN(s->ds.segsz);
		err = munmap_locked(mm, vma->start, vma->end - vma->start, dead);
		if (err)
			break;
	}
	return err;
}

SYSCALL1(shmdt, unsigned long, addr)
{
	struct vma_graveyard dead = {NULL};
	struct mm_struct *mm = current_mm();
	int err;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = detach_locked(mm, addr, &dead);
	up_write(&mm->mmap_lock);
	bury(&dead);
	return err;
}

/* --- shmctl ------------------------------------------------------------------------------- */

static int highest_index_locked(void)
{
	return list_empty(&segments) ?
		       0 :
		       index_of(list_entry(segments.prev, struct shm_segment, node));
}

static long ctl_limits(struct shminfo64 __user *u)
{
	struct shminfo64 info = {shm_max, 1, (u64)shm_mni, (u64)shm_mni, shm_all, {}};

	spin_lock(&shm_lock);
	int ret = highest_index_locked();
	spin_unlock(&shm_lock);
	return copy_to_user(u, &info, sizeof(info)) ? -EFAULT : ret;
}

static long ctl_usage(struct shm_info __user *u)
{
	struct shm_info info = {};
	struct shm_segment *s;

	spin_lock(&shm_lock);
	info.used_ids = nr_segments;
	info.tot = shm_pages;
	list_for_each_entry(s, &segments, node) {
		info.rss += READ_ONCE(s->file->inode->mapping.nrpages);
		info.swp += READ_ONCE(s->file->inode->mapping.nrswapped);
	}
	int ret = highest_index_locked();
	spin_unlock(&shm_lock);
	return copy_to_user(u, &info, sizeof(info)) ? -EFAULT : ret;
}

/* By id, or (SHM_STAT) by index, which then is answered with the id. */
static long ctl_stat(int id, int cmd, struct shmid64_ds __user *u)
{
	struct shmid64_ds ds;
	struct shm_segment *s;
	int ret = -EINVAL;

	spin_lock(&shm_lock);
	s = cmd == IPC_STAT ? find_id_locked(id) : find_index_locked(id);
	if (s && cmd != SHM_STAT_ANY && !permitted(s, 0444)) {
		ret = -EACCES;
	} else if (s) {
		ds = s->ds;
		ret = cmd == IPC_STAT ? 0 : s->id;
	}
	spin_unlock(&shm_lock);
	return ret >= 0 && copy_to_user(u, &ds, sizeof(ds)) ? -EFAULT : ret;
}

static void set_locked(struct shm_segment *s, const struct ipc64_perm *to)
{
	struct ipc64_perm *p = &s->ds.perm;

	p->uid = to->uid;
	p->gid = to->gid;
	p->mode = (p->mode & ~0777u) | (to->mode & 0777);
	s->ds.ctime = now();
}

static long ctl_change(int id, int cmd, const struct shmid64_ds __user *u)
{
	struct shm_segment *s;
	struct shmid64_ds ds;
	bool ends = false;
	long ret = 0;

	if (cmd == IPC_SET && copy_from_user(&ds, u, sizeof(ds)))
		return -EFAULT;
	spin_lock(&shm_lock);
	s = find_id_locked(id);
	if (!s) {
		ret = -EINVAL;
	} else if (!owns(&s->ds.perm) && !capable(CAP_SYS_ADMIN)) {
		ret = -EPERM;
	} else if (cmd == IPC_SET) {
		set_locked(s, &ds.perm);
	} else {
		s->ds.perm.key = IPC_PRIVATE;
		s->ds.perm.mode |= SHM_DEST;
		ends = ends_locked(s);
	}
	spin_unlock(&shm_lock);
	if (ends)
		segment_free(s);
	return ret;
}

static long ctl_lock(int id, bool lock)
{
	struct shm_segment *s;
	long ret = 0;

	spin_lock(&shm_lock);
	s = find_id_locked(id);
	if (!s)
		ret = -EINVAL;
	else if (!capable(CAP_IPC_LOCK) &&
		 (!owns(&s->ds.perm) || (lock && !rlimit(RLIMIT_MEMLOCK))))
		ret = -EPERM;
	else
		s->ds.perm.mode = (s->ds.perm.mode & ~SHM_LOCKED) | (lock ? SHM_LOCKED : 0);
	spin_unlock(&shm_lock);
	return ret;
}

SYSCALL3(shmctl, int, id, int, cmd, void __user *, buf)
{
	if (cmd < 0 || id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
		return ctl_limits(buf);
	case SHM_INFO:
		return ctl_usage(buf);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return ctl_stat(id, cmd, buf);
	case IPC_SET:
	case IPC_RMID:
		return ctl_change(id, cmd, buf);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return ctl_lock(id, cmd == SHM_LOCK);
	}
	return -EINVAL;
}

/* --- /proc/sysvipc/shm -------------------------------------------------------------------- */

int shm_show(struct seq_file *m, struct proc_inode *unused __unused)
{
	struct shm_segment *s;

	seq_puts(m,
		 "       key      shmid perms                  size  cpid  lpid nattch   uid   gid"
		 "  cuid  cgid      atime      dtime      ctime                   rss"
		 "                  swap\n");
	spin_lock(&shm_lock);
	list_for_each_entry(s, &segments, node) {
		const struct shmid64_ds *d = &s->ds;
		const struct ipc64_perm *p = &d->perm;

		seq_printf(m, "%10d %10d  %4o %21lu %5u %5u  %5lu %5u %5u %5u %5u", p->key, s->id,
			   p->mode, d->segsz, d->cpid, d->lpid, d->nattch, p->uid, p->gid, p->cuid,
			   p->cgid);
		seq_printf(m, " %10lu %10lu %10lu %21lu %21lu\n", d->atime, d->dtime, d->ctime,
			   READ_ONCE(s->file->inode->mapping.nrpages) << PAGE_SHIFT,
			   READ_ONCE(s->file->inode->mapping.nrswapped) << PAGE_SHIFT);
	}
	spin_unlock(&shm_lock);
	return 0;
}
