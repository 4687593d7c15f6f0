# SPDX-License-Identifier: MIT
#
# An image with the host's procps (free, ps, top, pmap, slabtop ...), lscpu and their libraries, as
# the distribution has them, and with the test that runs them (tests/procps/t_procps.c). Without
# procps on the host there is no such image, and scripts/test leaves the group out. The image boots
# to a prompt, too: make run INITRD=build/initramfs-procps.cpio, then /usr/bin/top.

PROCPS_TOOLS := $(realpath $(wildcard $(addprefix /usr/bin/,free lscpu pgrep pmap ps pwdx slabtop \
	top uptime vmstat w) /usr/sbin/sysctl))
PROCPS_LIBS := $(if $(PROCPS_TOOLS),$(sort $(shell ldd $(PROCPS_TOOLS) | grep -o '/[^ ]*lib[^ ]*\.so[^ ]*')))
PROCPS_TERMINFO := $(wildcard $(addprefix /lib/terminfo/,d/dumb l/linux v/vt100 v/vt102 v/vt220 x/xterm))

ifneq ($(filter %/pmap,$(PROCPS_TOOLS)),)
PROCPS_IMAGE := $(O)/initramfs-procps.cpio
PROCPS_BIN   := $(U)/procps/t_procps

$(PROCPS_BIN): tests/procps/t_procps.c $(ULIB_OBJ) $(U)/flags
	@mkdir -p $(@D)
	$(call say,USER,$<)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -Itests/user/lib -MMD -MP -MT $@ -MF $@.d $< $(ULIB_OBJ) -o $@

-include $(PROCPS_BIN).d

PROCPS_USER := $(filter-out %/pmap %/vmstat,$(USER_BIN:$(U)/%=$(U)/image/%)) $(U)/image/tests/run

$(PROCPS_IMAGE): $(PROCPS_BIN) $(PROCPS_USER) $(ROOTFS) scripts/mkcpio.py tests/procps/procps.mk
	$(call say,CPIO,$@)
	$(Q)$(PYTHON) scripts/mkcpio.py -o $@ --busybox $(BUSYBOX) \
		$(foreach f,$(PROCPS_USER),$(f)=$(f:$(U)/image%=%)) $(PROCPS_BIN)=/tests/t_procps \
		$(foreach f,$(PROCPS_TOOLS) $(PROCPS_TERMINFO),$(f)=$(f)) \
		$(foreach f,$(PROCPS_LIBS),$(realpath $(f))=$(f)) --tree rootfs
endif

.PHONY: procps
procps: $(PROCPS_IMAGE)
