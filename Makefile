# SPDX-License-Identifier: MIT
#
# Octavo's build. `make help` lists the targets.
#
# All *.c and *.S below the kernel's directories are compiled; there is nothing to configure but:
#
#	BUILD=release|debug	debug: CONFIG_DEBUG checks and UBSan traps, in $(O)/debug
#	O=DIR			where everything built goes (default build)
#	CLANG=1			clang and lld in place of gcc and ld
#	CROSS_COMPILE=PREFIX	a cross gcc, e.g. x86_64-elf-
#	FONT=FILE		of the console on a framebuffer
#	V=1			show the commands

MAKEFLAGS += -rR
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

O     ?= build
BUILD ?= release
PYTHON ?= $(shell test -x /usr/bin/python3 && echo /usr/bin/python3 || echo python3)

ifeq ($(BUILD),debug)
B := $(O)/debug
else ifeq ($(BUILD),release)
B := $(O)
else
$(error BUILD must be release or debug, not "$(BUILD)")
endif
OBJ := $(B)/obj

Q := @
say = @printf '  %-7s %s\n' $(1) $(2)
ifneq ($(V),)
Q :=
say = @:
endif

# ---------------------------------------------------------------------------- tools

ifneq ($(CLANG),)
# clang 14 takes the stack guard from %gs:40 on this target only, not on x86_64-unknown-none-elf
CC := clang --target=x86_64-unknown-linux-gnu
LD := ld.lld
NM := nm
else
CC := $(CROSS_COMPILE)gcc
LD := $(CROSS_COMPILE)ld
NM := $(CROSS_COMPILE)nm
endif
MUSL_CC ?= musl-gcc
STRIP ?= strip
BUSYBOX ?= $(firstword $(wildcard /usr/bin/busybox /bin/busybox))

# ---------------------------------------------------------------------------- the kernel

DIRS := boot kernel mm fs drivers tests/kernel
find_src = $(sort $(foreach d,$(DIRS),$(shell test -d $(d) && find $(d) -name '*.$(1)' -print)))
C_SRC := $(call find_src,c)
S_SRC := $(call find_src,S)
OBJS  := $(C_SRC:%.c=$(OBJ)/%.o) $(S_SRC:%.S=$(OBJ)/%.o) $(OBJ)/font.o

CFLAGS := -std=gnu11 -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-omit-frame-pointer -fcf-protection=none -fno-strict-aliasing \
	-fno-common -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-fstack-protector-strong -mstack-protector-guard=tls -mstack-protector-guard-reg=gs \
	-mstack-protector-guard-offset=40 \
	-Wall -Wextra -Werror -O2 -g -I. -D__OCTAVO__
AFLAGS := -I. -g -Wa,--noexecstack -mcmodel=kernel -fno-pic -fno-pie -D__ASSEMBLER__
ifeq ($(BUILD),debug)
CFLAGS += -DCONFIG_DEBUG=1 -fsanitize=undefined -fsanitize-undefined-trap-on-error
AFLAGS += -DCONFIG_DEBUG=1
endif
LDFLAGS := -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none -T linker.ld

.PHONY: all
all: $(B)/octavo.elf $(B)/octavo.elf-gdb.py initramfs

# A stamp that changes when the way to build changes, and only then.
define stamp
$(shell mkdir -p $(dir $(1)); printf '%s\n' '$(subst ','\'',$(2))' > $(1).new$$$$; \
	cmp -s $(1).new$$$$ $(1) 2>/dev/null && rm -f $(1).new$$$$ || mv -f $(1).new$$$$ $(1))
endef
$(call stamp,$(B)/flags,$(CC) $(CFLAGS) $(AFLAGS))
$(call stamp,$(B)/objects,$(LD) $(LDFLAGS) $(OBJS))

$(OBJ)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(OBJ)/%.o: %.S $(B)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(AFLAGS) -MMD -MP -c $< -o $@

# The console's font on a framebuffer. GRUB's package brings one; FONT=FILE is another (PF2, PSF).
FONT ?= $(firstword $(wildcard $(addsuffix /unicode.pf2,/usr/share/grub /usr/share/grub2 /boot/grub/fonts)))
$(call stamp,$(B)/font,$(FONT))

$(OBJ)/font.c: scripts/mkfont.py $(B)/font $(FONT)
	@mkdir -p $(@D)
	$(call say,FONT,$@)
	$(Q)$(PYTHON) scripts/mkfont.py $(FONT) > $@

$(OBJ)/font.o: $(OBJ)/font.c $(B)/flags
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

# `make mm/slab.o` compiles one file.
$(C_SRC:.c=.o) $(S_SRC:.S=.o): %.o: $(OBJ)/%.o
	@:
.PHONY: $(C_SRC:.c=.o) $(S_SRC:.S=.o)

# Two links: the first one's symbols, as a table, go into the second.
$(B)/octavo.elf: $(OBJS) linker.ld scripts/kallsyms.py $(B)/objects
	$(call say,LD,$@)
	$(Q)$(PYTHON) scripts/kallsyms.py > $(OBJ)/kallsyms0.S
	$(Q)$(CC) $(AFLAGS) -c $(OBJ)/kallsyms0.S -o $(OBJ)/kallsyms0.o
	$(Q)$(LD) $(LDFLAGS) -S $(OBJS) $(OBJ)/kallsyms0.o -o $(OBJ)/octavo0.elf
	$(Q)$(NM) -n $(OBJ)/octavo0.elf > $(OBJ)/octavo0.nm
	$(Q)$(PYTHON) scripts/kallsyms.py $(OBJ)/octavo0.nm > $(OBJ)/kallsyms1.S
	$(Q)$(CC) $(AFLAGS) -c $(OBJ)/kallsyms1.S -o $(OBJ)/kallsyms1.o
	$(Q)$(LD) $(LDFLAGS) $(OBJS) $(OBJ)/kallsyms1.o -o $@.tmp
	$(Q)mv -f $@.tmp $@

-include $(OBJS:.o=.d)

# gdb loads it with the kernel: docs/gdb.md. With the numbers of the headers, so made anew with each link.
$(B)/octavo.elf-gdb.py: $(B)/octavo.elf scripts/gdb/autoload.py
	$(Q)$(PYTHON) scripts/gdb/autoload.py $(CC) $(CFLAGS) -x c > $@.tmp
	$(Q)mv -f $@.tmp $@

# ---------------------------------------------------------------------------- user programs

USER_CFLAGS := -static -std=gnu11 -D_GNU_SOURCE= -O2 -g -Wall -Wextra -Werror \
	-idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
U := $(O)/user

USER_SRC  := $(sort $(wildcard user/*.c))
UTEST_SRC := $(sort $(wildcard tests/user/*.c))
ULIB_SRC  := $(sort $(wildcard tests/user/lib/*.c))
USER_BIN  := $(USER_SRC:user/%.c=$(U)/bin/%)
UFUZZ_SRC := tests/fuzz/calls.c tests/fuzz/elf.c
UTEST_BIN := $(UTEST_SRC:tests/user/%.c=$(U)/tests/%) $(UFUZZ_SRC:tests/%.c=$(U)/tests/%)
ULIB_OBJ  := $(ULIB_SRC:tests/user/lib/%.c=$(U)/lib/%.o)

$(call stamp,$(U)/flags,$(MUSL_CC) $(USER_CFLAGS))

$(U)/bin/%: user/%.c $(U)/flags
	@mkdir -p $(@D)
	$(call say,USER,$<)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -MMD -MP -MT $@ -MF $@.d $< -o $@

$(U)/lib/%.o: tests/user/lib/%.c $(U)/flags
	@mkdir -p $(@D)
	$(call say,USER,$<)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -Itests/user -Itests/user/lib -MMD -MP -c $< -o $@

define user_test
	@mkdir -p $(@D)
	$(call say,USER,$<)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -Itests/user -Itests/user/lib -MMD -MP -MT $@ -MF $@.d \
		$< $(ULIB_OBJ) -o $@
endef
$(U)/tests/%: tests/user/%.c $(ULIB_OBJ) $(U)/flags
	$(user_test)
$(U)/tests/fuzz/%: tests/fuzz/%.c $(ULIB_OBJ) $(U)/flags
	$(user_test)

# The programs that measure share a library, and have an image of their own.
BENCH_BIN := $(U)/bench/bench $(U)/bench/scale
BENCH_LIB := tests/bench/lib.c
$(U)/bench/%: tests/bench/%.c $(BENCH_LIB) tests/bench/bench.h $(U)/flags
	@mkdir -p $(@D)
	$(call say,USER,$<)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) $< $(BENCH_LIB) -o $@

# What goes into the image is stripped; gdb reads the originals.
$(U)/image/%: $(U)/%
	@mkdir -p $(@D)
	$(Q)$(STRIP) -o $@ $<

USER_IMAGE := $(USER_BIN:$(U)/%=$(U)/image/%) $(UTEST_BIN:$(U)/%=$(U)/image/%)

.PHONY: user
user: $(USER_BIN) $(UTEST_BIN)

-include $(USER_BIN:=.d) $(UTEST_BIN:=.d) $(ULIB_OBJ:.o=.d)

# ---------------------------------------------------------------------------- initramfs

# Fragments may add `source=/path/in/image` words here.
INITRAMFS_EXTRA ?=
-include tests/user/dyn.mk
-include scripts/oracle.mk
-include tests/procps/procps.mk

PARTS := 1 2 3
ROOTFS := $(shell test -d rootfs && find rootfs -print)
INITRAMFS_SRC := $(foreach p,$(INITRAMFS_EXTRA),$(firstword $(subst =, ,$(p))))
$(call stamp,$(O)/initramfs.list,$(PARTS) $(BUSYBOX) $(ROOTFS) $(USER_BIN) $(UTEST_BIN) $(INITRAMFS_EXTRA))

# The small one, for machines with little RAM, leaves the extras and the tests out. There the tests run from
# several (PARTS), each with a share of them.
IMAGES := $(O)/initramfs.cpio $(O)/initramfs-small.cpio $(PARTS:%=$(O)/initramfs-part%.cpio)
suites = $(filter $(U)/tests/t_%,$(UTEST_BIN))
$(O)/initramfs.cpio: HOLDS = $(UTEST_BIN)
$(O)/initramfs.cpio: EXTRA = $(INITRAMFS_EXTRA)
$(O)/initramfs.cpio: $(INITRAMFS_SRC)
$(O)/initramfs-part%.cpio: HOLDS = $(U)/tests/run $(shell printf '%s\n' $(suites) | \
	awk 'NR % $(words $(PARTS)) == $(@:$(O)/initramfs-part%.cpio=%) - 1')

$(IMAGES): $(USER_IMAGE) $(ROOTFS) scripts/mkcpio.py $(O)/initramfs.list
	$(call say,CPIO,$@)
	$(Q)test -n "$(BUSYBOX)" || { echo "no busybox: run scripts/setup"; exit 1; }
	$(Q)$(PYTHON) scripts/mkcpio.py -o $@ --busybox $(BUSYBOX) \
		$(foreach f,$(USER_BIN) $(HOLDS),$(f:$(U)/%=$(U)/image/%)=$(f:$(U)%=%)) $(EXTRA) --tree rootfs

$(O)/bench.cpio: $(BENCH_BIN:$(U)/%=$(U)/image/%) scripts/mkcpio.py
	$(call say,CPIO,$@)
	$(Q)$(PYTHON) scripts/mkcpio.py -o $@ $(foreach f,$(filter $(U)/%,$^),$(f)=/$(notdir $(f)))

.PHONY: initramfs
initramfs: $(IMAGES) $(PROCPS_IMAGE) $(O)/bench.cpio

# ---------------------------------------------------------------------------- image

GRUB_MKRESCUE ?= $(shell command -v grub-mkrescue || command -v grub2-mkrescue || echo grub-mkrescue)

# ISO=1 asks for the usual image, ISO=PATH for one elsewhere. GRUB's command line is part of it.
ISO_FILE := $(if $(filter-out 1 y yes,$(ISO)),$(ISO),$(B)/octavo.iso)
ISO_APPEND = $(if $(SWAP),ramdisk_size=$(shell echo $$(($(SWAP) * 1024))) SWAP=$(SWAP)) $(APPEND)
$(call stamp,$(ISO_FILE).append,$(ISO_APPEND))

$(ISO_FILE): $(B)/octavo.elf $(O)/initramfs.cpio iso/grub.cfg scripts/mkgrubcfg.py $(ISO_FILE).append
	$(call say,ISO,$@)
	$(Q)rm -rf $@.d && mkdir -p $@.d/boot/grub
	$(Q)cp $(B)/octavo.elf $(O)/initramfs.cpio $@.d/boot/
	$(Q)APPEND='$(subst ','\'',$(ISO_APPEND))' $(PYTHON) scripts/mkgrubcfg.py iso/grub.cfg \
		> $@.d/boot/grub/grub.cfg
	$(Q)$(GRUB_MKRESCUE) -o $@.tmp $@.d > $@.log 2>&1 || { cat $@.log; exit 1; }
	$(Q)mv -f $@.tmp $@
	$(Q)rm -rf $@.d

.PHONY: iso
iso: $(ISO_FILE)

# ---------------------------------------------------------------------------- running

export O BUILD MEM SWAP SMP APPEND RUN ISO UEFI MACHINE CPU ACCEL

.PHONY: run debug record replay test test-long transcripts mutants bench bench-linux profile timeline check format clean help
run: all $(if $(ISO)$(UEFI),iso)
	@scripts/qemu run

debug:
	@$(MAKE) --no-print-directory BUILD=debug all $(if $(ISO)$(UEFI),iso)
	@BUILD=debug scripts/debug

record:
	@$(MAKE) --no-print-directory BUILD=debug all
	@BUILD=debug scripts/qemu record

replay:
	@BUILD=debug scripts/debug replay

test:
	@scripts/test

test-long:
	@scripts/test --long

transcripts: all
	@scripts/maps.py --write
	@scripts/transcripts.py --write
	@$(MAKE) --no-print-directory BUILD=debug all
	@scripts/testgdb.py --write

mutants:
	@scripts/setup
	@scripts/mutants $(if $(ONLY),--only $(ONLY))

# BENCH_ARGS=--wall, OPS="null_syscall ..."
bench: all
	@scripts/bench $(BENCH_ARGS) $(OPS)

bench-linux: all
	@scripts/bench --linux $(BENCH_ARGS) $(OPS)

plots: all
	@scripts/plots octavo linux

profile: all
	@scripts/profile $(OP)

# The faults of a command as a picture: the trace leaves the guest by its second serial line.
CMD ?= cow -s 0
PICTURE ?= $(O)/timeline.svg
timeline: all
	@APPEND='$(APPEND) quiet rdinit=/etc/timeline DELAY=$(DELAY) CMD="$(CMD)"' \
		QEMU_ARGS='$(QEMU_ARGS) -serial file:$(O)/timeline.bin' scripts/qemu test || [ $$? -eq 33 ]
	@$(PYTHON) scripts/timeline --title '$(CMD)' $(O)/timeline.bin > $(PICTURE).new
	@mv -f $(PICTURE).new $(PICTURE) && echo 'timeline: $(PICTURE)'

check:
	@$(PYTHON) scripts/check.py

format:
	@$(PYTHON) scripts/check.py --format

clean:
	rm -rf $(O)

help:
	@echo 'Octavo: a teaching kernel about memory. Targets:'
	@echo '  all         the kernel and the initramfs (default)'
	@echo '  run         boot to a prompt; Ctrl-A X leaves QEMU'
	@echo '  iso         $(O)/octavo.iso, for GRUB'
	@echo '  debug       the debug build, stopped, with gdb (DEBUG_TMUX=1: in two panes)'
	@echo '  record      boot the debug build and note all that happens'
	@echo '  replay      the same run again, with gdb, also backwards'
	@echo '  test        all test groups (scripts/test --help for more)'
	@echo '  test-long   the same with long random sequences'
	@echo '  test-oracle the user tests on Linux 6.1 as well, compared (UTEST=mmap,fork)'
	@echo '  transcripts docs/*.md: what the machine says, taken anew'
	@echo '  mutants     the kernel with one mistake at a time: do the tests notice? (ONLY=NAME)'
	@echo '  bench       what operations cost, in instructions (OPS=)'
	@echo '  bench-linux the same program on Linux 6.1 as well'
	@echo '  plots       docs/scale-*.svg: how costs grow with size, here and on Linux'
	@echo '  profile     instructions per function of one operation (OP=)'
	@echo '  timeline    the faults of CMD="thrash 150" as a picture, $(O)/timeline.svg'
	@echo '  check       format, who includes whom, line budgets'
	@echo '  format      reformat the sources'
	@echo '  user, initramfs, clean'
	@echo '  DIR/FILE.o  compile one file'
	@echo 'Variables: MEM=MiB (512) SWAP=MiB (0) SMP=N (1) APPEND="…" RUN="command" ISO=1 UEFI=1 DISPLAY=1 MACHINE=pc|q35'
	@echo '           BUILD=release|debug V=1 O=DIR CLANG=1 CROSS_COMPILE=PREFIX FONT=FILE'
