# SPDX-License-Identifier: MIT
#
# An image with the host's procps (free, ps, top, pmap, slabtop ...), lscpu and their libraries, as
# the distribution has them, and with the test that runs them (tests/procps/t_procps.c). Without
# procps on the host there is no such image, and scripts/test leaves the group out.

PROCPS_TOOLS := $(realpath $(wildcard $(addprefix /usr/bin/,free lscpu pgrep pmap ps pwdx slabtop \
	top uptime vmstat w) /usr/sbin/sysctl))
PROCPS_LIBS := $(if $(PROCPS_TOOLS),$(sort $(shell ldd $(PROCPS_TOOLS) | grep -o '/[^ ]*lib[^ ]*\.so[^ ]*')))
PROCPS_TERMINFO := $(firstword $(wildcard /lib/terminfo/d/dumb /usr/share/terminfo/d/dumb))

ifneq ($(filter %/pmap,$(PROCPS_TOOLS)),)
PROCPS_IMAGE := $(O)/initramfs-procps.cpio
PROCPS_BIN   := $(U)/procps/t_procps

$(PROCPS_BIN): tests/procps/t_procps.c $(ULIB_OBJ) $(U)/flags
	@mkdir -p $(@D)
	$(call say,USER,$<)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -Itests/user/lib -MMD -MP -MT $@ -MF $@.d $< $(ULIB_OBJ) -o $@

-include $(PROCPS_BIN).d

$(PROCPS_IMAGE): $(PROCPS_BIN) $(U)/image/tests/run scripts/mkcpio.py tests/procps/procps.mk
	$(call say,CPIO,$@)
	$(Q)$(PYTHON) scripts/mkcpio.py -o $@ --busybox $(BUSYBOX) \
		$(U)/image/tests/run=/tests/run $(PROCPS_BIN)=/tests/t_procps \
		$(foreach f,$(PROCPS_TOOLS) $(PROCPS_TERMINFO),$(f)=$(f)) \
		$(foreach f,$(PROCPS_LIBS),$(realpath $(f))=$(f)) --tree rootfs
endif

.PHONY: procps
procps: $(PROCPS_IMAGE)
