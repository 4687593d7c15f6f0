# SPDX-License-Identifier: MIT
#
# Programs of the host's own C library for the image: static, static PIE and dynamically linked,
# with the dynamic linker and the libraries that they need. Where the host has no glibc, or no
# static one, they are left out, and the test t_dyn skips them.

DYN_CC     ?= gcc
DYN_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Werror
DYN        := $(O)/user/dyn
DYN_LDSO   := $(realpath $(wildcard /lib64/ld-linux-x86-64.so.2))
DYN_LIBDIR := $(if $(wildcard /lib/x86_64-linux-gnu/libc.so.6),/lib/x86_64-linux-gnu,/lib64)
DYN_LIBC   := $(realpath $(wildcard $(DYN_LIBDIR)/libc.so.6))
DYN_LIBM   := $(realpath $(wildcard $(DYN_LIBDIR)/libm.so.6))
# which unwinds a cancelled thread
DYN_LIBGCC := $(realpath $(wildcard $(DYN_LIBDIR)/libgcc_s.so.1))
DYN_STATIC := $(wildcard $(shell $(DYN_CC) -print-file-name=libc.a 2>/dev/null))

ifneq ($(and $(DYN_LDSO),$(DYN_LIBC),$(DYN_LIBM)),)
DYN_BIN := g_hello g_hello_nopie g_math $(if $(DYN_LIBGCC),g_threads)
INITRAMFS_EXTRA += $(DYN_LDSO)=/lib64/ld-linux-x86-64.so.2 \
	$(DYN_LIBC)=$(DYN_LIBDIR)/libc.so.6 $(DYN_LIBM)=$(DYN_LIBDIR)/libm.so.6 \
	$(if $(DYN_LIBGCC),$(DYN_LIBGCC)=$(DYN_LIBDIR)/libgcc_s.so.1)
endif
ifneq ($(findstring /,$(DYN_STATIC)),)
DYN_BIN += g_static g_static_pie g_static_threads
endif
INITRAMFS_EXTRA += $(foreach b,$(DYN_BIN),$(DYN)/$(b)=/tests/dyn/$(b))

define dyn_rule
$(DYN)/$(1): tests/user/dyn/$(2).c tests/user/dyn.mk
	@mkdir -p $$(@D)
	$$(call say,USER,$$@)
	$$(Q)$$(DYN_CC) $$(DYN_CFLAGS) $(3) $$< -o $$@ $(4)
endef
$(eval $(call dyn_rule,g_hello,hello,-fPIE -pie))
$(eval $(call dyn_rule,g_hello_nopie,hello,-fno-PIE -no-pie))
$(eval $(call dyn_rule,g_math,math,-fPIE -pie,-lm))
$(eval $(call dyn_rule,g_static,hello,-static -no-pie))
$(eval $(call dyn_rule,g_static_pie,hello,-static-pie -fPIE))
$(eval $(call dyn_rule,g_threads,threads,-fPIE -pie -pthread))
$(eval $(call dyn_rule,g_static_threads,threads,-static -no-pie -pthread))
